// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/crf_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "i2crc/crf/unary.h"
#include "i2crc/steps/crf_inference.h"
#include "i2crc/steps/made_crf_folder.h"
#include "support/golden_file.h"
#include "support/limited_child.h"
#include "support/option_set_checks.h"

namespace i2crc {
namespace {

using testing::CrfStepTest;
using testing::ErrorOf;
using testing::GoldenFile;
using testing::GoldenTensor;
using ::testing::HasSubstr;
using testing::kHeight;
using testing::kPixels;
using testing::kWidth;
using testing::LoggedContext;
using testing::MadeImage;
using testing::Photograph;
using testing::Probability;

// What the class itself makes of the same numbers.
struct Expected {
  std::vector<int32_t> labels;
  std::vector<float> marginals;
};
Expected Deeplab(const std::function<void(crf::DenseCrf&)>& set_unary, int labels,
                 const ImageU8& rgb, int iterations = 10) {
  crf::DenseCrf problem;
  problem.Reset(labels, rgb.height(), rgb.width());
  set_unary(problem);
  crf::AddTerms(problem, crf::SettingsOf(crf::Preset::kDeeplab), rgb.values());
  problem.Infer(iterations);
  Expected expected{std::vector<int32_t>(rgb.pixels()),
                    std::vector<float>(static_cast<size_t>(labels) * rgb.pixels())};
  problem.ArgMax(expected.labels);
  problem.Marginals(expected.marginals);
  return expected;
}

void ExpectMask(const ImageU8& mask, const std::vector<int32_t>& labels) {
  ASSERT_EQ(mask.size(), labels.size());
  for (size_t i = 0; i < labels.size(); ++i) ASSERT_EQ(mask.values()[i], labels[i]) << i;
}

TEST_F(CrfStepTest, OptionsAreDescribed) {
  CrfStepOptions options;
  OptionSet set;
  Describe(options, set);
  testing::CheckOptionSet(set);
}

TEST_F(CrfStepTest, ReachesTheGoldens) {
  I2CRC_NEEDS_SHARED("goldens/dense_crf_few.safetensors");
  options_.marginals = true;
  for (const std::string name : {"dense_crf_few", "dense_crf_21"}) {
    const GoldenFile golden(testing::SharedPath("goldens/" + name + ".safetensors"));
    const GoldenTensor& image = golden.at("image");
    const GoldenTensor& probability = golden.at("probability");
    ImageU8 rgb(static_cast<int>(image.shape[0]), static_cast<int>(image.shape[1]), 3);
    rgb.values() = image.U8();
    WriteRgbPng(options_.images / (name + ".png"), rgb);
    Store(name, Tensor::F16FromF32(probability.shape, probability.Floats()));
    List(name);
    Run();
    const std::vector<uint8_t> labels = golden.at("labels").U8();
    const ImageU8 mask = Mask(name);
    size_t equal = 0;
    for (size_t i = 0; i < labels.size(); ++i) equal += mask.values()[i] == labels[i] ? 1u : 0u;
    EXPECT_GE(static_cast<double>(equal), 0.9999 * static_cast<double>(labels.size())) << name;
    const std::vector<float> expected = golden.at("marginal").Floats();
    const std::vector<float> marginals = Marginals(name);
    ASSERT_EQ(marginals.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(marginals[i], expected[i], 0.002) << name << " " << i;
  }
}

TEST_F(CrfStepTest, IsTheClassOnTheFiles) {
  AddImage("deep/one", "", 4);
  options_.marginals = true;
  EXPECT_EQ(Run().images, 1);
  const Expected expected = Deeplab(
      [](crf::DenseCrf& problem) { problem.SetProbability(Probability(4)); }, 4, Photograph());
  ExpectMask(Mask("deep/one"), expected.labels);
  EXPECT_TRUE(ReadImageHeader(options_.out / "deep/one.png").palette);
  const std::vector<float> marginals = Marginals("deep/one");
  for (size_t i = 0; i < marginals.size(); ++i)
    ASSERT_EQ(marginals[i], F16ToF32(F32ToF16(expected.marginals[i]))) << i;
  // Both halves of the photograph are there.
  EXPECT_EQ(Mask("deep/one").at(5, 0), 1);
  EXPECT_EQ(Mask("deep/one").at(5, kWidth - 1), 0);
}

TEST_F(CrfStepTest, WithoutMarginalsOnlyMasks) {
  AddImage("one", "", 3);
  Run();
  EXPECT_EQ(folder_.Files("made").size(), 1u);
}

TEST_F(CrfStepTest, OptionsReachTheInference) {
  AddImage("one", "", 4);
  options_.marginals = true;
  options_.crf.iterations = 0;
  Run();
  const std::vector<float> softmax = Marginals("one");
  const std::vector<float> probability = Probability(4);
  for (size_t i = 0; i < softmax.size(); ++i) ASSERT_NEAR(softmax[i], probability[i], 1e-3);
  std::vector<std::vector<float>> results = {softmax};
  const auto is_new = [&](const std::string& what) {
    Run();
    results.push_back(Marginals("one"));
    EXPECT_EQ(std::count(results.begin(), results.end(), results.back()), 1) << what;
  };
  CrfOptions& o = options_.crf;
  o.iterations = -1;
  is_new("10 iterations");
  o.preset = "psa";
  is_new("psa");
  o.preset = "irn";
  is_new("irn");
  o.gaussian_sigma = 2;
  is_new("gaussian sigma");
  o.gaussian_weight = 0;
  is_new("gaussian weight");
  o.gaussian_weight = 1;
  is_new("gaussian weight 1");
  o.bilateral_sigma_xy = 5;
  is_new("bilateral sigma xy");
  o.bilateral_sigma_rgb = 50;
  is_new("bilateral sigma rgb");
  o.bilateral_weight = 1;
  is_new("bilateral weight");
  for (const char* normalisation : {"none", "before", "after"}) {
    o.normalisation = normalisation;
    is_new(normalisation);
  }
  o.clip = 0.2;
  is_new("clip");
}

TEST_F(CrfStepTest, LabelsOfTagsAlone) {
  AddImage("one", "2 0", 5);  // labels 0, 1 and 3
  AddImage("two", "", 5);
  options_.marginals = true;
  options_.crf.labels = "tags";
  Run();
  std::vector<float> kept;
  const std::vector<float> all = Probability(5);
  for (const size_t label : {0, 1, 3})
    kept.insert(kept.end(), all.begin() + static_cast<ptrdiff_t>(label * kPixels),
                all.begin() + static_cast<ptrdiff_t>((label + 1) * kPixels));
  const Expected expected =
      Deeplab([&](crf::DenseCrf& problem) { problem.SetProbability(kept); }, 3, Photograph());
  const std::vector<float> marginals = Marginals("one");
  const std::vector<int> places = {0, 1, -1, 2, -1};
  for (size_t label = 0; label < 5; ++label)
    for (size_t p = 0; p < kPixels; ++p) {
      const int place = places[label];
      const float value =
          place < 0 ? 0 : expected.marginals[static_cast<size_t>(place) * kPixels + p];
      ASSERT_EQ(marginals[label * kPixels + p], F16ToF32(F32ToF16(value))) << label << " " << p;
    }
  const std::vector<int32_t> labels = {0, 1, 3};
  for (size_t p = 0; p < kPixels; ++p)
    ASSERT_EQ(Mask("one").values()[p], labels[static_cast<size_t>(expected.labels[p])]);
  // No tag, nothing but background.
  EXPECT_EQ(Mask("two"), ImageU8(kHeight, kWidth, 1, 0));
}

TEST_F(CrfStepTest, LabelsOfMass) {
  AddImage("one", "", 4);  // labels 2 and 3 have 0.05 each
  options_.marginals = true;
  Run();
  const std::vector<float> all = Marginals("one");
  options_.crf.labels = "mass:0.04";
  Run();
  EXPECT_EQ(Marginals("one"), all);
  options_.crf.labels = "mass:0.06";
  Run();
  const std::vector<float> two = Marginals("one");
  EXPECT_TRUE(std::all_of(two.begin() + 2 * static_cast<ptrdiff_t>(kPixels), two.end(),
                          [](float value) { return value == 0; }));
  EXPECT_NEAR(two[3] + two[kPixels + 3], 1, 1e-3);
  // Where none reaches the bound, the likeliest is left.
  options_.crf.labels = "mass:1";
  Run();
  const std::vector<float> one = Marginals("one");
  const std::vector<float> probability = Probability(4);
  const auto mean = [&](size_t label) {
    double sum = 0;
    for (size_t p = 0; p < kPixels; ++p) sum += double{probability[label * kPixels + p]};
    return sum;
  };
  const uint8_t likeliest = mean(1) > mean(0) ? 1 : 0;
  EXPECT_EQ(Mask("one"), ImageU8(kHeight, kWidth, 1, likeliest));
  for (size_t i = 0; i < one.size(); ++i) ASSERT_EQ(one[i], i / kPixels == likeliest ? 1 : 0);
}

TEST_F(CrfStepTest, MeansOfEnergiesAreThoseOfTheirProbabilities) {
  const std::vector<float> probability = Probability(4);
  std::vector<float> energy(probability.size());
  std::transform(probability.begin(), probability.end(), energy.begin(),
                 [](float value) { return -std::log(value); });
  CrfSettings settings;
  settings.labels = CrfLabels::kMass;
  for (const double bound : {0.04, 0.06, 0.9}) {
    settings.mass = bound;
    EXPECT_EQ(LabelsThatCount(settings, {CrfUnary::Kind::kEnergy, energy, 4}, {}),
              LabelsThatCount(settings, {CrfUnary::Kind::kProbability, probability, 4}, {}))
        << bound;
  }
}

TEST_F(CrfStepTest, MasksBecomeUnaries) {
  AddImage("one", "", 3);
  AddImage("grey", "", 3);
  const ImageU8 mask = MadeImage(kHeight, kWidth, [](int y, int x) {
    if (x == 3 || x == 9) return 255;
    return x < 7 + y % 3 ? 4 : 0;
  });
  folder_.Mask("masks/one.png", mask);
  folder_.Grey("masks/grey.png", mask);
  UseMasks();
  options_.certainty = 0.6;
  options_.marginals = true;
  for (const int label_count : {0, 7}) {
    options_.label_count = label_count;
    const int labels = label_count == 0 ? 21 : label_count;
    Run();
    // 255 is 0, which means unsure to pydensecrf's helper; the rest moves up.
    std::vector<int32_t> moved;
    for (const uint8_t value : mask.values()) moved.push_back(value == 255 ? 0 : value + 1);
    const Expected expected = Deeplab(
        [&](crf::DenseCrf& problem) { problem.SetUnary(crf::UnaryFromLabels(moved, labels, 0.6)); },
        labels, Photograph());
    ExpectMask(Mask("one"), expected.labels);
    EXPECT_EQ(Mask("grey"), Mask("one"));
    EXPECT_EQ(Marginals("one").size(), static_cast<size_t>(labels) * kPixels);
    // What was unsure took its neighbours' label.
    EXPECT_EQ(Mask("one").at(5, 3), 4);
  }
}

TEST_F(CrfStepTest, UnsurePixelsAreAllLabelsAlike) {
  AddImage("one", "", 3);
  folder_.Mask("masks/one.png", ImageU8(kHeight, kWidth, 1, 255));
  UseMasks();
  options_.label_count = 4;
  options_.marginals = true;
  options_.crf.iterations = 0;
  Run();
  for (const float marginal : Marginals("one")) ASSERT_NEAR(marginal, 0.25, 1e-3);
}

TEST_F(CrfStepTest, MasksWithTagsAndMass) {
  AddImage("one", "3", 3);
  folder_.Mask("masks/one.png",
               MadeImage(kHeight, kWidth, [](int, int x) { return x < 8 ? 4 : 2; }));
  UseMasks();
  options_.crf.labels = "tags";
  Run();
  const ImageU8 mask = Mask("one");
  for (const uint8_t value : mask.values()) ASSERT_TRUE(value == 0 || value == 4);
  // Of 21 labels, those that are not there have 0.3 / 20.
  options_.crf.labels = "mass:0.1";
  options_.marginals = true;
  Run();
  const std::vector<float> marginals = Marginals("one");
  for (size_t i = 0; i < marginals.size(); ++i) {
    const size_t label = i / kPixels;
    if (label != 2 && label != 4) {
      ASSERT_EQ(marginals[i], 0) << i;
    }
  }
}

TEST_F(CrfStepTest, MoreLabelsThanEightBits) {
  WriteRgbPng(options_.images / "many.png", Photograph());
  WriteRgbPng(options_.images / "just.png", Photograph());
  for (const auto& [id, labels, winner] :
       {std::tuple{"many", 300, 299}, std::tuple{"just", 256, 255}}) {
    std::vector<float> values(static_cast<size_t>(labels) * kPixels, 0.0F);
    for (size_t p = 0; p < kPixels; ++p)
      values[(p % kWidth < 8 ? static_cast<size_t>(winner) : 1) * kPixels + p] = 1;
    Store(id, Tensor::FromF32({labels, kHeight, kWidth}, values));
    List(id);
  }
  Run();
  EXPECT_TRUE(ReadImageHeader(options_.out / "just.png").palette);
  EXPECT_EQ(Mask("just").at(4, 2), 255);
  EXPECT_EQ(Mask("just").at(4, kWidth - 2), 1);
  const ImageHeader header = ReadImageHeader(options_.out / "many.png");
  EXPECT_FALSE(header.palette);
  EXPECT_EQ(header.channels, 1);
  EXPECT_THAT(ErrorOf([&] { Mask("many"); }, folder_), HasSubstr("16-bit grey"));
  EXPECT_EQ(ReadGrey(options_.out / "many.png").at(4, 2), 299 >> 8);
  EXPECT_EQ(ReadGrey(options_.out / "many.png").at(4, kWidth - 2), 0);
}

TEST_F(CrfStepTest, TheNumberOfThreadsDecidesNothing) {
  for (int i = 0; i < 9; ++i) {
    AddImage("image_" + std::to_string(i), "1", 3 + i % 3, i);
  }
  Store("image_4", Tensor::FromF32({3, kHeight, kWidth}, std::vector<float>(3 * kPixels, -1.0F)));
  options_.items.on_error = "skip";
  options_.marginals = true;
  std::map<std::string, std::string> files;
  std::string lines;
  for (const int threads : {1, 2, 5, 40}) {
    options_.items.threads = threads;
    options_.out = folder_ / ("made/" + std::to_string(threads));
    LoggedContext context;
    EXPECT_EQ(PrepareCrf(options_, context).Run(context).images, 8);
    EXPECT_EQ(context.left_out(), 1);
    if (threads == 1) {
      files = folder_.Files("made/1");
      lines = context.lines();
    }
    EXPECT_EQ(folder_.Files("made/" + std::to_string(threads)), files) << threads;
    EXPECT_EQ(context.lines(), lines);
  }
  EXPECT_EQ(files.size(), 16u);
}

// An image of two that is too large for the memory that there is.
TEST_F(CrfStepTest, ALackOfMemoryNamesTheImageOrLeavesItOut) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  constexpr int kSide = 1200;
  WriteRgbPng(options_.images / "large.png", Photograph(kSide, kSide));
  Store("large",
        Tensor::FromF32({2, kSide, kSide}, std::vector<float>(size_t{2} * kSide * kSide, 0.5F)));
  List("large");
  AddImage("small", "", 2);
  for (const int threads : {1, 2}) {
    options_.items.threads = threads;
    options_.items.on_error = "stop";
    EXPECT_EXIT(testing::WorkWithin(48 << 20, 60, [&] { Run(); }), ::testing::ExitedWithCode(1),
                "large[a-z.]*: out of memory; end other programs or use fewer threads");
    std::filesystem::remove_all(options_.out);
    options_.items.on_error = "skip";
    const auto leaves_out = [&] {
      LoggedContext context;
      const CrfResult result = PrepareCrf(options_, context).Run(context);
      if (result.images != 1 || context.left_out() != 1) Fail("{} images", result.images);
      Fail("done: {}", context.lines());
    };
    EXPECT_EXIT(
        testing::WorkWithin(48 << 20, 60, leaves_out), ::testing::ExitedWithCode(1),
        "done: (warning fewer threads.*\n)?warning left out: .*large[a-z.]*: out of memory");
    EXPECT_EQ(folder_.Files("made/crf").size(), 1u);
    EXPECT_EQ(Mask("small").width(), kWidth);
    std::filesystem::remove_all(options_.out);
  }
}

}  // namespace
}  // namespace i2crc
