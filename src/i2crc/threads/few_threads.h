// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <system_error>

#include "i2crc/threads/threads.h"

namespace i2crc::testing {

// As long as it lives, so many threads can be started and no more, as under a limit of processes.
class FewThreads {
 public:
  explicit FewThreads(int most) {
    left_ = most;
    before_thread_start = [] {
      if (left_-- <= 0)
        throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    };
  }
  ~FewThreads() { before_thread_start = nullptr; }
  FewThreads(const FewThreads&) = delete;
  FewThreads& operator=(const FewThreads&) = delete;

 private:
  static inline std::atomic<int> left_{0};
};

}  // namespace i2crc::testing
