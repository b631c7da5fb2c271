// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <new>
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

// Memory does not suffice for what is named: a file, or an image by its ID.
class OutOfMemory : public Error {
 public:
  explicit OutOfMemory(const std::string& name)
      : Error(name + ": out of memory; end other programs or use fewer threads") {}
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

// Runs work; where memory does not suffice for it, throws OutOfMemory with this name.
template <typename Work>
auto WithMemoryFor(const std::string& name, const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(name);
  }
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
