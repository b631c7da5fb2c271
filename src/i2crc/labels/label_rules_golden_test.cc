// SPDX-License-Identifier: Apache-2.0
// Attention maps, initial labels and refinement against the reference's own outputs, equal to the
// pixel.
#include <gtest/gtest.h>

#include <filesystem>

#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/labels/label_rules.h"
#include "support/golden_file.h"
#include "support/test_dirs.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

ImageU8 ImageOf(const testing::GoldenTensor& tensor) {
  ImageU8 image(static_cast<int>(tensor.shape.at(0)), static_cast<int>(tensor.shape.at(1)), 1);
  image.values() = tensor.U8();
  return image;
}

// How many pixels differ, with the first of them for the message.
::testing::AssertionResult Equal(const ImageU8& got, const ImageU8& expected) {
  if (!got.SameSize(expected)) return ::testing::AssertionFailure() << "sizes differ";
  size_t differing = 0, first = 0;
  for (size_t i = got.pixels(); i-- > 0;) {
    if (got.values()[i] == expected.values()[i]) continue;
    ++differing;
    first = i;
  }
  if (differing == 0) return ::testing::AssertionSuccess();
  const size_t width = static_cast<size_t>(got.width());
  return ::testing::AssertionFailure()
         << differing << " pixels differ, first at row " << first / width << ", column "
         << first % width << ": " << int{got.values()[first]} << " instead of "
         << int{expected.values()[first]};
}

TEST(LabelGoldens, AttentionMaps) {
  I2CRC_NEEDS_SHARED("goldens/attention_map.safetensors");
  const testing::GoldenFile golden(testing::SharedPath("goldens/attention_map.safetensors"));
  int cases = 0;
  for (; golden.contains(fmt::format("{}.scores", cases)); ++cases) {
    SCOPED_TRACE(fmt::format("case {}", cases));
    const auto& scores = golden.at(fmt::format("{}.scores", cases));
    const ImageU8 expected_small = ImageOf(golden.at(fmt::format("{}.attention_small", cases)));
    const ImageU8 expected = ImageOf(golden.at(fmt::format("{}.attention", cases)));
    const ImageU8 small = AttentionFromScores(scores.Floats(), static_cast<int>(scores.shape.at(0)),
                                              static_cast<int>(scores.shape.at(1)));
    EXPECT_TRUE(Equal(small, expected_small));
    EXPECT_TRUE(Equal(EnlargeAttention(small, expected.height(), expected.width()), expected));
  }
  EXPECT_EQ(cases, 5);
}

TEST(LabelGoldens, InitialLabels) {
  I2CRC_NEEDS_SHARED("goldens/labels/list.txt");
  const fs::path folder = testing::SharedPath("goldens/labels");
  const auto images = ReadImageList(folder / "list.txt", ClassNames::Voc());
  EXPECT_EQ(images.size(), 24u);
  for (const ListedImage& image : images) {
    SCOPED_TRACE(image.id);
    std::vector<TagAttention> maps;
    for (int tag : image.tags) {
      const fs::path map = folder / "attention" / fmt::format("{}_{}.png", image.id, tag);
      if (fs::exists(map)) maps.push_back({tag, ReadGrey(map)});
    }
    const ImageU8 label = InitialLabel(ReadGrey(folder / "saliency" / (image.id + ".png")), maps);
    EXPECT_TRUE(Equal(label, ReadMask(folder / "expected" / (image.id + ".png"))));
  }
}

TEST(LabelGoldens, RefinedLabels) {
  I2CRC_NEEDS_SHARED("goldens/refine/list.txt");
  const fs::path folder = testing::SharedPath("goldens/refine");
  const auto images = ReadImageList(folder / "list.txt", ClassNames::Voc());
  EXPECT_EQ(images.size(), 21u);
  for (const ListedImage& image : images) {
    SCOPED_TRACE(image.id);
    const std::string file = image.id + ".png";
    const ImageU8 refined = RefineLabel(ReadMask(folder / "predictions" / file),
                                        ReadMask(folder / "initial" / file), image.tags);
    EXPECT_TRUE(Equal(refined, ReadMask(folder / "expected" / file)));
  }
}

}  // namespace
}  // namespace i2crc
