// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace i2crc {

// XXH3-128 as 32 hexadecimal digits: tells changed files and options apart, no protection against
// forgery.
std::string Checksum(std::string_view bytes);
std::string FileChecksum(const std::filesystem::path& path);
// The same, read once in the life of the process as long as size, times and inode stay what they
// are. From any thread.
std::string RememberedFileChecksum(const std::filesystem::path& path);

// The checksum of pieces behind each other.
class RunningChecksum {
 public:
  RunningChecksum();
  ~RunningChecksum();
  RunningChecksum(const RunningChecksum&) = delete;
  RunningChecksum& operator=(const RunningChecksum&) = delete;

  void Add(std::span<const std::byte> bytes);
  void Add(std::string_view text) { Add(std::as_bytes(std::span(text))); }
  std::string Text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace i2crc
