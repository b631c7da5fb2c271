// SPDX-License-Identifier: Apache-2.0
// OpenCV reads of a checked file what the check read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>

#include "i2crc/core/error.h"
#include "i2crc/saliency/detector.h"
#include "i2crc/saliency/made_onnx.h"
#include "i2crc/saliency/onnx_summary.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using testing::DetectorWithWeight;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OnnxInts;
using testing::OnnxModel;
using testing::OnnxNode;
using testing::OnnxParts;
using testing::OnnxTensor;
using testing::OnnxValueInfo;
using testing::ProtoMessage;
using testing::RawValues;

cv::dnn::Net Load(const CheckedOnnx& checked) {
  const std::string model = checked.Model();
  return cv::dnn::readNetFromONNX(model.data(), model.size());
}

// What OpenCV has of the weights of a network's one Conv.
std::vector<float> Weights(const cv::dnn::Net& net) {
  const cv::Mat weights = net.getParam(net.getLayerId(net.getLayerNames()[0]), 0);
  EXPECT_EQ(weights.type(), CV_32F);
  return {weights.begin<float>(), weights.end<float>()};
}

// --- Values in every form that they can be stored in ---

ProtoMessage Tensor(const std::vector<uint64_t>& dims, uint64_t type) {
  ProtoMessage tensor;
  for (const uint64_t side : dims) tensor.Number(1, side);
  return tensor.Number(2, type).Bytes(8, "weight");
}

TEST(OnnxInOpenCv, WeightsAreTheFiles) {
  const std::vector<float> weights = {0.5, -2, 8};
  const std::string floats = RawValues(weights);
  const std::string doubles = RawValues(std::vector<double>{0.5, -2, 8});
  const std::string halves = RawValues(std::vector<uint16_t>{0x3800, 0xC000, 0x4800});
  const auto tensor = [](uint64_t type) { return Tensor({1, 3, 1, 1}, type); };
  const std::vector<std::pair<const char*, ProtoMessage>> forms = {
      {"raw floats", tensor(1).Bytes(9, floats)},
      {"packed floats", tensor(1).Bytes(4, floats)},
      {"single floats", tensor(1).Float(4, 0.5).Float(4, -2).Float(4, 8)},
      {"packed floats in parts",
       tensor(1).Bytes(4, floats.substr(0, 4)).Bytes(4, floats.substr(4))},
      {"raw floats given twice", tensor(1).Bytes(9, "other").Bytes(9, floats)},
      {"a type given twice", tensor(7).Number(2, 1).Bytes(9, floats)},
      {"a type beyond 32 bits", tensor((uint64_t{1} << 32) + 1).Bytes(9, floats)},
      {"packed doubles", tensor(11).Bytes(10, doubles)},
  };
  for (const auto& [form, message] : forms) {
    const CheckedOnnx checked(DetectorWithWeight(message.bytes()), "m.onnx");
    EXPECT_EQ(Weights(Load(checked)), weights) << form;
  }
  // These OpenCV 4.6 refuses, later ones read.
  const std::vector<std::pair<const char*, ProtoMessage>> later_forms = {
      {"raw doubles", tensor(11).Bytes(9, doubles)},
      {"raw halves", tensor(10).Bytes(9, halves)},
      {"halves as numbers", tensor(10).Number(5, 0x3800).Number(5, 0xC000).Number(5, 0x4800)},
  };
  for (const auto& [form, message] : later_forms) {
    const CheckedOnnx checked(DetectorWithWeight(message.bytes()), "m.onnx");
    try {
      EXPECT_EQ(Weights(Load(checked)), weights) << form;
    } catch (const cv::Exception&) {
    }
  }
}

TEST(OnnxInOpenCv, IntegersAreTheFiles) {
  const std::vector<int64_t> shape = {1, 1, 4, 16};
  const std::vector<std::pair<const char*, ProtoMessage>> forms = {
      {"raw int64", Tensor({4}, 7).Bytes(9, RawValues(shape))},
      {"packed int64", Tensor({4}, 7).Bytes(7, {"\1\1\4\20"})},
      {"single int64", Tensor({4}, 7).Number(7, 1).Number(7, 1).Number(7, 4).Number(7, 16)},
      {"raw int32", Tensor({4}, 6).Bytes(9, RawValues(std::vector<int32_t>{1, 1, 4, 16}))},
      {"packed int32", Tensor({4}, 6).Bytes(5, {"\1\1\4\20"})},
  };
  for (const auto& [form, message] : forms) {
    OnnxParts parts;
    parts.nodes = {OnnxNode("Reshape", {"image", "weight"}, "map")};
    parts.initializers = {message.bytes()};
    parts.inputs = {OnnxValueInfo("image", {1, 1, 8, 8})};
    parts.outputs = {OnnxValueInfo("map", {1, 1, 4, 16})};
    cv::dnn::Net net = Load(CheckedOnnx(OnnxModel(parts), "m.onnx"));
    net.setInput(cv::Mat(std::vector<int>{1, 1, 8, 8}, CV_32F, cv::Scalar(1)));
    const cv::Mat map = net.forward("map");
    EXPECT_THAT(std::vector<int>(map.size.p, map.size.p + map.dims), ElementsAre(1, 1, 4, 16))
        << form;
  }
}

