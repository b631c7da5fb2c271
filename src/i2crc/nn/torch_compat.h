// SPDX-License-Identifier: Apache-2.0
// What differs between libtorch 1.13 and 2.x, and the one place where its errors become ours.
#pragma once

#include <string>

#include "i2crc/core/error.h"

namespace i2crc {

// First line of what a c10::Error says, without its stack trace.
inline std::string FirstLine(const std::string& what) { return what.substr(0, what.find('\n')); }

// Runs call and turns a c10::Error into Error.
template <typename Call>
auto TorchCall(const Call& call) {
  try {
    return call();
  } catch (const c10::Error& error) {
    throw Error("libtorch: " + FirstLine(error.what_without_backtrace()));
  }
}

}  // namespace i2crc
