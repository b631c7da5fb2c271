// SPDX-License-Identifier: Apache-2.0
// What the CRF's step says of input that is not what it should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "i2crc/steps/crf_inference.h"
#include "i2crc/steps/made_crf_folder.h"

namespace i2crc {
namespace {

using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::kHeight;
using testing::kPixels;
using testing::kWidth;
using testing::LoggedContext;
using testing::MadeImage;
using testing::Probability;

class CrfStepInputTest : public testing::CrfStepTest {};

TEST_F(CrfStepInputTest, RefusesWhatIsMissing) {
  AddImage("a", "", 3);
  std::filesystem::remove(options_.probabilities / "a.safetensors");
  EXPECT_EQ(RefusalOf(), "probabilities/a.safetensors: file of probabilities is missing");
  std::filesystem::remove(options_.images / "a.png");
  EXPECT_THAT(RefusalOf(), HasSubstr("images/a: no "));
  options_.probabilities = folder_ / "nowhere";
  EXPECT_EQ(RefusalOf(), "--probabilities nowhere: no such folder");
  options_.images = folder_ / "nowhere";
  EXPECT_EQ(RefusalOf(), "--images nowhere: no such folder");
}

TEST_F(CrfStepInputTest, RefusesOtherTensors) {
  AddImage("a", "", 3);
  const std::string file = "probabilities/a.safetensors: ";
  const std::vector<float> values = Probability(3);
  Store("a", Tensor::FromF32({3, kHeight, kWidth}, values), "scores");
  EXPECT_EQ(RefusalOf(), file + "there is no tensor 'probability' in it");
  Store("a", Tensor::FromF32({1, 3, kHeight, kWidth}, values));
  EXPECT_EQ(RefusalOf(),
            file + "'probability' is of shape [1, 3, 11, 17], must be [labels, height, width]");
  Store("a", Tensor::FromF32({0, kHeight, kWidth}, {}));
  EXPECT_EQ(RefusalOf(),
            file + "'probability' is of shape [0, 11, 17], must be [labels, height, width]");
  Store("a", Tensor::FromU8({1, kHeight, kWidth}, std::vector<uint8_t>(kPixels, 1)));
  EXPECT_EQ(RefusalOf(), file + "'probability' is U8, must be F32 or F16");
  Store("a", Tensor::FromF32({3, kWidth, kHeight}, values));
  EXPECT_EQ(RefusalOf(), file +
                             "'probability' of shape [3, 17, 11] is for 11x17 pixels, its "
                             "photograph images/a.png is 17x11");
  folder_.Text("probabilities/a.safetensors", "no tensors");
  EXPECT_THAT(RefusalOf(), HasSubstr(file));
}

TEST_F(CrfStepInputTest, ProbabilitiesThatAreNoneNameTheFileAndThePlace) {
  AddImage("a", "", 3);
  const auto message_with = [&](float value) {
    std::vector<float> values = Probability(3);
    values[2 * kPixels + 4 * kWidth + 7] = value;
    Store("a", Tensor::FromF32({3, kHeight, kWidth}, values));
    return FailureOf();
  };
  const std::string file = "probabilities/a.safetensors: ";
  const std::string place = file + "the probability of label 2 at column 7, row 4 is ";
  EXPECT_EQ(message_with(std::numeric_limits<float>::quiet_NaN()), place + "nan");
  EXPECT_EQ(message_with(std::numeric_limits<float>::infinity()), place + "inf");
  EXPECT_EQ(message_with(-0.25F), place + "-0.25");
  EXPECT_EQ(message_with(3.1F),
            file + "the probabilities at column 7, row 4 sum to 4, must be near 1");
  std::vector<float> rounded = Probability(3);
  for (float& value : rounded) value *= 1.02F;
  Store("a", Tensor::F16FromF32({3, kHeight, kWidth}, rounded));
  EXPECT_EQ(Run().images, 1);
}

TEST_F(CrfStepInputTest, TruncatedFilesAreErrors) {
  AddImage("a", "", 3);
  const std::string whole = testing::ReadBytes(options_.probabilities / "a.safetensors");
  folder_.Text("probabilities/a.safetensors", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(RefusalOf(), HasSubstr("probabilities/a.safetensors: "));
}

TEST_F(CrfStepInputTest, ExactlyOneSource) {
  AddImage("a", "", 3);
  options_.labels = folder_ / "images";
  EXPECT_EQ(RefusalOf(), "one of --probabilities and --labels is needed, not both");
  options_.labels.clear();
  options_.probabilities.clear();
  EXPECT_EQ(RefusalOf(), "one of --probabilities and --labels is needed, neither is given");
}

TEST_F(CrfStepInputTest, WhatGoesWithMasksAlone) {
  AddImage("a", "", 3);
  options_.label_count = 3;
  EXPECT_THAT(RefusalOf(), HasSubstr("--label-count: "));
  options_.label_count = 0;
  options_.certainty = 0.5;
  EXPECT_THAT(RefusalOf(), HasSubstr("--certainty: "));
  folder_.Mask("masks/a.png", ImageU8(kHeight, kWidth, 1));
  UseMasks();
  options_.label_count = 1;
  EXPECT_EQ(RefusalOf(), "--label-count: 1 is out of range (at least 2, or 0)");
  options_.label_count = 0;
  options_.certainty = 1;
  EXPECT_EQ(RefusalOf(), "--certainty: 1 is out of range (below 1)");
}

TEST_F(CrfStepInputTest, RefusesMasksThatDoNotFit) {
  AddImage("a", "", 3);
  UseMasks();
  MakeFolder(options_.labels);
  EXPECT_EQ(RefusalOf(), "masks/a.png: mask is missing");
  folder_.Mask("masks/a.png", ImageU8(kHeight + 1, kWidth, 1));
  EXPECT_EQ(RefusalOf(), "masks/a.png: mask is 17x12, its photograph images/a.png is 17x11");
  WriteRgbPng(folder_ / "masks/a.png", ImageU8(kHeight, kWidth, 3));
  EXPECT_THAT(RefusalOf(), HasSubstr("masks/a.png: mask has 3 channels"));
  ImageU8 wrong(kHeight, kWidth, 1);
  wrong.at(2, 5) = 21;
  folder_.Mask("masks/a.png", wrong);
  EXPECT_THAT(FailureOf(), HasSubstr("masks/a.png: mask has the value 21 at column 5, row 2"));
}

TEST_F(CrfStepInputTest, WarnsOfMasksThatSayNothing) {
  AddImage("a", "cat", 3);
  AddImage("b", "", 3);
  UseMasks();
  const auto lines = [&] {
    LoggedContext context;
    PrepareCrf(options_, context).Run(context);
    return context.lines();
  };
  const ImageU8 object = MadeImage(kHeight, kWidth, [](int, int x) { return x < 8 ? 255 : 0; });
  for (const char* name : {"masks/a.png", "masks/b.png"}) folder_.Mask(name, object);
  EXPECT_EQ(lines(), "warning " + options_.labels.string() +
                         ": none of 2 masks has a pixel of a class, they hold 0 (background) and "
                         "255 (ignored) only; the value of an object is its class index + 1, of "
                         "'aeroplane' 1\n");
  folder_.Mask("masks/b.png", ImageU8(kHeight, kWidth, 1, 4));
  EXPECT_EQ(lines(), "warning " + options_.labels.string() +
                         ": no pixel of any mask is of a class that images are tagged with: "
                         "'cat'\n");
  // Labels of something else than classes.
  options_.label_count = 5;
  EXPECT_EQ(lines(), "");
}

TEST_F(CrfStepInputTest, TagsMustBeThereAndHaveALabel) {
  AddImage("a", "", 5);
  options_.crf.labels = "tags";
  EXPECT_EQ(RefusalOf(), "list.txt: no image has a tag, and --crf-labels tags goes by them");
  AddImage("b", "1 4", 5);
  EXPECT_EQ(RefusalOf(),
            "probabilities/b.safetensors: 5 labels, but list.txt gives b the tag 4, whose label is "
            "5");
}

TEST_F(CrfStepInputTest, ClassesThatAreGivenMustFit) {
  AddImage("a", "", 5);
  folder_.Text("classes.txt", "cat\ndog\n");
  options_.classes = folder_ / "classes.txt";
  EXPECT_EQ(RefusalOf(),
            "probabilities/a.safetensors: 'probability' has 5 labels, but background and the "
            "classes of classes.txt are 3");
  folder_.Text("classes.txt", "cat\ndog\ncow\nsheep\n");
  folder_.Text("list.txt", "a cow\n");
  options_.crf.labels = "tags";
  Run();
  const ImageU8 mask = Mask("a");
  for (const uint8_t value : mask.values()) ASSERT_TRUE(value == 0 || value == 3);
}

TEST_F(CrfStepInputTest, RefusesToOverwriteItsInputs) {
  AddImage("a", "", 3);
  options_.out = options_.probabilities;
  EXPECT_THAT(RefusalOf(), HasSubstr("is the folder of --probabilities too"));
  options_.out = options_.images;
  EXPECT_THAT(RefusalOf(), HasSubstr("is the folder of --images too"));
}

TEST_F(CrfStepInputTest, BadOptionsAreFoundBeforeWork) {
  AddImage("a", "", 3);
  options_.crf.labels = "some";
  EXPECT_THAT(RefusalOf(), HasSubstr("--crf-labels: 'some' is none of"));
}

TEST_F(CrfStepInputTest, ImagesTooLargeForTheCrf) {
  const auto message = [&](int labels, int height, int width) {
    return ErrorOf([&] { CheckCrfSize(labels, height, width, "a"); }, folder_);
  };
  EXPECT_EQ(message(16, 8192, 16384 - 1), "no error");
  EXPECT_THAT(message(16, 8192, 16384),
              HasSubstr("a: 16 labels of 16384x8192 pixels are too many"));
  EXPECT_THAT(message(2, 65500, 65500), HasSubstr("a: 2 labels of 65500x65500 pixels"));
  EXPECT_THAT(message(65537, 1, 1), HasSubstr("a: 65537 labels"));
}

}  // namespace
}  // namespace i2crc
