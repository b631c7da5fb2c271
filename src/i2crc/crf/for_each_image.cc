// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "i2crc/crf/dense_crf.h"
#include "i2crc/crf/thread_team.h"

namespace i2crc::crf {

void ForEachImage(int64_t count, int threads, const DenseCrfOptions& options,
                  const std::function<void(DenseCrf& crf, int64_t i)>& work) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  int64_t failed = count;
  std::exception_ptr failure;
  const auto serve = [&] {
    DenseCrf crf(options);
    for (int64_t i = next++; i < count; i = next++) {
      try {
        work(crf, i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < failed) {
          failed = i;
          failure = std::current_exception();
        }
        next = count;
      }
    }
  };
  const auto others = std::min<int64_t>(CoresIfZero(threads), count) - 1;
  std::vector<std::thread> team;
  { const DenseCrf checked(options); }  // what is wrong with the options is thrown here
  for (int64_t i = 0; i < others; ++i) team.emplace_back(serve);
  serve();
  for (std::thread& thread : team) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace i2crc::crf
