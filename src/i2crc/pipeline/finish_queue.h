// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace i2crc {

// Finishes pieces of work on threads of its own, while the calling thread goes on with the next
// ones. What comes up as an exception does not depend on the threads: it is that of the first piece
// that threw.
class FinishQueue {
 public:
  // threads ≥ 0; with 0 Submit does the work itself. At most `ahead` pieces wait or are being done.
  FinishQueue(int threads, int64_t ahead);
  // Pieces that were not begun are dropped.
  ~FinishQueue();
  FinishQueue(const FinishQueue&) = delete;
  FinishQueue& operator=(const FinishQueue&) = delete;

  // Waits for room. Throws what a piece before threw; pieces after that one are not begun any more.
  void Submit(std::function<void()> work);
  // Waits for all that was submitted. Throws like Submit.
  void Finish();

 private:
  void Work();
  void WaitAndRethrow(std::unique_lock<std::mutex>& lock);

  const int64_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  int64_t begun_ = 0;    // so many were taken from waiting_
  int64_t running_ = 0;  // of those are not done yet
  int64_t failed_ = -1;  // the first that threw
  std::exception_ptr failure_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace i2crc
