// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace i2crc {

// A file's bytes without copying them. The file must not shrink meanwhile (files of ours never do:
// they are replaced by renaming).
class MappedFile {
 public:
  // Throws Error where it does not exist, is no regular file or cannot be read.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return {static_cast<const uint8_t*>(begin_), size_}; }

 private:
  void* begin_ = nullptr;
  size_t size_ = 0;
};

}  // namespace i2crc
