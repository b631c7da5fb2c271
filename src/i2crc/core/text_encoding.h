// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace i2crc {

// Throws Error "FILE: …" where the bytes of a text file are UTF-16, which some editors call
// "Unicode": every reader of text here takes UTF-8. Told by the byte-order mark, or where there is
// none by a first and a second letter that both are an ASCII character and a NUL.
void RefuseUtf16(std::string_view text, const std::string& file);

}  // namespace i2crc
