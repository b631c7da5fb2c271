// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "i2crc/core/error.h"

namespace i2crc {

// Makes items first … end − 1 ahead of their use on a few threads and hands them out in order. What
// make(i) throws is thrown by the Next() whose turn i is, so results do not depend on the number of
// threads.
template <typename T>
class Prefetcher {
 public:
  // threads ≥ 0; with 0 every item is made by Next() itself. At most `ahead` items wait or are
  // being made.
  Prefetcher(int64_t first, int64_t end, int threads, int64_t ahead, std::function<T(int64_t)> make)
      : next_(first),
        issued_(first),
        end_(end),
        ahead_(std::max<int64_t>(ahead, 1)),
        make_(std::move(make)) {
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { Work(); });
  }
  ~Prefetcher() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    room_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  bool done() const { return next_ >= end_; }

  T Next() {
    ENSURE(!done(), "Prefetcher::Next past item {}", end_);
    const auto asked = std::chrono::steady_clock::now();
    if (workers_.empty()) {
      T item = make_(next_++);
      waited_ += std::chrono::steady_clock::now() - asked;
      return item;
    }
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return made_.count(next_) > 0; });
    auto node = made_.extract(next_++);
    lock.unlock();
    room_.notify_one();
    waited_ += std::chrono::steady_clock::now() - asked;
    if (auto* failure = std::get_if<std::exception_ptr>(&node.mapped()))
      std::rethrow_exception(*failure);
    return std::get<T>(std::move(node.mapped()));
  }

  // Time that Next() spent waiting.
  std::chrono::duration<double> waited() const { return waited_; }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      room_.wait(lock, [this] { return stop_ || issued_ >= end_ || issued_ < next_ + ahead_; });
      if (stop_ || issued_ >= end_) return;
      const int64_t mine = issued_++;
      lock.unlock();
      std::variant<std::exception_ptr, T> item;
      try {
        item.template emplace<1>(make_(mine));
      } catch (...) {
        item.template emplace<0>(std::current_exception());
      }
      lock.lock();
      made_.emplace(mine, std::move(item));
      ready_.notify_one();
    }
  }

  int64_t next_;
  int64_t issued_;
  int64_t end_;
  int64_t ahead_;
  std::function<T(int64_t)> make_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable room_;
  std::map<int64_t, std::variant<std::exception_ptr, T>> made_;
  bool stop_ = false;
  std::chrono::steady_clock::duration waited_{};
  std::vector<std::thread> workers_;
};

// Runs body(i) for i = 0…count − 1 on up to `threads` threads. Where bodies throw, the rest is not
// begun and the exception of the lowest index that threw is thrown again after all threads ended.
void ParallelFor(int64_t count, int threads, const std::function<void(int64_t)>& body);

}  // namespace i2crc
