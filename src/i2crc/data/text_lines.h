// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace i2crc {

// What the readers of small text files (lists, class names) share.

// The lines of a text, without their ends ("\n", "\r\n" or an old Mac's "\r") and without a
// byte-order mark before the first; line i is line number i + 1 of the file. Views into text. No
// empty line after the last end.
std::vector<std::string_view> SplitLines(std::string_view text);

// A line without the spaces and tabs around it.
std::string_view Trimmed(std::string_view line);

// The words of a line, separated by any number of spaces and tabs. A word that begins with a
// quotation mark (") goes on to the next one, blanks included, and is without the two. None where
// that one is missing or not followed by a blank. most: words behind so many are not looked at.
std::optional<std::vector<std::string_view>> SplitWords(std::string_view line,
                                                        size_t most = SIZE_MAX);

bool HasControlCharacter(std::string_view text);

// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates).
bool IsUtf8(std::string_view text);

}  // namespace i2crc
