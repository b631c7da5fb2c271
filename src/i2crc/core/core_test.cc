// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <numeric>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/core/prefetch.h"
#include "i2crc/core/random.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

TEST(AtomicFile, NothingStandsAtThePathBeforeCommit) {
  testing::TempDir dir;
  {
    AtomicFile file(dir / "a.txt");
    file.Write("half");
    EXPECT_FALSE(std::filesystem::exists(dir / "a.txt"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  WriteFileAtomically(dir / "a.txt", "whole");
  EXPECT_EQ(ReadWholeFile(dir / "a.txt"), "whole");
}

TEST(AtomicFile, AMissingFolderIsAnErrorWithTheFilesName) {
  testing::TempDir dir;
  try {
    WriteFileAtomically(dir / "no" / "a.txt", "x");
    FAIL() << "wrote into a missing folder";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no/a.txt"), std::string::npos);
  }
}

TEST(ReadWholeFile, StopsAtItsLimit) {
  testing::TempDir dir;
  WriteFileAtomically(dir / "a", std::string(1000, 'x'));
  EXPECT_EQ(ReadWholeFile(dir / "a", 1000).size(), 1000u);
  EXPECT_THROW(ReadWholeFile(dir / "a", 999), Error);
}

TEST(Random, StreamsDependOnEveryKeyAndOnNothingElse) {
  Random a({1, 2, 3}), again({1, 2, 3}), other({1, 3, 2});
  const uint64_t first = a.Next();
  EXPECT_EQ(first, again.Next());
  EXPECT_NE(first, other.Next());
  // The stream is part of what "same seed, same bytes" promises between versions.
  EXPECT_EQ(Random({42}).Next(), Random({42}).Next());
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
  Random random({7});
  double sum = 0, normal_sum = 0, normal_squares = 0;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.Uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    const double n = random.Normal();
    normal_sum += n;
    normal_squares += n * n;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.003);
  EXPECT_NEAR(normal_sum / kDraws, 0.0, 0.01);
  EXPECT_NEAR(normal_squares / kDraws, 1.0, 0.02);
}

TEST(Random, ShuffleIsAPermutation) {
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  Random({5}).Shuffle(items);
  EXPECT_FALSE(std::is_sorted(items.begin(), items.end()));
  std::sort(items.begin(), items.end());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(items[static_cast<size_t>(i)], i);
}

TEST(Prefetcher, HandsItemsOutInOrderWhateverTheThreads) {
  for (int threads : {0, 1, 2, 4}) {
    Prefetcher<int64_t> items(3, 200, threads, 8, [](int64_t i) { return i * i; });
    for (int64_t i = 3; i < 200; ++i) ASSERT_EQ(items.Next(), i * i) << threads << " threads";
    EXPECT_TRUE(items.done());
  }
}

TEST(Prefetcher, AnExceptionComesAtItsItemsTurn) {
  for (int threads : {0, 3}) {
    Prefetcher<int> items(0, 10, threads, 4, [](int64_t i) {
      if (i == 5) throw Error("five");
      return static_cast<int>(i);
    });
    for (int i = 0; i < 5; ++i) EXPECT_EQ(items.Next(), i);
    EXPECT_THROW(items.Next(), Error);
    EXPECT_EQ(items.Next(), 6);
  }
}

TEST(Prefetcher, CanBeDroppedHalfway) {
  Prefetcher<int> items(0, 1000000, 2, 4, [](int64_t i) { return static_cast<int>(i); });
  EXPECT_EQ(items.Next(), 0);
}

TEST(ParallelFor, DoesEveryIndexOnceAndPassesTheLowestError) {
  for (int threads : {1, 2, 5}) {
    std::vector<int> seen(1000, 0);
    ParallelFor(1000, threads, [&](int64_t i) { ++seen[static_cast<size_t>(i)]; });
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 1000);
    EXPECT_THROW(ParallelFor(10, threads,
                             [](int64_t i) {
                               if (i == 3) throw Error("three");
                             }),
                 Error);
  }
}

TEST(Checksum, FilesAndBytesAgree) {
  testing::TempDir dir;
  const std::string bytes(300000, 'q');
  WriteFileAtomically(dir / "q", bytes);
  EXPECT_EQ(FileChecksum(dir / "q"), Checksum(bytes));
  EXPECT_NE(Checksum("a"), Checksum("b"));
  EXPECT_EQ(Checksum("").size(), 32u);
}

}  // namespace
}  // namespace i2crc
