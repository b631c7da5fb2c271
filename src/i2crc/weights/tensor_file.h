// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "i2crc/core/atomic_file.h"
#include "i2crc/weights/tensor.h"

namespace i2crc {

// Readers of tensors from files that anybody may have made: every size, count and offset is checked
// against the file before it is used; nothing in a file is executed. All throw Error "FILE: cause".

enum class TensorFileFormat { kSafetensors, kTorchZip, kTorchLegacy };

// Told by the first bytes, not by the name.
TensorFileFormat SniffTensorFile(const std::filesystem::path& path);

// A whole file in any of the formats. Of a PyTorch checkpoint that is a dictionary with
// `state_dict` (or `model`) the tensors of that entry; other entries that are tensors, numbers or
// strings are passed over, names keep what they are
// ("module." is not taken off here). metadata holds safetensors' __metadata__, and for PyTorch
// files the top-level numbers and strings ("epoch": "7").
TensorMap ReadTensorFile(const std::filesystem::path& path);

// Names, dtypes and shapes and metadata without the data (Tensor::bytes stays empty).
TensorMap ReadTensorHeaders(const std::filesystem::path& path);

// The same from memory; name stands in messages.
TensorMap ParseSafetensors(std::span<const uint8_t> bytes, const std::string& name);
TensorMap ParseTorchZip(std::span<const uint8_t> bytes, const std::string& name);
TensorMap ParseTorchLegacy(std::span<const uint8_t> bytes, const std::string& name);

// Deterministic: the bytes depend on names, order, values and metadata alone; data aligned to 8
// bytes. Whole or not at all.
void WriteSafetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      Flush flush = Flush::kNow);

}  // namespace i2crc
