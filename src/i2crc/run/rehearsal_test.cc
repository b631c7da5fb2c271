// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/rehearsal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "i2crc/core/error.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

TEST(EffortFor, IsTheMostThatFits) {
  const auto takes = [](double effort) { return 10 + 40 * effort; };
  EXPECT_EQ(EffortFor(50, takes), 1);
  EXPECT_EQ(EffortFor(1000, takes), 1);
  EXPECT_EQ(EffortFor(30, takes), 0.5);
  EXPECT_EQ(EffortFor(29.9, takes), 0.49);
  EXPECT_EQ(EffortFor(14, takes), 0.1);
  EXPECT_THROW(EffortFor(13.9, takes), Error);
}

// A training goes by its steps, everything else by its images; files of images grow with them.
TEST(StageCosts, AreThoseOfTheWholeRun) {
  testing::TempDir dir;
  testing::WriteBytes(dir / "train.txt", "a\nb\nc\nd\ne\nf\n");
  testing::WriteBytes(dir / "val.txt", "g\nh\n");
  RunConfiguration c;
  c.run.train = dir / "train.txt";
  c.run.val = dir / "val.txt";
  c.train_cls.batch = 4;
  c.train_cls.epochs = 3;
  c.train_seg_2.iterations = 900;
  const StageCost cost{.seconds_once = 5, .seconds_each = 2, .bytes_once = 100, .bytes_each = 10};
  const StageCosts costs = {
      {"train-cls", cost}, {"train-seg-2", cost}, {"masks", cost}, {"predict-val", cost}};
  EXPECT_EQ(SecondsOf("train-cls", c, costs), 5 + 2 * 2 * 3);
  EXPECT_EQ(SecondsOf("train-seg-2", c, costs), 5 + 2 * 900);
  EXPECT_EQ(SecondsOf("masks", c, costs), 5 + 2 * 6);
  EXPECT_EQ(SecondsOf("predict-val", c, costs), 5 + 2 * 2);
  EXPECT_EQ(SecondsOf("eval", c, costs), 0);
  EXPECT_EQ(BytesOf("masks", c, costs), 100 + 10 * 6);
  EXPECT_EQ(BytesOf("predict-val", c, costs), 100 + 10 * 2);
}

}  // namespace
}  // namespace i2crc
