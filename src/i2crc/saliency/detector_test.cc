// SPDX-License-Identifier: Apache-2.0
#include "i2crc/saliency/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <opencv2/core/version.hpp>

#include "i2crc/core/error.h"
#include "i2crc/image/image_file.h"
#include "i2crc/saliency/made_onnx.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using testing::OnnxInts;
using testing::OnnxModel;
using testing::OnnxNode;
using testing::OnnxParts;
using testing::OnnxTensor;
using testing::OnnxValueInfo;
using testing::RedDetector;
using ::testing::StartsWith;
using testing::TempDir;

const DetectorPreset& U2Net() { return FindDetectorPreset("u2net"); }

// --- Input ---

TEST(DetectorInput, U2NetDividesByThePhotographsOwnMaximum) {
  ImageU8 rgb(4, 4, 3);
  for (size_t i = 0; i < rgb.size(); i += 3) {
    rgb.values()[i] = 100;
    rgb.values()[i + 1] = 50;
  }
  const std::vector<float> input = DetectorInput(rgb, 2, 3, U2Net());
  ASSERT_EQ(input.size(), 18u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_FLOAT_EQ(input[i], (1.0f - 0.485f) / 0.229f);
    EXPECT_FLOAT_EQ(input[6 + i], (0.5f - 0.456f) / 0.224f);
    EXPECT_FLOAT_EQ(input[12 + i], (0.0f - 0.406f) / 0.225f);
  }
}

TEST(DetectorInput, PlainDividesBy255) {
  const std::vector<float> input =
      DetectorInput(ImageU8(4, 4, 3, 51), 1, 1, FindDetectorPreset("plain"));
  EXPECT_FLOAT_EQ(input[0], (0.2f - 0.485f) / 0.229f);
  EXPECT_FLOAT_EQ(input[2], (0.2f - 0.406f) / 0.225f);
}

TEST(DetectorInput, BlackPhotographStaysFinite) {
  const std::vector<float> input = DetectorInput(ImageU8(5, 7, 3, 0), 3, 3, U2Net());
  EXPECT_FLOAT_EQ(input[0], -0.485f / 0.229f);
}

TEST(DetectorInput, ResizedOn8BitWithoutAntialiasing) {
  // Shrunk to a third, bilinear without antialiasing sees the middle pixel of each three alone.
  ImageU8 rgb(3, 9, 3);
  for (const int x : {1, 4, 7}) rgb.at(1, x, 0) = static_cast<uint8_t>(30 * x);
  const std::vector<float> input = DetectorInput(rgb, 1, 3, FindDetectorPreset("plain"));
  for (size_t i = 0; i < 3; ++i) {
    const auto value = static_cast<float>(30 * (3 * i + 1));
    EXPECT_NEAR(input[i], (value / 255 - 0.485f) / 0.229f, 1e-5);
  }
  // Enlarged, what lies between two values is rounded to 8 bit: 0 0.25 0.75 1 become 0 0 1 1.
  rgb = ImageU8(1, 2, 3);
  rgb.at(0, 1, 0) = 1;
  const std::vector<float> large = DetectorInput(rgb, 1, 4, FindDetectorPreset("plain"));
  EXPECT_EQ(large[1], large[0]);
  EXPECT_EQ(large[2], large[3]);
  EXPECT_LT(large[1], large[2]);
}

TEST(DetectorInput, UnknownPreset) {
  try {
    FindDetectorPreset("unet");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no preset 'unet' of saliency detectors; there are u2net, plain");
  }
}

// --- Map ---

TEST(SaliencyFromOutput, StretchedToTheWholeRange) {
  const std::array<float, 4> output = {-2, 0, 1, 2};
  EXPECT_THAT(SaliencyFromOutput(output, 2, 2, 2, 2, "map").values(),
              ::testing::ElementsAre(0, 128, 191, 255));  // 127.5 to even, 191.25
}

