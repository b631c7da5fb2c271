// SPDX-License-Identifier: Apache-2.0
#include "i2crc/stages/stage_record.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/core/error.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;

// Size, time and inode; none where the file is not there.
std::optional<MadeFile> Glance(const fs::path& folder, const std::string& name) {
  struct stat found = {};
  if (::stat((folder / name).c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return std::nullopt;
  return MadeFile{name, "", static_cast<uint64_t>(found.st_size),
                  int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec,
                  found.st_ino};
}

bool IsUntouched(const MadeFile& now, const MadeFile& then) {
  return now.bytes == then.bytes && now.changed == then.changed && now.inode == then.inode;
}

// Records of before had names alone.
MadeFile FileFromJson(const Json& json) {
  if (json.is_string()) return {json.get<std::string>()};
  return {json.at("name"), json.at("checksum"), json.at("bytes"), json.at("changed"),
          json.at("inode")};
}

Json ToJson(const MadeFile& file) {
  if (file.checksum.empty()) return file.name;
  return {{"name", file.name},
          {"checksum", file.checksum},
          {"bytes", file.bytes},
          {"changed", file.changed},
          {"inode", file.inode}};
}

}  // namespace

bool StageRecord::Has(const std::string& file) const {
  return std::any_of(files.begin(), files.end(),
                     [&](const MadeFile& made) { return made.name == file; });
}

std::optional<StageRecord> ReadStageRecord(const fs::path& folder) {
  const fs::path path = folder / kStageRecord;
  if (!fs::exists(path)) return std::nullopt;
  try {
    const Json json = Json::parse(ReadWholeFile(path));
    StageRecord record;
    record.recipe = json.at("recipe");
    record.finished = json.at("finished");
    record.cleaned = json.value("cleaned", false);
    record.seconds = json.at("seconds");
    for (const Json& file : json.at("files")) record.files.push_back(FileFromJson(file));
    record.scored_with = json.at("scored_with");
    if (json.contains("lines_before")) record.lines_before = json.at("lines_before");
    return record;
  } catch (const Json::exception&) {
    Fail("{}: damaged, or of another version; remove the folder to do the stage again",
         path.string());
  }
}

void WriteStageRecord(const fs::path& folder, const StageRecord& record) {
  Json files = Json::array();
  for (const MadeFile& file : record.files) files.push_back(ToJson(file));
  Json json = {
      {"recipe", record.recipe},           {"finished", record.finished},
      {"cleaned", record.cleaned},         {"seconds", std::round(record.seconds * 1000) / 1000},
      {"scored_with", record.scored_with}, {"files", files}};
  if (record.lines_before) json["lines_before"] = *record.lines_before;
  WriteFileAtomically(folder / kStageRecord, json.dump(1) + "\n");
}

bool IsAside(const fs::path& file) { return file.filename().string().starts_with("."); }

std::vector<std::string> FilesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (entry.is_regular_file() && name != kStageRecord && name != kStageScores &&
        !IsAside(entry.path()))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<MadeFile> MadeFiles(const fs::path& folder) {
  std::vector<MadeFile> files;
  for (const std::string& name : FilesIn(folder)) {
    MadeFile file = Glance(folder, name).value_or(MadeFile{name});
    file.checksum = FileChecksum(folder / name);
    files.push_back(std::move(file));
  }
  return files;
}

std::string MissingFile(const fs::path& folder, const StageRecord& record) {
  for (const MadeFile& file : record.files)
    if (!Glance(folder, file.name)) return file.name;
  return "";
}

std::string ChangedFile(const fs::path& folder, const StageRecord& record) {
  for (const MadeFile& file : record.files) {
    const std::optional<MadeFile> now = Glance(folder, file.name);
    if (!now || file.checksum.empty() || IsUntouched(*now, file)) continue;
    if (now->bytes != file.bytes || FileChecksum(folder / file.name) != file.checksum)
      return file.name;
  }
  return "";
}

}  // namespace i2crc
