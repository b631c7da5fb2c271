// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>

#include "i2crc/threads/threads.h"

namespace i2crc {

// The caller's thread and others that wait for loops to share. The caller's works alone where there
// are no others.
class Team {
 public:
  // threads ≥ 1, the caller's among them; there are fewer where no more can be started.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return helpers_.count() + 1; }

  // work(i) for i in 0 … count − 1, in any order and at the same time; returns when all are done.
  // Where work throws, what was not begun is left, and what the lowest i threw comes up after all
  // threads have ended. Work is begun in the order of i, so that it is the same exception whatever
  // the threads.
  template <typename Work>
  void ForEach(int64_t count, const Work& work) {
    Share(
        count, [](const void* it, int64_t i, int) { (*static_cast<const Work*>(it))(i); }, &work);
  }
  // The same with work(i, thread), thread from 0 to threads() − 1, each at one i at a time.
  template <typename Work>
  void ForEachByThread(int64_t count, const Work& work) {
    Share(
        count,
        [](const void* it, int64_t i, int thread) { (*static_cast<const Work*>(it))(i, thread); },
        &work);
  }

 private:
  using Call = void (*)(const void* work, int64_t i, int thread);
  void Share(int64_t count, Call call, const void* work);
  void Serve(int thread);
  void TakeTurns(int thread);
  void Fail(int64_t i);

  std::mutex mutex_;
  std::condition_variable begin_;
  std::condition_variable end_;
  uint64_t round_ = 0;
  int busy_ = 0;
  bool over_ = false;
  Call call_ = nullptr;
  const void* work_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  int64_t failed_ = 0;  // the lowest i that threw
  std::exception_ptr failure_;
  HelperThreads helpers_;  // last, since they use all the others
};

}  // namespace i2crc