TEST(SaliencyFromOutput, ResizedBeforeItIsRounded) {
  // 0 … 1 on two nodes; four pixels stand at 0, 0.25, 0.75, 1.
  const std::array<float, 2> output = {3, 5};
  EXPECT_THAT(SaliencyFromOutput(output, 1, 2, 1, 4, "map").values(),
              ::testing::ElementsAre(0, 64, 191, 255));
}

TEST(SaliencyFromOutput, ConstantOutputShowsNothing) {
  for (const float value : {0.0f, 1.0f, -7.5f}) {
    const std::vector<float> output(12, value);
    const ImageU8 map = SaliencyFromOutput(output, 3, 4, 6, 5, "map");
    EXPECT_EQ(map.height(), 6);
    EXPECT_EQ(map.width(), 5);
    EXPECT_THAT(map.values(), Each(0));
  }
}

TEST(SaliencyFromOutput, WholeFloatRange) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const std::array<float, 2> output = {-kMost, kMost};
  EXPECT_THAT(SaliencyFromOutput(output, 1, 2, 1, 2, "map").values(),
              ::testing::ElementsAre(0, 255));
}

TEST(SaliencyFromOutput, NotFinite) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const std::array<float, 2> output = {0, bad};
    EXPECT_THROW(SaliencyFromOutput(output, 1, 2, 1, 2, "map"), Error);
  }
}

// --- Detector ---

class DetectorTest : public ::testing::Test {
 protected:
  SaliencyDetector Load(const std::string& model, int input_size = 0,
                        const std::string& preset = "u2net") {
    testing::WriteBytes(folder_ / "m.onnx", model);
    return SaliencyDetector(
        {.model = folder_ / "m.onnx", .preset = preset, .input_size = input_size, .threads = 1});
  }

  // The message without the folder's name. Nothing may be printed beside it.
  std::string Refusal(const std::string& model, int input_size = 0,
                      const std::string& preset = "u2net") {
    ::testing::internal::CaptureStderr();
    std::string message = "no error";
    try {
      Load(model, input_size, preset);
    } catch (const Error& error) {
      message = error.what();
    }
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    const std::string root = (folder_ / "").string();
    if (message.starts_with(root)) message.erase(0, root.size());
    return message;
  }

  TempDir folder_;
};

TEST_F(DetectorTest, RunsANetwork) {
  SaliencyDetector detector = Load(RedDetector({1, 3, 2, 4}));
  EXPECT_EQ(detector.input_height(), 2);
  EXPECT_EQ(detector.input_width(), 4);
  ImageU8 rgb(2, 4, 3, 200);
  const std::array<uint8_t, 8> red = {10, 110, 60, 60, 60, 60, 60, 60};
  for (size_t i = 0; i < red.size(); ++i) rgb.values()[3 * i] = red[i];
  const ImageU8 map = detector.Detect(detector.Input(rgb), 2, 4, "photograph");
  EXPECT_THAT(map.values(), ::testing::ElementsAre(0, 255, 128, 128, 128, 128, 128, 128));
}

TEST_F(DetectorTest, MapHasThePhotographsSize) {
  SaliencyDetector detector = Load(RedDetector({1, 3, 8, 8}));
  const ImageU8 rgb(1, 700, 3, 9);
  const ImageU8 map = detector.Detect(detector.Input(rgb), 1, 700, "photograph");
  EXPECT_EQ(map.height(), 1);
  EXPECT_EQ(map.width(), 700);
  EXPECT_THAT(map.values(), Each(0));  // red is the same everywhere
}

