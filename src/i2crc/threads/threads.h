// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace i2crc {

// The most threads that an option or an argument may ask for.
inline constexpr int kMostThreads = 1024;

// threads, or where it is 0 the number of cores that this process may use, which is what "all
// cores" means everywhere.
int ThreadCount(int threads);

// Threads beside the caller's: as many as were asked for or, where the system has no more (its
// limits of processes and of memory), as could be started. Throws nothing.
class HelperThreads {
 public:
  // Runs body(1) … body(count()), each on a thread of its own. It must not throw.
  HelperThreads(int wanted, const std::function<void(int thread)>& body);
  // Waits until all have returned.
  ~HelperThreads() { Join(); }
  HelperThreads(const HelperThreads&) = delete;
  HelperThreads& operator=(const HelperThreads&) = delete;

  int count() const { return static_cast<int>(threads_.size()); }
  void Join();

 private:
  std::vector<std::thread> threads_;
};

// How many threads could be started now, `most` at most: for libraries that do not survive it when
// one of theirs cannot be. None of them is left.
int StartableThreads(int most);

// Where it is set: called before a thread is started; what it throws is a failure to start it.
extern void (*before_thread_start)();  // for tests

}  // namespace i2crc
