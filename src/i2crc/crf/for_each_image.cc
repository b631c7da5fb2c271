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
  const auto fail = [&](int64_t i) {
    const std::lock_guard lock(mutex);
    if (i < failed) {
      failed = i;
      failure = std::current_exception();
    }
    next = count;
  };
  const auto serve = [&] {
    int64_t i = -1;  // before the first image
    try {
      DenseCrf crf(options);
      for (i = next++; i < count; i = next++) work(crf, i);
    } catch (...) {
      fail(i);
    }
  };
  const auto others = std::min<int64_t>(CoresIfZero(threads), count) - 1;
  std::vector<std::thread> team;
  try {
    for (int64_t i = 0; i < others; ++i) team.emplace_back(serve);
  } catch (...) {
    fail(-1);  // no more threads to be had
  }
  serve();
  for (std::thread& thread : team) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace i2crc::crf
