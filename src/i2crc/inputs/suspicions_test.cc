// SPDX-License-Identifier: Apache-2.0
#include "i2crc/inputs/suspicions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>

#include "i2crc/inputs/made_folder.h"
#include "i2crc/threads/team.h"

namespace i2crc {
namespace {

using testing::LoggedContext;

// A map or mask of a few pixels.
ImageU8 Pixels(std::initializer_list<int> values) {
  ImageU8 image(1, static_cast<int>(values.size()), 1);
  std::copy(values.begin(), values.end(), image.values().begin());
  return image;
}

std::string WarningsOf(const Suspicions& suspicions) {
  LoggedContext context;
  suspicions.Warn(context);
  return context.lines();
}

class SuspicionsTest : public ::testing::Test {
 protected:
  void AddMasks(std::initializer_list<ImageU8> masks) {
    for (const ImageU8& mask : masks) suspicions_.AddMask("m", mask);
  }

  Suspicions suspicions_{ClassNames({"cat", "traffic light", "dog"})};
};

TEST_F(SuspicionsTest, WhatIsAsItShouldBeIsNotMentioned) {
  suspicions_.AddSaliency("s", "a", Pixels({0, 2}), true);
  suspicions_.AddSaliency("s", "b", Pixels({254, 255}), true);
  suspicions_.AddAttention("c", "a_1", Pixels({0, 0}));
  suspicions_.AddAttention("c", "b_1", Pixels({0, 255}));
  suspicions_.AddMask("m", Pixels({0, 255}), {});
  suspicions_.AddMask("m", Pixels({0, 1, 255}), {0});
  EXPECT_EQ(WarningsOf(suspicions_), "");
}

TEST_F(SuspicionsTest, BlankAndDarkMapsAreCountedByFolder) {
  suspicions_.AddSaliency("s", "c", Pixels({7, 7}), true);
  suspicions_.AddSaliency("s", "b/1", Pixels({0, 0}), true);
  suspicions_.AddSaliency("s", "a", Pixels({0, 1}), true);
  suspicions_.AddSaliency("s", "d", Pixels({0, 9}), true);
  suspicions_.AddSaliency("other", "a", Pixels({1, 1}), true);
  // Nothing stands out where nothing should.
  suspicions_.AddSaliency("black", "a", Pixels({0, 0}), false);
  suspicions_.AddAttention("c", "a_1", Pixels({1, 0}));
  EXPECT_EQ(WarningsOf(suspicions_),
            "warning other: 1 of 1 saliency maps have one value everywhere and tell nothing; the "
            "first is a.png\n"
            "warning s: 2 of 4 saliency maps have one value everywhere and tell nothing; the first "
            "is b/1.png\n"
            "warning s: 1 of 4 saliency maps have values of 0 and 1 only, where 255 is the most: "
            "multiply them by 255; the first is a.png\n"
            "warning c: 1 of 1 attention maps have values of 0 and 1 only, where 255 is the most: "
            "multiply them by 255; the first is a_1.png\n");
}

TEST_F(SuspicionsTest, MasksOf0And255HaveNoClass) {
  AddMasks({Pixels({0, 255}), Pixels({0, 0}), Pixels({255, 0})});
  suspicions_.AddTags("m", {1});
  EXPECT_EQ(WarningsOf(suspicions_),
            "warning m: none of 3 masks has a pixel of a class, they hold 0 (background) and 255 "
            "(ignored) only; the value of an object is its class index + 1, of 'cat' 1\n");
  AddMasks({Pixels({2})});
  EXPECT_EQ(WarningsOf(suspicions_), "");
}

TEST_F(SuspicionsTest, MasksOfBackgroundAlone) {
  AddMasks({Pixels({0}), Pixels({0, 0})});
  EXPECT_EQ(WarningsOf(suspicions_),
            "warning m: none of 2 masks has a pixel of a class, they hold 0 (background) only; the "
            "value of an object is its class index + 1, of 'cat' 1\n");
}

TEST_F(SuspicionsTest, ATenthOfTheMasksIgnoredIsWorthALine) {
  for (int i = 0; i < 10; ++i) AddMasks({Pixels({1})});
  AddMasks({Pixels({255, 255})});
  EXPECT_EQ(WarningsOf(suspicions_), "");
  AddMasks({Pixels({255})});
  EXPECT_EQ(WarningsOf(suspicions_),
            "warning m: 2 of 12 masks are 255 everywhere, so they are ignored as a whole\n");
}

TEST_F(SuspicionsTest, ATagThatNoPixelHas) {
  suspicions_.AddMask("m", Pixels({0, 1}), {0, 1});
  suspicions_.AddMask("m", Pixels({0, 1}), {2});
  suspicions_.AddMask("elsewhere", Pixels({2, 3}));
  EXPECT_EQ(WarningsOf(suspicions_),
            "warning m: no pixel of any mask is of a class that images are tagged with: 'traffic "
            "light', 'dog'\n");
  // "One of the tags" may be either.
  suspicions_.AddMask("m", Pixels({kAnyTagLabel}), {1, 2});
  EXPECT_EQ(WarningsOf(suspicions_), "");
}

TEST(Suspicions, ManyNamesAreCut) {
  std::vector<std::string> names;
  std::vector<int> tags;
  for (int k = 0; k < 254; ++k) {
    names.push_back(fmt::format("c{}", k));
    tags.push_back(k);
  }
  Suspicions suspicions{ClassNames(names)};
  suspicions.AddMask("m", Pixels({254}), tags);
  EXPECT_THAT(WarningsOf(suspicions), ::testing::EndsWith("'c6', 'c7' and 245 more\n"));
}

TEST_F(SuspicionsTest, ACommandSaysItOnce) {
  AddMasks({Pixels({255})});
  LoggedContext context;
  suspicions_.Warn(context);
  const std::string once = context.lines();
  EXPECT_NE(once, "");
  suspicions_.Warn(context);
  EXPECT_EQ(context.lines(), once);
}

TEST(Suspicions, ThreadsDecideNothing) {
  std::string lines;
  for (const int threads : {1, 4}) {
    Suspicions suspicions{ClassNames({"cat"})};
    Team(threads).ForEach(200, [&](int64_t i) {
      suspicions.AddSaliency("s", fmt::format("{:03}", 199 - i), Pixels({0, i % 3 == 0 ? 0 : 1}),
                             true);
      suspicions.AddMask("m", Pixels({i % 5 == 0 ? 255 : 0}), {0});
    });
    if (threads == 1) lines = WarningsOf(suspicions);
    EXPECT_EQ(WarningsOf(suspicions), lines);
  }
  EXPECT_THAT(lines, ::testing::HasSubstr("s: 67 of 200 saliency maps have one value"));
  EXPECT_THAT(lines, ::testing::HasSubstr("the first is 001.png"));
}

}  // namespace
}  // namespace i2crc
