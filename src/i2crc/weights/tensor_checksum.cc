// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/tensor_checksum.h"

#include <algorithm>
#include <vector>

#include "i2crc/core/checksum.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

constexpr const char* kChecksumKey = "i2crc.checksum";

std::string ChecksumOf(const TensorMap& tensors) {
  // Python's safetensors writes tensors in another order.
  std::vector<const std::pair<std::string, Tensor>*> sorted;
  for (const auto& item : tensors.items()) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  RunningChecksum checksum;
  for (const auto* item : sorted) {
    const auto& [name, tensor] = *item;
    checksum.Add(fmt::format("{} {} {}\n", name, DTypeName(tensor.dtype), ShapeText(tensor.shape)));
    checksum.Add(tensor.bytes);
  }
  return checksum.Text();
}

}  // namespace

void AddChecksum(TensorMap& tensors) { tensors.metadata[kChecksumKey] = ChecksumOf(tensors); }

void CheckChecksum(const TensorMap& tensors, const std::string& file, const std::string& remedy) {
  const auto said = tensors.metadata.find(kChecksumKey);
  if (said != tensors.metadata.end() && said->second != ChecksumOf(tensors))
    Fail("{}: damaged: its tensors are not those that were written; {}", file, remedy);
}

TensorMap ReadCheckedTensorFile(const std::filesystem::path& path, const std::string& remedy) {
  TensorMap tensors;
  try {
    tensors = ReadTensorFile(path);
  } catch (const Error& error) {
    Fail("{}; {}", error.what(), remedy);
  }
  CheckChecksum(tensors, path.string(), remedy);
  return tensors;
}

}  // namespace i2crc
