// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/thread_team.h"

#include <algorithm>
#include <string>

#include "i2crc/crf/require.h"

namespace i2crc::crf {

int CoresIfZero(int threads) {
  Require(threads >= 0, "threads: " + std::to_string(threads) + ", expected 0 or more");
  if (threads > 0) return threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadTeam::ThreadTeam(int threads) {
  for (int i = 1; i < threads; ++i) threads_.emplace_back([this, i] { Serve(i); });
}

ThreadTeam::~ThreadTeam() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::TakeTurns(int thread) {
  for (int64_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) call_(work_, i, thread);
}

void ThreadTeam::Serve(int thread) {
  std::unique_lock lock(mutex_);
  for (uint64_t seen = 0;;) {
    begin_.wait(lock, [&] { return over_ || round_ != seen; });
    if (over_) return;
    seen = round_;
    lock.unlock();
    TakeTurns(thread);
    lock.lock();
    if (--busy_ == 0) end_.notify_one();
  }
}

void ThreadTeam::Share(int64_t count, Call call, const void* work) {
  if (threads_.empty() || count < 2) {
    for (int64_t i = 0; i < count; ++i) call(work, i, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    call_ = call;
    work_ = work;
    count_ = count;
    next_ = 0;
    busy_ = static_cast<int>(threads_.size());
    ++round_;
  }
  begin_.notify_all();
  TakeTurns(0);
  std::unique_lock lock(mutex_);
  end_.wait(lock, [&] { return busy_ == 0; });
}

}  // namespace i2crc::crf
