// SPDX-License-Identifier: Apache-2.0
#include "i2crc/threads/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "i2crc/threads/few_threads.h"

namespace i2crc {
namespace {

using testing::FewThreads;

TEST(Prefetcher, HandsItemsOutInOrderWhateverTheThreads) {
  for (int threads : {0, 1, 2, 4}) {
    Prefetcher<int64_t> items(3, 200, threads, 8, [](int64_t i) { return i * i; });
    EXPECT_EQ(items.threads(), threads);
    for (int64_t i = 3; i < 200; ++i) ASSERT_EQ(items.Next(), i * i) << threads << " threads";
    EXPECT_TRUE(items.done());
    EXPECT_THROW(items.Next(), std::logic_error);
  }
}

TEST(Prefetcher, AnExceptionComesAtItsItemsTurn) {
  for (int threads : {0, 3}) {
    Prefetcher<int> items(0, 10, threads, 4, [](int64_t i) {
      if (i == 5) throw std::runtime_error("five");
      return static_cast<int>(i);
    });
    for (int i = 0; i < 5; ++i) EXPECT_EQ(items.Next(), i);
    EXPECT_THROW(items.Next(), std::runtime_error);
    EXPECT_EQ(items.Next(), 6);
  }
}

TEST(Prefetcher, CanBeDroppedHalfway) {
  Prefetcher<int> items(0, 1000000, 2, 4, [](int64_t i) { return static_cast<int>(i); });
  EXPECT_EQ(items.Next(), 0);
}

// Made and not yet handed out, or being made.
TEST(Prefetcher, MakesNoMoreAheadThanItMay) {
  std::atomic<int> held{0};
  std::atomic<int> most{0};
  Prefetcher<int> items(0, 100, 3, 5, [&](int64_t) {
    const int now = ++held;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    return 0;
  });
  for (int i = 0; i < 100; ++i) {
    items.Next();
    --held;
  }
  EXPECT_LE(most, 6);  // the one that Next has handed out is counted until after it
  EXPECT_EQ(held, 0);
}

TEST(Prefetcher, WorksWithTheThreadsThatCanBeStarted) {
  for (const int most : {0, 2}) {
    const FewThreads few(most);
    Prefetcher<int64_t> items(0, 100, 64, 8, [](int64_t i) {
      if (i == 50) throw std::bad_alloc();
      return i;
    });
    EXPECT_EQ(items.threads(), most);
    for (int64_t i = 0; i < 50; ++i) ASSERT_EQ(items.Next(), i);
    EXPECT_THROW(items.Next(), std::bad_alloc);
    for (int64_t i = 51; i < 100; ++i) ASSERT_EQ(items.Next(), i);
  }
}

TEST(FinishQueue, DoesEverythingOnce) {
  for (const int threads : {0, 1, 3}) {
    std::vector<std::atomic<int>> done(100);
    FinishQueue queue(threads, 4);
    for (std::atomic<int>& piece : done) queue.Submit([&piece] { ++piece; });
    queue.Finish();
    for (const std::atomic<int>& piece : done) ASSERT_EQ(piece, 1) << threads;
    // It goes on after that.
    queue.Submit([&] { ++done[0]; });
    queue.Finish();
    EXPECT_EQ(done[0], 2);
  }
}

TEST(FinishQueue, HoldsNoMoreThanItMay) {
  std::atomic<int> held{0};
  std::atomic<int> most{0};
  FinishQueue queue(2, 3);
  for (int i = 0; i < 60; ++i) {
    queue.Submit([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      --held;
    });
    most = std::max<int>(most, ++held);
  }
  queue.Finish();
  EXPECT_LE(most, 3);
  EXPECT_EQ(held, 0);
}

// Piece 20 fails at once, piece 19 later: 19 is what comes up, whatever the threads.
TEST(FinishQueue, TheFirstFailureComesUp) {
  for (const int threads : {0, 1, 2, 4}) {
    std::atomic<int> before{0};
    std::string caught;
    FinishQueue queue(threads, 4);
    try {
      for (int i = 0; i < 60; ++i)
        queue.Submit([&before, i] {
          if (i < 19) ++before;
          if (i == 19) std::this_thread::sleep_for(std::chrono::milliseconds(20));
          if (i == 19 || i == 20) throw std::runtime_error(std::to_string(i));
        });
      queue.Finish();
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    EXPECT_EQ(caught, "19") << threads;
    EXPECT_EQ(before, 19) << threads;
  }
}

// The only thread is held in its first piece until the others are gone.
TEST(FinishQueue, DropsWhatWasNotBegun) {
  std::atomic<int> done{0};
  std::promise<void> begun, dropped;
  // Goes with the last of the waiting pieces.
  std::shared_ptr<void> waiting(nullptr, [&](void*) { dropped.set_value(); });
  {
    FinishQueue queue(1, 50);
    queue.Submit([&] {
      begun.set_value();
      // An end to the wait where it would be in vain; nothing is measured.
      EXPECT_EQ(dropped.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
      ++done;
    });
    begun.get_future().wait();
    for (int i = 0; i < 49; ++i) queue.Submit([&done, waiting] { ++done; });
    waiting.reset();
  }
  EXPECT_EQ(done, 1);
}

TEST(FinishQueue, WorksWithTheThreadsThatCanBeStarted) {
  for (const int most : {0, 2}) {
    const FewThreads few(most);
    std::atomic<int> done{0};
    FinishQueue queue(64, 4);
    EXPECT_EQ(queue.threads(), most);
    for (int i = 0; i < 50; ++i) queue.Submit([&] { ++done; });
    queue.Finish();
    EXPECT_EQ(done, 50);
    EXPECT_THROW(
        {
          queue.Submit([] { throw std::bad_alloc(); });
          queue.Finish();
        },
        std::bad_alloc);
  }
}

}  // namespace
}  // namespace i2crc
