// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "i2crc/core/work.h"

namespace i2crc {

// What kind of file it is, whose, and what stands in it: metadata, tensors with dtype and shape.
// The values are not read. Throws Error "FILE: cause".
std::string DescribeWeights(const std::filesystem::path& file);

struct ConvertResult {
  size_t tensors = 0;
  size_t bytes = 0;  // of the tensors
};

// The work writes what stands in a tensor file of any kind as safetensors; names, dtypes, order and
// metadata stay. out must end in .safetensors and must not be the file `in`.
Work<ConvertResult> PrepareConversion(const std::filesystem::path& in,
                                      const std::filesystem::path& out);

}  // namespace i2crc
