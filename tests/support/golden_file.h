// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace i2crc::testing {

// One tensor of a golden, as it stands in the file.
struct GoldenTensor {
  std::string dtype;  // U8, I32, I64, F16, F32, F64
  std::vector<int64_t> shape;
  std::string bytes;

  int64_t size() const;
  std::vector<uint8_t> U8() const;     // dtype U8 only
  std::vector<double> Values() const;  // any dtype; every value is exact
  std::vector<float> Floats() const;   // F16 or F32 only
};

// A .safetensors golden, read independently of the program's own reader so that a mistake there
// cannot hide itself. Throws std::runtime_error for a file it cannot read and for a name that is
// not there.
class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& path);

  const GoldenTensor& at(const std::string& name) const;
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  std::vector<std::string> names() const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::string path_;
  std::map<std::string, GoldenTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace i2crc::testing
