// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/checked.h"

#include <algorithm>
#include <limits>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

constexpr uint64_t kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

// Bytes of the UTF-8 character at the front of text; 0 where there is none (overlong forms,
// surrogates and numbers above 0x10ffff are none).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const unsigned second = byte(1);
  if (first == 0xe0 && second < 0xa0) return 0;
  if (first == 0xed && second >= 0xa0) return 0;
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second >= 0x90) return 0;
  return length;
}

}  // namespace

std::optional<uint64_t> CheckedProduct(uint64_t a, uint64_t b) {
  if (b != 0 && a > kMax / b) return std::nullopt;
  return a * b;
}

std::optional<uint64_t> CheckedSum(uint64_t a, uint64_t b) {
  if (a > kMax || b > kMax - a) return std::nullopt;
  return a + b;
}

std::optional<uint64_t> CheckedElements(std::span<const int64_t> shape) {
  // A size of 0 makes the product 0, but the others are checked all the same: they are used one by
  // one too.
  uint64_t bound = 1;
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      empty = true;
      continue;
    }
    const auto product = CheckedProduct(bound, static_cast<uint64_t>(size));
    if (!product) return std::nullopt;
    bound = *product;
  }
  return empty ? 0 : bound;
}

uint64_t MaxUnfoldedBytes(size_t file_bytes) {
  constexpr uint64_t kFloor = 64ull << 20;
  constexpr uint64_t kGrowth = 64;
  return std::max(kFloor, CheckedProduct(file_bytes, kGrowth).value_or(kMax));
}

bool IsPlainText(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0 || text.front() == '\0') return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string QuotedName(std::string_view name) {
  constexpr size_t kShown = 200;
  std::string quoted = "'";
  std::string_view rest = name;
  while (!rest.empty()) {
    if (quoted.size() > kShown) return quoted + "…'";
    const size_t length = Utf8Length(rest);
    const auto first = static_cast<unsigned char>(rest.front());
    if (length == 0 || first < 0x20 || first == 0x7f) {
      quoted += fmt::format("\\x{:02x}", first);
      rest.remove_prefix(1);
    } else {
      quoted += rest.substr(0, length);
      rest.remove_prefix(length);
    }
  }
  return quoted + "'";
}

void CheckTensorName(std::string_view name, const std::string& file) {
  if (name.size() > kMaxNameBytes)
    Fail("{}: a tensor's name has {} bytes, more than {}", file, name.size(), kMaxNameBytes);
  if (!IsPlainText(name))
    Fail("{}: the tensor name {} is no UTF-8 text without NUL", file, QuotedName(name));
}

}  // namespace i2crc
