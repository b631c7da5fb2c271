// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/text_encoding.h"

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

bool IsUtf16(std::string_view text) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return true;
  if (text.size() < 4) return false;
  const auto is_nul = [&](size_t at) { return text[at] == '\0'; };
  const bool little_endian = !is_nul(0) && is_nul(1) && !is_nul(2) && is_nul(3);
  const bool big_endian = is_nul(0) && !is_nul(1) && is_nul(2) && !is_nul(3);
  return little_endian || big_endian;
}

}  // namespace

void RefuseUtf16(std::string_view text, const std::string& file) {
  if (IsUtf16(text)) Fail("{}: is UTF-16 text; save it as UTF-8", file);
}

}  // namespace i2crc
