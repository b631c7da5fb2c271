// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace i2crc {

// Bad input, or something this program does not do. The message is one line that says what is
// wrong, where (the file), and what to do where that is not obvious.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A bug of ours: an ENSURE that did not hold.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// The user asked to stop (Ctrl-C, a terminal that was closed). What is finished stays, the rest can
// be resumed.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

// Throws Error with a formatted message.
template <typename... Args>
[[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

namespace internal {
[[noreturn]] void EnsureFailed(const char* condition, const char* file, int line,
                               const std::string& message);
}  // namespace internal

}  // namespace i2crc

// ENSURE(condition, format, args…): throws InternalError where our own code broke its promise.
// Never for input: that is Fail().
#define ENSURE(condition, ...)                                                                   \
  do {                                                                                           \
    if (!(condition))                                                                            \
      ::i2crc::internal::EnsureFailed(#condition, __FILE__, __LINE__, fmt::format(__VA_ARGS__)); \
  } while (false)
