// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/sample_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace i2crc {
namespace {

constexpr int64_t kImages = 10;

std::vector<int64_t> Epoch(const SampleOrder& order, int64_t epoch) {
  std::vector<int64_t> images;
  for (int64_t i = 0; i < kImages; ++i) images.push_back(order.Image(epoch * kImages + i));
  return images;
}

TEST(SampleOrder, EachEpochHasEveryImageOnceInAnOrderOfItsOwn) {
  const SampleOrder order(kImages, 1);
  std::vector<int64_t> all(kImages);
  std::iota(all.begin(), all.end(), int64_t{0});
  for (const int64_t epoch : {0, 1, 2, 1000}) {
    std::vector<int64_t> images = Epoch(order, epoch);
    EXPECT_NE(images, all) << epoch;
    std::sort(images.begin(), images.end());
    EXPECT_EQ(images, all) << epoch;
  }
  EXPECT_NE(Epoch(order, 0), Epoch(order, 1));
}

TEST(SampleOrder, IsDecidedBySeedAndEpochAlone) {
  const SampleOrder order(kImages, 5), again(kImages, 5), other(kImages, 6);
  const std::vector<int64_t> late = Epoch(again, 200);
  // Far more epochs than are remembered lie in between.
  for (int64_t epoch = 0; epoch < 100; ++epoch) Epoch(again, epoch);
  EXPECT_EQ(Epoch(order, 0), Epoch(again, 0));
  EXPECT_EQ(Epoch(order, 200), late);
  EXPECT_NE(Epoch(order, 0), Epoch(other, 0));
}

}  // namespace
}  // namespace i2crc
