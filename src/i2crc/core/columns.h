// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace i2crc {

inline bool ContinuesCodePoint(char c) { return (c & 0xC0) == 0x80; }

// Columns that UTF-8 text takes on a terminal: code points, not bytes.
inline size_t Columns(std::string_view text) {
  return text.size() -
         static_cast<size_t>(std::count_if(text.begin(), text.end(), ContinuesCodePoint));
}

}  // namespace i2crc
