// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/finish_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>

namespace i2crc {
namespace {

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

}  // namespace
}  // namespace i2crc
