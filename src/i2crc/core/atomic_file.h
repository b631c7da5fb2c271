// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace i2crc {

// When a file is safe from a power cut: as soon as it stands at its path, or with the next
// FlushFolder, for files of which a step writes many.
enum class Flush { kNow, kLater };

// Writes a whole file aside (same folder, ".NAME.tmp.PID.COUNT") and renames it into place, so that
// a reader sees the old file, the new file, or none; after a power cut too, once it is flushed.
// Throws Error with the file's name and the cause (disk full, no permission).
void WriteFileAtomically(const std::filesystem::path& path, std::span<const std::byte> bytes,
                         Flush flush = Flush::kNow);
void WriteFileAtomically(const std::filesystem::path& path, std::string_view text,
                         Flush flush = Flush::kNow);

// A file written in pieces with the same promise: nothing stands at path before Commit(), and
// without it the aside file is removed.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path, Flush flush = Flush::kNow);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void Write(std::span<const std::byte> bytes);
  void Write(std::string_view text) { Write(std::as_bytes(std::span(text))); }
  void Commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path aside_;
  Flush flush_;
  int descriptor_ = -1;
};

// Everything that was written below the folder is on disk when this returns. Throws Error where the
// disk says that it is not.
void FlushFolder(const std::filesystem::path& folder);
// The folder's names are on disk: what was made, renamed or removed in it.
void FlushNames(const std::filesystem::path& folder);
// An open file is on disk. path stands in the message.
void FlushFile(int descriptor, const std::filesystem::path& path);

// Removes what writes of a killed process left in the folder. Only where no other process writes
// (core/out_folder.h).
void RemoveAsideFiles(const std::filesystem::path& folder);

// The whole file. Throws Error where it does not exist, cannot be read or is larger than max_bytes.
std::string ReadWholeFile(const std::filesystem::path& path, size_t max_bytes = SIZE_MAX);

// Whether there is a file (a link to nowhere is none). Throws Error where that cannot be told.
bool FileIsThere(const std::filesystem::path& path);

// Throws Error "NAME: cause" where files cannot be written into the folder, or where it is not
// there and cannot be made. Writes nothing.
void CheckWritable(const std::filesystem::path& folder, const std::string& name);

// Makes the folder and its parents, safe from a power cut. Throws Error where that cannot be.
void MakeFolder(const std::filesystem::path& path);

}  // namespace i2crc
