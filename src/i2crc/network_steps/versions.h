// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

namespace i2crc {

// Versions of this program, its compiler and the libraries that decide its numbers.
nlohmann::ordered_json Versions();

}  // namespace i2crc
