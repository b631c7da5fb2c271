// SPDX-License-Identifier: Apache-2.0
#include "i2crc/threads/team.h"

#include <utility>

namespace i2crc {

Team::Team(int threads) : helpers_(threads - 1, [this](int thread) { Serve(thread); }) {}

Team::~Team() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  begin_.notify_all();
  helpers_.Join();
}

void Team::TakeTurns(int thread) {
  int64_t i = next_.fetch_add(1);
  try {
    for (; i < count_; i = next_.fetch_add(1)) call_(work_, i, thread);
  } catch (...) {
    Fail(i);
  }
}

void Team::Fail(int64_t i) {
  const std::lock_guard lock(mutex_);
  if (!failure_ || i < failed_) {
    failed_ = i;
    failure_ = std::current_exception();
  }
  next_ = count_;
}

void Team::Serve(int thread) {
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

void Team::Share(int64_t count, Call call, const void* work) {
  if (helpers_.count() == 0 || count < 2) {
    for (int64_t i = 0; i < count; ++i) call(work, i, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    call_ = call;
    work_ = work;
    count_ = count;
    next_ = 0;
    busy_ = helpers_.count();
    ++round_;
  }
  begin_.notify_all();
  TakeTurns(0);
  std::unique_lock lock(mutex_);
  end_.wait(lock, [&] { return busy_ == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace i2crc
