// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/source_agreement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "i2crc/core/error.h"
#include "i2crc/labels/label_rules.h"

namespace i2crc {
namespace {

constexpr int kSide = 64;

// A square object, and sources that are wrong about each pixel by chance.
class Photograph {
 public:
  explicit Photograph(unsigned seed) : random_(seed), truth(kSide, kSide, 1) {
    for (int y = 16; y < 48; ++y)
      for (int x = 8; x < 40; ++x) truth.at(y, x) = 1;
  }
  ImageU8 Wrong(double share) {
    ImageU8 map(kSide, kSide, 1);
    std::bernoulli_distribution is_wrong(share);
    for (size_t p = 0; p < map.pixels(); ++p)
      map.data()[p] = (truth.data()[p] != 0) != is_wrong(random_) ? 255 : 0;
    return map;
  }

 private:
  std::mt19937 random_;

 public:
  ImageU8 truth;
};

ImageU8 MaskOf(const ImageU8& map) {
  ImageU8 mask(map.height(), map.width(), 1);
  std::transform(map.values().begin(), map.values().end(), mask.values().begin(),
                 [](uint8_t value) { return static_cast<uint8_t>(value >= 128 ? 3 : 0); });
  return mask;
}

TEST(SourceAgreement, FindsOutWhomToTrust) {
  SourceAgreement agreement;
  std::vector<ObjectSources> all;
  for (unsigned seed = 0; seed < 8; ++seed) {
    Photograph photograph(seed);
    all.push_back({photograph.Wrong(0.02), photograph.Wrong(0.1), photograph.Wrong(0.3)});
    agreement.Add(all.back());
  }
  const ObjectBelief belief = agreement.Fit();
  const auto of = [&](int s, int n, int a) {
    return belief.Of(ObjectBelief::Cell(static_cast<uint8_t>(s), static_cast<uint8_t>(n),
                                        static_cast<uint8_t>(a)));
  };
  // The odds of each source multiply: 49 of the first, 9, 7/3 and those of a third of the pixels.
  EXPECT_NEAR(of(255, 0, 0), 49.0 / 9 / (7.0 / 3) / 3 / (1 + 49.0 / 9 / (7.0 / 3) / 3), 0.1);
  EXPECT_GT(of(255, 255, 0), 0.98);
  EXPECT_LT(of(0, 255, 255), 0.5);
  EXPECT_LT(of(0, 0, 255), 0.02);
  // And a mask of the first is worth more than one of the second, as it is in truth.
  EXPECT_GT(belief.ExpectedIou(MaskOf(all[0].saliency), all[0]),
            belief.ExpectedIou(MaskOf(all[0].network), all[0]));
}

// A network that has learned nothing says the same of everything.
TEST(SourceAgreement, GivesNoWeightToASourceThatSaysNothing) {
  SourceAgreement agreement;
  for (unsigned seed = 0; seed < 8; ++seed) {
    Photograph photograph(seed);
    agreement.Add({photograph.Wrong(0.05), ImageU8(kSide, kSide, 1, 40), photograph.Wrong(0.2)});
  }
  const ObjectBelief belief = agreement.Fit();
  EXPECT_GT(belief.Of(ObjectBelief::Cell(255, 40, 255)), 0.9);
  EXPECT_LT(belief.Of(ObjectBelief::Cell(0, 40, 0)), 0.1);
}

TEST(ObjectBelief, ExpectsTheIouOfItsBelief) {
  std::vector<double> probability(ObjectBelief::kCells, 0.0);
  probability[static_cast<size_t>(ObjectBelief::Cell(255, 255, 255))] = 0.8;
  const ObjectBelief belief(probability);
  const ImageU8 half = [] {
    ImageU8 map(2, 4, 1, 0);
    std::fill_n(map.data(), 4, uint8_t{255});
    return map;
  }();
  const ObjectSources sources = {half, half, half};
  ImageU8 mask = MaskOf(half);
  EXPECT_DOUBLE_EQ(belief.ExpectedIou(mask, sources), 0.8 * 4 / 4);
  EXPECT_DOUBLE_EQ(belief.ExpectedIou(ImageU8(2, 4, 1, 0), sources), 0);
  mask.at(0, 0) = kIgnoreLabel;
  EXPECT_DOUBLE_EQ(belief.ExpectedIou(mask, sources), (0.8 * 3 + 0.4) / (3 + 0.9));
  EXPECT_EQ(ObjectBelief(std::vector<double>(ObjectBelief::kCells, 0.0))
                .ExpectedIou(ImageU8(2, 4, 1, 0), sources),
            1);
  SourceAgreement agreement;
  EXPECT_THROW(agreement.Add({half, half, ImageU8(2, 3, 1)}), Error);
}

}  // namespace
}  // namespace i2crc
