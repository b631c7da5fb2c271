// SPDX-License-Identifier: Apache-2.0
#include "support/test_dirs.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace fs = std::filesystem;

namespace i2crc::testing {

TempDir::TempDir() {
  fs::create_directories(I2CRC_TEST_TMP);
  std::string pattern = std::string(I2CRC_TEST_TMP) + "/XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

bool HaveShared() { return fs::is_directory(I2CRC_SHARED_DIR); }

fs::path SharedPath(const std::string& relative) { return fs::path(I2CRC_SHARED_DIR) / relative; }

std::string ReadBytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << "cannot read " << path;
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void WriteBytes(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  EXPECT_TRUE(out.good()) << "cannot write " << path;
}

}  // namespace i2crc::testing
