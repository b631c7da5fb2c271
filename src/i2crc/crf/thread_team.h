// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace i2crc::crf {

// threads, or the number of cores where it is 0. Throws std::invalid_argument where it is negative.
int CoresIfZero(int threads);

// Threads that wait for loops to share. With one thread a loop runs on the caller's alone.
class ThreadTeam {
 public:
  // threads ≥ 1, the caller's among them.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int threads() const { return static_cast<int>(threads_.size()) + 1; }

  // work(i) for i in 0 … count − 1, in any order and at the same time; returns when all are done.
  // work must not throw.
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

  std::vector<std::thread> threads_;
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
};

}  // namespace i2crc::crf
