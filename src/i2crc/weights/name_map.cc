// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/name_map.h"

namespace i2crc {

size_t StripPrefix(TensorMap& tensors, const std::string& prefix) {
  // Into a map of its own, and the names first: a clash leaves the tensors as they were.
  TensorMap renamed;
  size_t changed = 0;
  for (const auto& [name, tensor] : tensors.items()) {
    const bool has = !prefix.empty() && name.compare(0, prefix.size(), prefix) == 0;
    renamed.Add(has ? name.substr(prefix.size()) : name, {tensor.dtype, tensor.shape, {}});
    if (has) ++changed;
  }
  for (size_t i = 0; i < tensors.size(); ++i)
    renamed.items()[i].second = std::move(tensors.items()[i].second);
  renamed.metadata = std::move(tensors.metadata);
  tensors = std::move(renamed);
  return changed;
}

}  // namespace i2crc
