// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/finish_queue.h"

#include <algorithm>
#include <utility>

namespace i2crc {

FinishQueue::FinishQueue(int threads, int64_t ahead) : ahead_(std::max<int64_t>(ahead, 1)) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

FinishQueue::~FinishQueue() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    dropped.swap(waiting_);
  }
  changed_.notify_all();
  dropped.clear();  // what they hold goes before the pieces that are at work are done
  for (std::thread& thread : threads_) thread.join();
}

void FinishQueue::Submit(std::function<void()> work) {
  if (threads_.empty()) {
    work();
    return;
  }
  std::unique_lock lock(mutex_);
  changed_.wait(
      lock, [&] { return failure_ || static_cast<int64_t>(waiting_.size()) + running_ < ahead_; });
  if (failure_) WaitAndRethrow(lock);
  waiting_.push_back(std::move(work));
  lock.unlock();
  changed_.notify_all();
}

void FinishQueue::Finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || (waiting_.empty() && running_ == 0); });
  if (failure_) WaitAndRethrow(lock);
}

// Pieces are begun in their order, so those before the failed one are at work already, and one of
// them may fail yet.
void FinishQueue::WaitAndRethrow(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return running_ == 0; });
  waiting_.clear();
  std::rethrow_exception(failure_);
}

void FinishQueue::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || (!waiting_.empty() && !failure_); });
    if (stop_) return;
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    const int64_t mine = begun_++;
    ++running_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --running_;
    if (failure && (failed_ < 0 || mine < failed_)) {
      failed_ = mine;
      failure_ = failure;
    }
    changed_.notify_all();
  }
}

}  // namespace i2crc
