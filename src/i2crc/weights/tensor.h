// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/core/error.h"

namespace i2crc {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

size_t ItemSize(DType dtype);
const char* DTypeName(DType dtype);  // safetensors' names: "F32", "BF16", "I64", "BOOL"

// A dense row-major tensor, little-endian.
struct Tensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // empty: a scalar
  std::vector<std::byte> bytes;

  // Product of the shape.
  int64_t elements() const;
  // Any floating or integer dtype converted to f32 (f16 and bf16 exactly, f64 and integers
  // rounded).
  std::vector<float> ToF32() const;
  // The values in place; ENSUREs that T has the dtype's size.
  template <typename T>
  std::span<const T> As() const;

  static Tensor FromF32(std::vector<int64_t> shape, std::span<const float> values);
  static Tensor FromU8(std::vector<int64_t> shape, std::span<const uint8_t> values);
  // Rounded to nearest even.
  static Tensor F16FromF32(std::vector<int64_t> shape, std::span<const float> values);
};

// Scalar conversions, exact or rounded to nearest even.
float F16ToF32(uint16_t bits);
uint16_t F32ToF16(float value);
float BF16ToF32(uint16_t bits);
uint16_t F32ToBF16(float value);

// "[64, 3, 7, 7]"
std::string ShapeText(std::span<const int64_t> shape);

// Named tensors in the order of their file, with string metadata.
class TensorMap {
 public:
  // Throws Error where the name is there already.
  void Add(std::string name, Tensor tensor);
  const Tensor* Find(const std::string& name) const;  // null where absent
  const std::vector<std::pair<std::string, Tensor>>& items() const& { return items_; }
  std::vector<std::pair<std::string, Tensor>>& items() & { return items_; }
  // In `for (… : ReadTensorFile(path).items())` the map would be gone before the first turn.
  void items() const&& = delete;
  size_t size() const { return items_.size(); }

  std::map<std::string, std::string> metadata;

 private:
  std::vector<std::pair<std::string, Tensor>> items_;
  std::map<std::string, size_t> index_;
};

template <typename T>
std::span<const T> Tensor::As() const {
  ENSURE(sizeof(T) == ItemSize(dtype), "{} read as values of {} bytes", DTypeName(dtype),
         sizeof(T));
  // std::vector<std::byte> is aligned as operator new aligns, which is enough for every dtype.
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace i2crc
