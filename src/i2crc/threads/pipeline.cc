// SPDX-License-Identifier: Apache-2.0
#include "i2crc/threads/pipeline.h"

namespace i2crc {

WorkQueue::WorkQueue(int threads) : threads_(threads, [this](int) { Serve(); }) {}

WorkQueue::~WorkQueue() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    dropped.swap(waiting_);
  }
  changed_.notify_all();
  dropped.clear();  // what they hold goes before the pieces that are at work are done
  threads_.Join();
}

void WorkQueue::Add(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void WorkQueue::Serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return over_ || !waiting_.empty(); });
    if (over_) return;
    std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds goes without the lock
    lock.lock();
  }
}

FinishQueue::FinishQueue(int threads, int64_t ahead)
    : ahead_(std::max<int64_t>(ahead, 1)), queue_(threads) {}

void FinishQueue::Submit(std::function<void()> work) {
  if (threads() == 0) {
    work();
    return;
  }
  Wait(ahead_ - 1);
  // Without the lock it might be done before it is counted.
  const std::lock_guard lock(mutex_);
  queue_.Add([this, piece = submitted_, work = std::move(work)] { Do(piece, work); });
  ++submitted_;
  ++open_;
}

void FinishQueue::Finish() { Wait(0); }

// Until no more than so many are open, or one has failed: then until those before it are done.
void FinishQueue::Wait(int64_t most_open) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || open_ <= most_open; });
  if (!failure_) return;
  changed_.wait(lock, [&] { return open_ == 0; });
  std::rethrow_exception(failure_);
}

void FinishQueue::Do(int64_t piece, const std::function<void()>& work) {
  std::unique_lock lock(mutex_);
  // A piece before the failed one was taken from the queue before it, and may fail yet.
  if (failed_ < 0 || piece < failed_) {
    lock.unlock();
    std::exception_ptr failure;
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && (failed_ < 0 || piece < failed_)) {
      failed_ = piece;
      failure_ = failure;
    }
  }
  --open_;
  changed_.notify_all();
}

}  // namespace i2crc
