// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/core/error.h"
#include "i2crc/core/random.h"
#include "support/limited_child.h"
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

std::string WritableMessage(const std::filesystem::path& folder) {
  try {
    CheckWritable(folder, "--out");
  } catch (const Error& error) {
    return error.what();
  }
  return "writable";
}

TEST(CheckWritable, LooksAtTheFirstFolderThatIsThere) {
  testing::TempDir dir;
  WriteFileAtomically(dir / "a", "x");
  EXPECT_EQ(WritableMessage(dir.path()), "writable");
  EXPECT_EQ(WritableMessage(dir / "new/folders"), "writable");
  EXPECT_EQ(WritableMessage(""), "writable");
  EXPECT_EQ(WritableMessage(dir / "a"), "--out: not a folder");
  EXPECT_EQ(WritableMessage(dir / "a/b"), "--out: " + (dir / "a").string() + " is not a folder");
  EXPECT_FALSE(std::filesystem::exists(dir / "new"));
}

TEST(ReadWholeFile, StopsAtItsLimit) {
  testing::TempDir dir;
  WriteFileAtomically(dir / "a", std::string(1000, 'x'));
  EXPECT_EQ(ReadWholeFile(dir / "a", 1000).size(), 1000u);
  EXPECT_THROW(ReadWholeFile(dir / "a", 999), Error);
}

TEST(ReadWholeFile, ALackOfMemoryNamesTheFile) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  testing::TempDir dir;
  WriteFileAtomically(dir / "large", "x");
  std::filesystem::resize_file(dir / "large", uint64_t{1} << 30);  // holes
  EXPECT_EXIT(testing::WorkWithin(64 << 20, 60, [&] { ReadWholeFile(dir / "large"); }),
              ::testing::ExitedWithCode(1), "large: out of memory; ");
}

TEST(Random, StreamsDependOnEveryKeyAndOnNothingElse) {
  Random a({1, 2, 3}), again({1, 2, 3}), other({1, 3, 2});
  const uint64_t first = a.Next();
  EXPECT_EQ(first, again.Next());
  EXPECT_NE(first, other.Next());
}

// The stream is part of what "same seed, same bytes" promises between versions; the values are
// those of another implementation.
TEST(Random, StreamsStayWhatTheyAre) {
  Random random({42});
  EXPECT_EQ(random.Next(), 0x6310bf04d8207f46u);
  EXPECT_EQ(random.Next(), 0xebdb7216a4ffed50u);
  EXPECT_EQ(random.Next(), 0x15471cce9858769bu);
  EXPECT_EQ(Random({1, 2, 3}).Next(), 0x70eda24ba14cb51cu);
  Random seven({7});
  EXPECT_EQ(seven.Uniform(), 0.609394524568175);
  for (const int64_t digit : {8, 9, 6, 0, 8, 7, 0, 4}) EXPECT_EQ(seven.Below(10), digit);
  EXPECT_DOUBLE_EQ(Random({7}).Normal(), -1.1539163045460619);
  std::vector<int> items(8);
  std::iota(items.begin(), items.end(), 0);
  Random({5}).Shuffle(items);
  EXPECT_EQ(items, (std::vector<int>{4, 2, 0, 6, 3, 7, 1, 5}));
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

TEST(Checksum, FilesAndBytesAgree) {
  testing::TempDir dir;
  const std::string bytes(300000, 'q');
  WriteFileAtomically(dir / "q", bytes);
  EXPECT_EQ(FileChecksum(dir / "q"), Checksum(bytes));
  EXPECT_NE(Checksum("a"), Checksum("b"));
  // XXH3 of 128 bits, which files made by earlier versions hold.
  EXPECT_EQ(Checksum(""), "99aa06d3014798d86001c324468d497f");
}

TEST(Checksum, OfAFileIsRememberedUntilTheFileIsAnother) {
  const testing::TempDir dir;
  const std::filesystem::path file = dir / "a", other = dir / "b";
  WriteFileAtomically(file, "one");
  EXPECT_EQ(RememberedFileChecksum(file), Checksum("one"));
  EXPECT_EQ(RememberedFileChecksum(file), Checksum("one"));
  // Replaced, as everything here is written: another file under the same name.
  WriteFileAtomically(other, "two");
  std::filesystem::rename(other, file);
  EXPECT_EQ(RememberedFileChecksum(file), Checksum("two"));
  // Written over in place.
  std::ofstream(file, std::ios::trunc) << "four";
  EXPECT_EQ(RememberedFileChecksum(file), Checksum("four"));
  std::filesystem::remove(file);
  EXPECT_THROW(RememberedFileChecksum(file), Error);
}

}  // namespace
}  // namespace i2crc
