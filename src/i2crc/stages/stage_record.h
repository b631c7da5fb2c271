// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace i2crc {

// A file that a stage made, as it was when the stage was finished.
struct MadeFile {
  std::string name;  // in the stage's folder
  // Unknown in records of before they were kept: then the file only has to be there.
  std::string checksum = "";
  uint64_t bytes = 0;
  // As long as size, time and inode are the same nobody wrote to the file, and it need not be read.
  int64_t changed = 0;  // nanoseconds
  uint64_t inode = 0;
};

// stage.json: what a stage was made of, how far it is, and what it made.
struct StageRecord {
  nlohmann::ordered_json recipe;
  bool finished = false;
  bool cleaned = false;  // its files were removed afterwards
  double seconds = 0;
  std::vector<MadeFile> files;  // where finished
  std::string scored_with;
  // Lines that the run's metrics had of this stage when it was begun; none in older records.
  std::optional<int64_t> lines_before;

  bool Has(const std::string& file) const;
};

inline constexpr const char* kStageRecord = "stage.json";
inline constexpr const char* kStageScores = "scores.json";

// The folder's, or none. Throws Error where it is damaged.
std::optional<StageRecord> ReadStageRecord(const std::filesystem::path& folder);
void WriteStageRecord(const std::filesystem::path& folder, const StageRecord& record);

// Files whose name begins with a dot are those of a write that was cut off, and the lock.
bool IsAside(const std::filesystem::path& file);
// Everything in a stage's folder but its record, its scores, and what writes that were cut off
// left.
std::vector<std::string> FilesIn(const std::filesystem::path& folder);
// The same with what is to be remembered of each.
std::vector<MadeFile> MadeFiles(const std::filesystem::path& folder);
// The first of the record's files that is not there any more, or "".
std::string MissingFile(const std::filesystem::path& folder, const StageRecord& record);
// The first that is there, but has other contents than it was made with, or "".
std::string ChangedFile(const std::filesystem::path& folder, const StageRecord& record);

}  // namespace i2crc