TEST_F(DetectorTest, FirstOutputIsTheMap) {
  OnnxParts parts;
  // Computed last, but named first among the outputs.
  parts.nodes = {OnnxNode("Neg", {"image"}, "other"),
                 OnnxNode("Conv", {"other", "weight"}, "map", {OnnxInts("kernel_shape", {1, 1})})};
  parts.initializers = {OnnxTensor("weight", {1, 3, 1, 1}, {1, 0, 0})};
  parts.inputs = {OnnxValueInfo("image", {1, 3, 2, 2})};
  parts.outputs = {OnnxValueInfo("map", {1, 1, 2, 2}), OnnxValueInfo("other", {1, 3, 2, 2})};
  SaliencyDetector detector = Load(OnnxModel(parts));
  ImageU8 rgb(2, 2, 3);
  rgb.at(0, 0, 0) = 77;
  const ImageU8 map = detector.Detect(detector.Input(rgb), 2, 2, "photograph");
  EXPECT_THAT(map.values(), ::testing::ElementsAre(0, 255, 255, 255));

  std::swap(parts.outputs[0], parts.outputs[1]);
  EXPECT_EQ(Refusal(OnnxModel(parts)),
            "m.onnx: no saliency detector: its output 'other' is [1, 3, 2, 2], not a map "
            "[1, 1, rows, columns] of 32-bit floats");
}

TEST_F(DetectorTest, OpenSizeIsThePresetsOrAsGiven) {
  const std::string open = RedDetector({-1, 3, -1, -1});
  EXPECT_EQ(Load(open).input_height(), 320);
  EXPECT_EQ(Load(open, 48).input_width(), 48);
  EXPECT_EQ(Load(open, 48, "plain").input_width(), 48);
  EXPECT_EQ(Refusal(open, 0, "plain"),
            "m.onnx: the detector leaves its input's size open; give --input-size");
}

TEST_F(DetectorTest, FixedSizeIsKept) {
  EXPECT_EQ(Load(RedDetector({1, 3, 16, 16}), 16).input_width(), 16);
  EXPECT_EQ(
      Refusal(RedDetector({1, 3, 16, 24}), 16),
      "m.onnx: the detector takes 24x16 (width x height) alone; --input-size 16 does not fit");
}

TEST_F(DetectorTest, NotFiniteOutputIsAnError) {
  SaliencyDetector detector =
      Load(RedDetector({1, 3, 2, 2}, std::numeric_limits<float>::infinity()));
  try {
    detector.Detect(detector.Input(ImageU8(2, 2, 3, 1)), 2, 2, "a.jpg");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "a.jpg: the detector's output is not finite");
  }
}

