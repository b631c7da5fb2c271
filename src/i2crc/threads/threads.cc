// SPDX-License-Identifier: Apache-2.0
#include "i2crc/threads/threads.h"

#ifdef __linux__
#include <sched.h>
#include <sys/stat.h>
#endif

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>

namespace i2crc {
namespace {

int AllCores() {
#ifdef __linux__
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// As the kernel counts them: a thread that was joined may still count for a moment.
unsigned long ThreadsOfProcess() {
#ifdef __linux__
  struct stat tasks = {};
  if (stat("/proc/self/task", &tasks) == 0) return tasks.st_nlink;
#endif
  return 0;
}

void WaitUntilNoMoreThan(unsigned long threads) {
  constexpr int kTries = 10000;  // a second, should another part of the program start threads
  for (int i = 0; i < kTries && ThreadsOfProcess() > threads; ++i)
    std::this_thread::sleep_for(std::chrono::microseconds(100));
}

}  // namespace

void (*before_thread_start)() = nullptr;

int ThreadCount(int threads) { return threads > 0 ? threads : AllCores(); }

HelperThreads::HelperThreads(int wanted, const std::function<void(int)>& body) {
  if (wanted < 1) return;
  try {
    threads_.reserve(static_cast<size_t>(wanted));
    for (int i = 1; i <= wanted; ++i) {
      if (before_thread_start != nullptr) before_thread_start();
      threads_.emplace_back(body, i);
    }
  } catch (const std::exception&) {
    // Those that run are enough.
  }
}

void HelperThreads::Join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

int StartableThreads(int most) {
  const unsigned long before = ThreadsOfProcess();
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
  HelperThreads threads(most, [&](int) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return over; });
  });
  const int started = threads.count();
  {
    const std::lock_guard lock(mutex);
    over = true;
  }
  changed.notify_all();
  threads.Join();
  WaitUntilNoMoreThan(before);
  return started;
}

}  // namespace i2crc