TEST(OnnxInOpenCv, InputAndOutputAreThoseOfTheSummary) {
  OnnxParts parts;
  parts.nodes = {OnnxNode("Conv", {"image", "weight"}, "map", {OnnxInts("kernel_shape", {1, 1})}),
                 OnnxNode("Sigmoid", {"map"}, "second")};
  parts.initializers = {OnnxTensor("weight", {1, 3, 1, 1}, {1, 0, 0})};
  parts.inputs = {OnnxValueInfo("weight", {1, 3, 1, 1}), OnnxValueInfo("image", {1, 3, 4, 6})};
  parts.outputs = {OnnxValueInfo("second", {1, 1, 4, 6}), OnnxValueInfo("map", {1, 1, 4, 6})};
  const CheckedOnnx checked(OnnxModel(parts), "m.onnx");
  cv::dnn::Net net = Load(checked);
  ASSERT_EQ(checked.summary().inputs.size(), 1u);
  const OnnxValue& input = checked.summary().inputs[0];
  EXPECT_EQ(net.getLayer(0)->outputNameToIndex(input.name), 0);
  net.setInput(
      cv::Mat(std::vector<int>(input.shape.begin(), input.shape.end()), CV_32F, cv::Scalar(0)),
      input.name);
  for (const OnnxValue& output : checked.summary().outputs) {
    const cv::Mat map = net.forward(output.name);
    EXPECT_EQ(std::vector<int64_t>(map.size.p, map.size.p + map.dims), output.shape);
    EXPECT_EQ(map.at<float>(0), output.name == "map" ? 0.0F : 0.5F) << output.name;
  }
}

// --- Files that are not what they seem ---

std::string Refusal(const std::string& bytes) {
  try {
    SaliencyDetector({.model = "m.onnx"}, bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(OnnxInOpenCv, NoMoreWeightsThanTheFileHas) {
  const std::string one = RawValues(std::vector<float>{1});
  EXPECT_THAT(Refusal(DetectorWithWeight(
                  Tensor({1, 3, 1001, 1001}, (uint64_t{1} << 32) + 1).Bytes(9, one).bytes())),
              HasSubstr("too few or too many"));
  EXPECT_THAT(Refusal(DetectorWithWeight(Tensor({1, 3, 1, 1}, 1).Bytes(5, "\1\1\1").bytes())),
              HasSubstr("fields of several types"));
  EXPECT_THAT(Refusal(DetectorWithWeight(Tensor({1, 3, 1, 1}, 3).Bytes(9, "abc").bytes())),
              HasSubstr("8-bit values"));
}

TEST(OnnxInOpenCv, FilesThatClaimMoreThanTheyHold) {
  I2CRC_NEEDS_SHARED("cases/30-onnx-guard/c.onnx");
  const auto refusal = [](const std::string& name) {
    return Refusal(testing::ReadBytes(testing::SharedPath("cases/30-onnx-guard/" + name)));
  };
  EXPECT_THAT(refusal("a_small.onnx"), HasSubstr("fields of several types"));
  EXPECT_THAT(refusal("c.onnx"), HasSubstr("too few or too many"));
  EXPECT_THAT(refusal("e.onnx"), HasSubstr("too few or too many"));
  EXPECT_EQ(refusal("good.onnx"), "no error");
}

// Every file one bit away from a good one is refused, or a detector whose weights are its own.
TEST(OnnxInOpenCv, ChangedBitsNeverDoMoreThanFail) {
  const std::string whole = DetectorWithWeight(OnnxTensor("weight", {1, 3, 1, 1}, {1, 2, 3}));
  size_t taken = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    if (Refusal(changed) != "no error") continue;  // another exception would end the test
    ++taken;
    CheckedOnnx checked(changed, "m.onnx");
    checked.SetInputShape(std::vector<int64_t>{1, 3, 8, 8});
    EXPECT_EQ(Weights(Load(checked)).size(), 3u) << "bit " << bit;
  }
  EXPECT_GT(taken, 0u);
  EXPECT_LT(taken, 8 * whole.size());
}

}  // namespace
}  // namespace i2crc