TEST_F(DetectorTest, MissingFile) {
  try {
    SaliencyDetector({.model = "none.onnx"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "none.onnx: No such file or directory");
  }
}

TEST_F(DetectorTest, ClassifiersAreNoDetectors) {
  EXPECT_EQ(Refusal(testing::TinyClassifier(1000)),
            "m.onnx: no saliency detector: its output 'logits' is [1, 1000], not a map "
            "[1, 1, rows, columns] of 32-bit floats");
}

TEST_F(DetectorTest, InputsOfOtherKinds) {
  EXPECT_EQ(Refusal(RedDetector({1, 1, 8, 8})),
            "m.onnx: no saliency detector: its input 'image' is [1, 1, 8, 8], not a photograph "
            "[1, 3, height, width] of 32-bit floats");
  EXPECT_THAT(Refusal(RedDetector({1, 8, 8, 3})), HasSubstr("is [1, 8, 8, 3], not a photograph"));
  EXPECT_THAT(Refusal(RedDetector({1, 77})), HasSubstr("is [1, 77], not a photograph"));
  EXPECT_THAT(Refusal(RedDetector({})), HasSubstr("is of no stated shape, not a photograph"));
  EXPECT_THAT(Refusal(RedDetector({4, 3, 8, 8})), HasSubstr("is [4, 3, 8, 8], not a photograph"));
  EXPECT_THAT(Refusal(RedDetector({1, 3, 100000, 8})), HasSubstr("not a photograph"));
  OnnxParts parts;
  parts.nodes = {OnnxNode("Add", {"a", "b"}, "map")};
  parts.inputs = {OnnxValueInfo("a", {1, 3, 8, 8}), OnnxValueInfo("b", {1, 3, 8, 8})};
  parts.outputs = {OnnxValueInfo("map", {1, 3, 8, 8})};
  EXPECT_EQ(Refusal(OnnxModel(parts)),
            "m.onnx: no saliency detector: it has 2 inputs ('a', 'b'), not one photograph");
  parts.nodes = {OnnxNode("Relu", {"a"}, "map")};
  parts.inputs = {OnnxValueInfo("a", {1, 3, 8, 8}, 7)};
  EXPECT_THAT(Refusal(OnnxModel(parts)), HasSubstr("'a' is [1, 3, 8, 8] of ONNX type 7"));
}

TEST_F(DetectorTest, NetworksThatOpenCvCannotRun) {
  OnnxParts parts;
  parts.nodes = {OnnxNode("Frobnicate", {"image"}, "map")};
  parts.inputs = {OnnxValueInfo("image", {1, 3, 8, 8})};
  parts.outputs = {OnnxValueInfo("map", {1, 1, 8, 8})};
  EXPECT_THAT(Refusal(OnnxModel(parts)), StartsWith("m.onnx: OpenCV cannot "));
  // An output that nobody makes.
  parts.nodes = {OnnxNode("Relu", {"image"}, "elsewhere")};
  EXPECT_THAT(Refusal(OnnxModel(parts)), StartsWith("m.onnx: OpenCV cannot "));
  // Weights for another number of channels.
  parts.nodes = {OnnxNode("Conv", {"image", "weight"}, "map", {OnnxInts("kernel_shape", {1, 1})})};
  parts.initializers = {OnnxTensor("weight", {1, 5, 1, 1}, {1, 2, 3, 4, 5})};
  EXPECT_THAT(Refusal(OnnxModel(parts)), StartsWith("m.onnx: OpenCV cannot "));
}

TEST_F(DetectorTest, DamagedFiles) {
  EXPECT_EQ(Refusal("certainly no network"), "m.onnx: not an ONNX file");
  const std::string whole = RedDetector({1, 3, 8, 8});
  EXPECT_EQ(Refusal(whole.substr(0, whole.size() / 2)),
            "m.onnx: ONNX file is cut short or damaged");
}

// --- Real photographs ---

struct Agreement {
  size_t pixels = 0, equal = 0;
  int largest = 0;

  void Add(const ImageU8& map, const ImageU8& reference) {
    ASSERT_TRUE(map.SameSize(reference));
    for (size_t i = 0; i < map.size(); ++i) {
      const int difference = std::abs(map.values()[i] - reference.values()[i]);
      ++pixels;
      equal += difference == 0 ? 1 : 0;
      largest = std::max(largest, difference);
    }
  }
};

TEST(DetectorOnPhotographs, MapsAreThoseOfTheReference) {
  I2CRC_NEEDS_SHARED("weights/u2netp.onnx");
  I2CRC_NEEDS_SHARED("data/voc-animals/Saliency");
  const auto folder = testing::SharedPath("data/voc-animals");
  SaliencyDetector detector({.model = testing::SharedPath("weights/u2netp.onnx"), .threads = 2});
  Agreement agreement;
  for (const std::string id :
       {"2007_000175", "2007_008222", "2008_005197", "2009_001535", "2010_000216", "2010_004226",
        "2007_000799", "2007_000528", "2008_005736", "2009_002112", "2010_001325", "2011_002867"}) {
    const ImageU8 rgb = ReadPhotograph(folder / "JPEGImages" / (id + ".jpg"));
    agreement.Add(detector.Detect(detector.Input(rgb), rgb.height(), rgb.width(), id),
                  ReadGrey(folder / "Saliency" / (id + ".png")));
  }
  // The reference ran OpenCV 4.6. The convolutions of 4.7 and later add up in another order:
  // outputs 1.3e-4 off, and 0.99976 of the pixels equal with 4.10.
  const double equal = CV_VERSION_MAJOR == 4 && CV_VERSION_MINOR < 7 ? 0.9999 : 0.9995;
  EXPECT_LE(agreement.largest, 1);
  EXPECT_GT(static_cast<double>(agreement.equal), equal * static_cast<double>(agreement.pixels));
}

}  // namespace
}  // namespace i2crc
