// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/weights/pickle.h"
#include "i2crc/weights/readers.h"
#include "i2crc/weights/tensor.h"

namespace i2crc {

// What PyTorch's two file formats have in common: the pickle says which tensors there are and where
// in which storage they lie; the storages' bytes stand elsewhere in the file.

struct TorchStorage {
  DType dtype = DType::kF32;
  uint64_t elements = 0;
  uint64_t bytes() const { return elements * ItemSize(dtype); }  // checked when it was read
};

// A window into a storage. Element (i, j, …) is number offset + i·strides[0] + j·strides[1] + … of
// it, which is checked to lie inside.
struct TorchTensor {
  std::string storage;  // key
  uint64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

struct TorchState {
  std::vector<std::pair<std::string, TorchTensor>> tensors;
  std::map<std::string, TorchStorage> storages;  // all of the file, those of the optimizer too
  std::map<std::string, std::string> metadata;
};

// The state dict in a checkpoint's pickle, as ReadTensorFile describes it. Every tensor anywhere in
// the pickle is checked; only those of the state dict are returned.
TorchState ReadTorchState(const Pickle& pickle, const std::string& file);

// The tensor, dense and row-major. storage holds exactly the bytes of its TorchStorage.
Tensor MakeDense(const TorchTensor& tensor, DType dtype, std::span<const std::byte> storage);

// Gives the bytes of a storage. May throw.
using LoadStorage = std::function<std::vector<std::byte>(const std::string& key)>;

// All tensors of the state. Each storage is loaded once, and dropped after the last tensor that
// lies in it. file_bytes bounds what views may unfold to.
TensorMap MakeTensors(const TorchState& state, ReadWhat what, const LoadStorage& load,
                      size_t file_bytes, const std::string& file);

}  // namespace i2crc
