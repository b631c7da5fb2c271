// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace i2crc {

// 'text' for an error message: on one line (control characters as \n, \x1b …) and cut where it is
// very long.
std::string Quoted(std::string_view text);

// What a message says to a misspelt name: "; did you mean '--epochs'?", or "" where nearest is "".
std::string Suggestion(std::string_view nearest, std::string_view before = "'",
                       std::string_view after = "'");

}  // namespace i2crc
