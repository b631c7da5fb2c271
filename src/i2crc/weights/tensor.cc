// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "i2crc/weights/checked.h"

namespace i2crc {

static_assert(std::endian::native == std::endian::little,
              "tensors are kept little-endian and read in place");

size_t ItemSize(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  ENSURE(false, "dtype {}", static_cast<int>(dtype));
  return 0;
}

const char* DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "F64";
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kI64:
      return "I64";
    case DType::kI32:
      return "I32";
    case DType::kI16:
      return "I16";
    case DType::kI8:
      return "I8";
    case DType::kU8:
      return "U8";
    case DType::kBool:
      return "BOOL";
  }
  ENSURE(false, "dtype {}", static_cast<int>(dtype));
  return "";
}

// All three in selects instead of branches, so that loops over them are vectorised.
float F16ToF32(uint16_t bits) {
  const uint32_t half = bits;
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t rest = (half & 0x7fffu) << 13;  // exponent and fraction in f32's places
  const uint32_t exponent = rest & 0x0f800000u;
  constexpr uint32_t kRebias = (127u - 15u) << 23;
  // Infinity and NaN: the exponent 31 becomes 255, one more step of 112.
  const uint32_t normal = rest + kRebias + (exponent == 0x0f800000u ? kRebias : 0u);
  // Denormal: a multiple of 2^-24, which f32 holds as a normal number.
  const float denormal = static_cast<float>(static_cast<int32_t>(half & 0x3ffu)) * 0x1p-24f;
  return std::bit_cast<float>(sign | (exponent == 0 ? std::bit_cast<uint32_t>(denormal) : normal));
}

uint16_t F32ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN: keeps as much of its payload as fits, and stays NaN
    const uint32_t payload = (magnitude >> 13) & 0x3ffu;
    return static_cast<uint16_t>(sign | 0x7c00u | (payload != 0 ? payload : 0x200u));
  }
  // 65520 is half way between the largest half and the next power of two, and goes to the even one.
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // Below 2^-14: next to 0.5 a float's last bit is worth 2^-24, so the sum rounds as wanted.
    const uint32_t sum = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f);
    return static_cast<uint16_t>(sign | (sum - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - ((127u - 15u) << 23)) >> 13));
}

float BF16ToF32(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t F32ToBF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    const uint32_t top = bits >> 16;
    return static_cast<uint16_t>((top & 0x7fu) != 0 ? top : top | 0x40u);
  }
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

int64_t Tensor::elements() const {
  const std::optional<uint64_t> count = CheckedElements(shape);
  ENSURE(count, "shape {}", ShapeText(shape));
  return static_cast<int64_t>(*count);
}

namespace {

template <typename T, typename Convert>
void ConvertInto(std::span<const T> from, std::vector<float>& to, Convert convert) {
  ENSURE(from.size() == to.size(), "{} values instead of {}", from.size(), to.size());
  const T* in = from.data();
  float* out = to.data();
  const size_t count = to.size();
  for (size_t i = 0; i < count; ++i) out[i] = convert(in[i]);
}

template <typename T>
Tensor FromValues(DType dtype, std::vector<int64_t> shape, std::span<const T> values) {
  Tensor tensor{dtype, std::move(shape), {}};
  ENSURE(static_cast<size_t>(tensor.elements()) == values.size(), "{} values for the shape {}",
         values.size(), ShapeText(tensor.shape));
  tensor.bytes.resize(values.size_bytes());
  if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), values.size_bytes());
  return tensor;
}

}  // namespace

std::vector<float> Tensor::ToF32() const {
  std::vector<float> values(static_cast<size_t>(elements()));
  const auto cast = [](auto value) { return static_cast<float>(value); };
  switch (dtype) {
    case DType::kF64:
      ConvertInto(As<double>(), values, cast);
      break;
    case DType::kF32:
      ConvertInto(As<float>(), values, cast);
      break;
    case DType::kF16:
      ConvertInto(As<uint16_t>(), values, F16ToF32);
      break;
    case DType::kBF16:
      ConvertInto(As<uint16_t>(), values, BF16ToF32);
      break;
    case DType::kI64:
      ConvertInto(As<int64_t>(), values, cast);
      break;
    case DType::kI32:
      ConvertInto(As<int32_t>(), values, cast);
      break;
    case DType::kI16:
      ConvertInto(As<int16_t>(), values, cast);
      break;
    case DType::kI8:
      ConvertInto(As<int8_t>(), values, cast);
      break;
    case DType::kU8:
      ConvertInto(As<uint8_t>(), values, cast);
      break;
    case DType::kBool:
      ConvertInto(As<uint8_t>(), values, [](uint8_t value) { return value != 0 ? 1.f : 0.f; });
      break;
  }
  return values;
}

Tensor Tensor::FromF32(std::vector<int64_t> shape, std::span<const float> values) {
  return FromValues(DType::kF32, std::move(shape), values);
}

Tensor Tensor::FromU8(std::vector<int64_t> shape, std::span<const uint8_t> values) {
  return FromValues(DType::kU8, std::move(shape), values);
}

Tensor Tensor::F16FromF32(std::vector<int64_t> shape, std::span<const float> values) {
  std::vector<uint16_t> halves(values.size());
  std::transform(values.begin(), values.end(), halves.begin(), F32ToF16);
  return FromValues<uint16_t>(DType::kF16, std::move(shape), halves);
}

std::string ShapeText(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

void TensorMap::Add(std::string name, Tensor tensor) {
  if (!index_.emplace(name, items_.size()).second) Fail("tensor {} occurs twice", QuotedName(name));
  items_.emplace_back(std::move(name), std::move(tensor));
}

const Tensor* TensorMap::Find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

}  // namespace i2crc
