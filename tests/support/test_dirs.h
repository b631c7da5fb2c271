// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace i2crc::testing {

// A fresh empty directory inside the build tree, removed when the object goes.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Whether the folder of goldens, photographs and weights stands beside the project.
bool HaveShared();
std::filesystem::path SharedPath(const std::string& relative);

// A whole file as bytes; fails the test where it cannot be read.
std::string ReadBytes(const std::filesystem::path& path);
void WriteBytes(const std::filesystem::path& path, const std::string& bytes);

}  // namespace i2crc::testing

// First line of a test that reads ../shared: without it the test skips and says so.
#define I2CRC_NEEDS_SHARED(relative)                                                       \
  do {                                                                                     \
    if (!std::filesystem::exists(::i2crc::testing::SharedPath(relative)))                  \
      GTEST_SKIP() << "needs " << ::i2crc::testing::SharedPath(relative) << ", not there"; \
  } while (false)
