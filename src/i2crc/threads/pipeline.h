// SPDX-License-Identifier: Apache-2.0
//
// Work in order: a Prefetcher makes items ahead of their use, a FinishQueue finishes what was made
// of them behind it. Both hold few at once, and what they hand out or throw does not depend on the
// threads, nor on whether any could be started.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "i2crc/threads/threads.h"

namespace i2crc {

// Does pieces of work on threads of its own, begun in the order in which they were added.
class WorkQueue {
 public:
  // threads ≥ 0; there are fewer where no more can be started.
  explicit WorkQueue(int threads);
  // Pieces that were not begun are dropped.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  int threads() const { return threads_.count(); }

  // With one thread at least. The work must not throw.
  void Add(std::function<void()> work);

 private:
  void Serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool over_ = false;
  HelperThreads threads_;  // last, since they use all the others
};

// Makes items first … end − 1 ahead of their use on a few threads and hands them out in order. What
// make(i) throws is thrown by the Next() whose turn i is.
template <typename T>
class Prefetcher {
 public:
  // threads ≥ 0; with none, asked for or to be had, every item is made by Next() itself. At most
  // `ahead` items wait or are being made.
  Prefetcher(int64_t first, int64_t end, int threads, int64_t ahead, std::function<T(int64_t)> make)
      : next_(first),
        asked_(first),
        end_(end),
        ahead_(std::max<int64_t>(ahead, 1)),
        make_(std::move(make)),
        queue_(threads) {
    AskAhead();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  int threads() const { return queue_.threads(); }
  bool done() const { return next_ >= end_; }

  T Next() {
    if (done()) throw std::logic_error("Prefetcher: Next past the last item");
    const auto asked = std::chrono::steady_clock::now();
    if (threads() == 0) {
      T item = make_(next_++);
      waited_ += std::chrono::steady_clock::now() - asked;
      return item;
    }
    AskAhead();
    std::future<T> item = std::move(made_.front());
    made_.pop_front();
    item.wait();
    waited_ += std::chrono::steady_clock::now() - asked;
    ++next_;
    AskAhead();
    return item.get();
  }

  // Time that Next() spent waiting.
  std::chrono::duration<double> waited() const { return waited_; }

 private:
  // Where this throws, for lack of memory, a later call goes on from there.
  void AskAhead() {
    if (threads() == 0) return;
    for (; asked_ < std::min(end_, next_ + ahead_); ++asked_) {
      const auto task =
          std::make_shared<std::packaged_task<T()>>([this, i = asked_] { return make_(i); });
      made_.push_back(task->get_future());
      try {
        queue_.Add([task] { (*task)(); });
      } catch (...) {
        made_.pop_back();
        throw;
      }
    }
  }

  int64_t next_;
  int64_t asked_;
  int64_t end_;
  int64_t ahead_;
  std::function<T(int64_t)> make_;
  std::deque<std::future<T>> made_;  // of items next_ … asked_ − 1
  std::chrono::steady_clock::duration waited_{};
  WorkQueue queue_;  // last, so that its threads end first
};

// Finishes pieces of work on threads of its own, while the calling thread goes on with the next
// ones. What comes up as an exception is that of the first piece that threw.
class FinishQueue {
 public:
  // threads ≥ 0; with none, asked for or to be had, Submit does the work itself. At most `ahead`
  // pieces wait or are being done. Pieces that were not begun at the end are dropped.
  FinishQueue(int threads, int64_t ahead);

  int threads() const { return queue_.threads(); }

  // Waits for room. Throws what a piece before threw; pieces after that one are not begun any more.
  void Submit(std::function<void()> work);
  // Waits for all that was submitted. Throws like Submit.
  void Finish();

 private:
  void Do(int64_t piece, const std::function<void()>& work);
  void Wait(int64_t most_open);

  const int64_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t submitted_ = 0;
  int64_t open_ = 0;     // so many of them wait or are being done
  int64_t failed_ = -1;  // the first that threw
  std::exception_ptr failure_;
  WorkQueue queue_;  // last, so that its threads end first
};

}  // namespace i2crc
