// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace i2crc {

// XXH3-128 as 32 hexadecimal digits: tells changed files and options apart, no protection against
// forgery.
std::string Checksum(std::string_view bytes);
std::string FileChecksum(const std::filesystem::path& path);

}  // namespace i2crc
