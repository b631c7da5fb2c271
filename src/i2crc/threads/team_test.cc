// SPDX-License-Identifier: Apache-2.0
#include "i2crc/threads/team.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "i2crc/threads/few_threads.h"

namespace i2crc {
namespace {

using testing::FewThreads;

// What came up of 10 pieces of work of which the third and the seventh fail.
std::string FailureOf(Team& team) {
  try {
    team.ForEach(10, [](int64_t i) {
      // The lower one comes later, where there are threads enough.
      if (i == 3) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (i == 3 || i == 7) throw std::runtime_error(std::to_string(i));
    });
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "nothing";
}

bool DoesEverythingOnce(Team& team) {
  std::vector<int> seen(1000, 0);
  team.ForEach(1000, [&](int64_t i) { ++seen[static_cast<size_t>(i)]; });
  return std::count(seen.begin(), seen.end(), 1) == 1000;
}

TEST(Team, DoesEveryIndexOnceAndPassesTheLowestError) {
  for (const int threads : {1, 2, 5}) {
    Team team(threads);
    EXPECT_EQ(team.threads(), threads);
    EXPECT_TRUE(DoesEverythingOnce(team)) << threads;
    EXPECT_EQ(FailureOf(team), "3") << threads;
    // It goes on after that.
    EXPECT_TRUE(DoesEverythingOnce(team)) << threads;
  }
}

TEST(Team, LoopsOfNothingAndOfOne) {
  Team team(3);
  int done = 0;
  team.ForEach(0, [&](int64_t) { ++done; });
  EXPECT_EQ(done, 0);
  team.ForEach(1, [&](int64_t) { ++done; });
  EXPECT_EQ(done, 1);
}

TEST(Team, TellsWhichThreadWorks) {
  Team team(4);
  std::vector<std::atomic<int>> at_work(4);
  std::atomic<int> wrong{0};
  team.ForEachByThread(500, [&](int64_t, int thread) {
    std::atomic<int>& mine = at_work[static_cast<size_t>(thread)];
    if (++mine != 1) ++wrong;
    --mine;
  });
  EXPECT_EQ(wrong, 0);
}

// What failed is waited for by all: nobody is at work any more, and nothing was begun that need
// not be.
TEST(Team, AFailureComesUpWhenAllHaveEnded) {
  Team team(3);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> at_work{0}, begun{0};
    EXPECT_THROW(team.ForEach(100000,
                              [&](int64_t i) {
                                ++begun;
                                ++at_work;
                                std::this_thread::sleep_for(std::chrono::microseconds(50));
                                --at_work;
                                if (i == 4) throw std::bad_alloc();
                              }),
                 std::bad_alloc);
    EXPECT_EQ(at_work, 0);
    EXPECT_GE(begun, 5);
    EXPECT_LT(begun, 100000);
  }
}

TEST(Team, WorksWithTheThreadsThatCanBeStarted) {
  for (const int most : {0, 1, 3}) {
    const FewThreads few(most);
    Team team(64);
    EXPECT_EQ(team.threads(), most + 1);
    EXPECT_TRUE(DoesEverythingOnce(team)) << most;
    EXPECT_EQ(FailureOf(team), "3") << most;
  }
}

}  // namespace
}  // namespace i2crc
