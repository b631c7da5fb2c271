// SPDX-License-Identifier: Apache-2.0
#include "i2crc/inputs/item_loop.h"

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "i2crc/inputs/made_folder.h"
#include "i2crc/threads/few_threads.h"

namespace i2crc {
namespace {

using testing::LoggedContext;

// What came of a run over items of which some fail.
struct Outcome {
  std::vector<int64_t> taken;
  std::multiset<int64_t> written;
  std::string log;
  std::string error;
  int64_t left_out = 0;
};

struct Faults {
  std::set<int64_t> unreadable = {};
  std::set<int64_t> unwritable = {};
  // Memory does not suffice to make, to write, to take them.
  std::set<int64_t> too_large = {};
  std::set<int64_t> too_large_to_write = {};
  std::set<int64_t> too_large_to_take = {};
};

Outcome RunItems(int threads, const std::string& on_error, const Faults& faults) {
  Outcome outcome;
  LoggedContext context;
  std::mutex mutex;
  const ItemWork<int64_t> work = {
      .name = [](int64_t i) { return fmt::format("image {}", i); },
      .make =
          [&](int64_t i) {
            // Later items are ready first, so that order is a matter of the loop.
            std::this_thread::sleep_for(std::chrono::microseconds(i % 7 == 0 ? 2000 : 10));
            if (faults.unreadable.count(i) > 0) Fail("item {}", i);
            if (faults.too_large.count(i) > 0) throw std::bad_alloc();
            return i * i;
          },
      .write =
          [&](int64_t i, const int64_t&) {
            if (faults.unwritable.count(i) > 0) Fail("disk full at {}", i);
            if (faults.too_large_to_write.count(i) > 0) throw std::bad_alloc();
            const std::lock_guard lock(mutex);
            outcome.written.insert(i);
          },
      .take =
          [&](int64_t i, const int64_t& made) {
            EXPECT_EQ(made, i * i);
            if (faults.too_large_to_take.count(i) > 0) throw std::bad_alloc();
            outcome.taken.push_back(i);
          }};
  const ItemOptions options{.on_error = on_error, .threads = threads};
  try {
    ForEachItem("test", 40, options, work, context);
  } catch (const Error& error) {
    outcome.error = error.what();
  }
  outcome.log = context.lines();
  outcome.left_out = context.left_out();
  return outcome;
}

class ItemLoopTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ItemLoopTest, ::testing::Values(1, 2, 5, 64));

TEST_P(ItemLoopTest, TakesEveryItemOnceInOrder) {
  const Outcome outcome = RunItems(GetParam(), "stop", {});
  ASSERT_EQ(outcome.taken.size(), 40u);
  EXPECT_TRUE(std::is_sorted(outcome.taken.begin(), outcome.taken.end()));
  EXPECT_EQ(outcome.written.size(), 40u);
}

TEST_P(ItemLoopTest, StopsAtTheFirstFailureInOrderOfTheList) {
  const Outcome outcome = RunItems(GetParam(), "stop", {.unreadable = {14, 15, 33}});
  EXPECT_EQ(outcome.error, "item 14");
  EXPECT_EQ(outcome.taken.size(), 14u);
  EXPECT_EQ(outcome.left_out, 0);
}

TEST_P(ItemLoopTest, LeavesOutInOrderOfTheListWhereTold) {
  const Outcome outcome = RunItems(GetParam(), "skip", {.unreadable = {7, 14, 15, 35}});
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.taken.size(), 36u);
  EXPECT_EQ(outcome.left_out, 4);
  EXPECT_EQ(outcome.log,
            "warning left out: item 7\nwarning left out: item 14\nwarning left out: item 15\n"
            "warning left out: item 35\n");
}

TEST_P(ItemLoopTest, AFailureToWriteStopsEvenWhereItemsMayBeLeftOut) {
  const Outcome outcome = RunItems(GetParam(), "skip", {.unreadable = {3, 25}, .unwritable = {20}});
  EXPECT_EQ(outcome.error, "disk full at 20");
  EXPECT_EQ(outcome.taken.size(), 19u);
  EXPECT_EQ(outcome.left_out, 1);
}

constexpr const char* kNoMemory = ": out of memory; end other programs or use fewer threads";

TEST_P(ItemLoopTest, ALackOfMemoryNamesTheItem) {
  EXPECT_EQ(RunItems(GetParam(), "stop", {.too_large = {14, 20}}).error,
            std::string("image 14") + kNoMemory);
  EXPECT_EQ(RunItems(GetParam(), "stop", {.too_large_to_write = {5}}).error,
            std::string("image 5") + kNoMemory);
  EXPECT_EQ(RunItems(GetParam(), "stop", {.too_large_to_take = {39}}).error,
            std::string("image 39") + kNoMemory);
}

TEST_P(ItemLoopTest, ALackOfMemoryLeavesTheItemOutWhereTold) {
  const Outcome outcome =
      RunItems(GetParam(), "skip",
               {.too_large = {3, 15}, .too_large_to_write = {7}, .too_large_to_take = {30}});
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.taken.size(), 36u);
  EXPECT_EQ(outcome.left_out, 4);
  std::string log;
  for (const int i : {3, 7, 15, 30})
    log += fmt::format("warning left out: image {}{}\n", i, kNoMemory);
  EXPECT_EQ(outcome.log, log);
}

TEST(ItemLoop, WorksWithTheThreadsThatCanBeStarted) {
  for (const int most : {0, 2}) {
    const testing::FewThreads few(most);
    const Outcome outcome = RunItems(64, "skip", {.unreadable = {7}});
    EXPECT_EQ(outcome.taken.size(), 39u);
    EXPECT_EQ(outcome.log,
              "warning fewer threads could be started than were asked for, so this takes longer; "
              "allow more processes (ulimit -u) or memory, or ask for fewer threads\n"
              "warning left out: item 7\n");
  }
}

TEST_P(ItemLoopTest, StopsWhereTheUserAsksTo) {
  Context context;
  int64_t taken = 0;
  const ItemWork<int64_t> work = {.name = [](int64_t i) { return std::to_string(i); },
                                  .make = [](int64_t i) { return i; },
                                  .write = {},
                                  .take =
                                      [&](int64_t i, const int64_t&) {
                                        ++taken;
                                        if (i == 9) Context::RequestInterrupt();
                                      }};
  const ItemOptions options{.on_error = "skip", .threads = GetParam()};
  EXPECT_THROW(ForEachItem("test", 1000, options, work, context), Interrupted);
  Context::ClearInterrupt();
  EXPECT_EQ(taken, 10);
}

}  // namespace
}  // namespace i2crc
