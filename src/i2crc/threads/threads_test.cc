// SPDX-License-Identifier: Apache-2.0
#include "i2crc/threads/threads.h"

#include <gtest/gtest.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <atomic>
#include <new>
#include <set>

#include "i2crc/threads/few_threads.h"

namespace i2crc {
namespace {

using testing::FewThreads;

TEST(ThreadCount, ZeroIsTheCoresThatThisProcessMayUse) {
  EXPECT_EQ(ThreadCount(1), 1);
  EXPECT_EQ(ThreadCount(700), 700);
  EXPECT_GE(ThreadCount(0), 1);
#ifdef __linux__
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(ThreadCount(0), CPU_COUNT(&before));
  CPU_ZERO(&one);
  for (size_t i = 0; CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(ThreadCount(0), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
#endif
}

TEST(HelperThreads, EachHasItsNumber) {
  for (const int wanted : {-1, 0, 1, 5}) {
    std::atomic<int> sum{0};
    HelperThreads threads(wanted, [&](int thread) { sum += 1 << thread; });
    EXPECT_EQ(threads.count(), std::max(wanted, 0));
    threads.Join();
    EXPECT_EQ(sum, wanted < 1 ? 0 : (2 << wanted) - 2);
  }
}

TEST(HelperThreads, AreThoseThatCanBeStarted) {
  for (const int most : {0, 1, 3}) {
    const FewThreads few(most);
    std::atomic<int> sum{0};
    HelperThreads threads(20, [&](int thread) { sum += thread; });
    EXPECT_EQ(threads.count(), most);
    threads.Join();
    EXPECT_EQ(sum, most * (most + 1) / 2);
  }
}

TEST(HelperThreads, ALackOfMemoryIsALackOfThreads) {
  before_thread_start = [] { throw std::bad_alloc(); };
  const HelperThreads threads(3, [](int) {});
  before_thread_start = nullptr;
  EXPECT_EQ(threads.count(), 0);
}

TEST(StartableThreads, CountsThemAndLeavesNone) {
  EXPECT_EQ(StartableThreads(0), 0);
  EXPECT_EQ(StartableThreads(7), 7);
  const FewThreads few(3);
  EXPECT_EQ(StartableThreads(7), 3);
}

}  // namespace
}  // namespace i2crc
