// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/name_map.h"

#include <string_view>
#include <utility>

namespace i2crc {

void StripModulePrefix(TensorMap& tensors, const std::string& file) {
  constexpr std::string_view kPrefix = "module.";
  // Into a map of its own, and the names first: a clash leaves the tensors as they were.
  TensorMap renamed;
  for (const auto& [name, tensor] : tensors.items()) {
    std::string plain = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
    try {
      renamed.Add(std::move(plain), {tensor.dtype, tensor.shape, {}});
    } catch (const Error& error) {
      Fail("{}: {}", file, error.what());
    }
  }
  for (size_t i = 0; i < tensors.size(); ++i)
    renamed.items()[i].second = std::move(tensors.items()[i].second);
  renamed.metadata = std::move(tensors.metadata);
  tensors = std::move(renamed);
}

}  // namespace i2crc
