// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace i2crc {

// What the readers of tensor files share: arithmetic on numbers that a file claims, and the limits
// of what they accept. The limits are far above real networks (a ResNet-101 has 627 tensors).
inline constexpr uint64_t kMaxHeaderBytes =
    100'000'000;  // safetensors' own limit; also of a pickle
inline constexpr size_t kMaxTensors = 100'000;
inline constexpr size_t kMaxDimensions = 64;  // PyTorch's own limit
inline constexpr size_t kMaxNameBytes = 4096;

// Elements of a shape; nothing where a size is negative or the product does not fit int64.
std::optional<uint64_t> CheckedElements(std::span<const int64_t> shape);
// a · b and a + b; nothing where they do not fit int64.
std::optional<uint64_t> CheckedProduct(uint64_t a, uint64_t b);
std::optional<uint64_t> CheckedSum(uint64_t a, uint64_t b);

// A view or a deflated entry may unfold to more bytes than the file has, but not without bound.
uint64_t MaxUnfoldedBytes(size_t file_bytes);

// Whether a text can stand in a header: UTF-8 without NUL.
bool IsPlainText(std::string_view text);

// A name from a file as it may stand in a one-line message: in quotes, without control characters,
// cut where long.
std::string QuotedName(std::string_view name);

// Throws Error "FILE: …" where a tensor's name is longer than kMaxNameBytes or no plain text.
void CheckTensorName(std::string_view name, const std::string& file);

// A little-endian number at an offset that the caller has checked.
template <typename T>
T LoadLittleEndian(std::span<const uint8_t> bytes, size_t offset = 0) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace i2crc
