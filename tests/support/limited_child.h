// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "i2crc/core/error.h"

// For the body of EXPECT_EXIT: what a piece of work does where memory or time are short.
namespace i2crc::testing {

// Sanitizers end the process themselves where memory is short.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kMemoryCanBeLimited = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kMemoryCanBeLimited = false;
#else
inline constexpr bool kMemoryCanBeLimited = true;
#endif
#else
inline constexpr bool kMemoryCanBeLimited = true;
#endif

// This process may take so much more memory than it has now, and be on a processor for so long.
inline void LimitProcess(uint64_t bytes, uint64_t seconds) {
  unsigned long pages = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%lu", &pages) != 1) std::_Exit(97);
  std::fclose(file);
  const rlim_t now = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
  const rlimit memory = {now + bytes, now + bytes}, time = {seconds, seconds};
  if (setrlimit(RLIMIT_AS, &memory) != 0 || setrlimit(RLIMIT_CPU, &time) != 0) std::_Exit(98);
}

// Works within the limits and ends the process: status 0 where the work was done, 1 where it threw
// Error, whose message goes to stderr, 2 where it went beyond the memory.
template <typename Work>
[[noreturn]] void WorkWithin(uint64_t bytes, uint64_t seconds, const Work& work) {
  LimitProcess(bytes, seconds);
  try {
    work();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(1);
  } catch (const std::bad_alloc&) {
    std::_Exit(2);
  }
  std::_Exit(0);
}

}  // namespace i2crc::testing

// First line of a test that limits memory: under a sanitizer it skips and says so.
#define I2CRC_NEEDS_LIMITED_MEMORY()                        \
  do {                                                      \
    if (!::i2crc::testing::kMemoryCanBeLimited)             \
      GTEST_SKIP() << "no limit of memory with sanitizers"; \
  } while (false)
