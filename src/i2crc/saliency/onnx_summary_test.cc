// SPDX-License-Identifier: Apache-2.0
#include "i2crc/saliency/onnx_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "i2crc/core/error.h"
#include "i2crc/saliency/made_onnx.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OnnxModel;
using testing::OnnxNode;
using testing::OnnxParts;
using testing::OnnxTensor;
using testing::OnnxValueInfo;
using testing::ProtoMessage;

OnnxSummary Summary(const std::string& bytes) {
  return ReadOnnxSummary({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "m.onnx");
}

std::string Refusal(const std::string& bytes) {
  try {
    Summary(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

OnnxParts Parts() {
  OnnxParts parts;
  parts.nodes = {OnnxNode("Relu", {"in"}, "out")};
  parts.inputs = {OnnxValueInfo("in", {1, 3, -1, 64})};
  parts.outputs = {OnnxValueInfo("out", {1, 3, 5, 64}), OnnxValueInfo("second", {})};
  return parts;
}

TEST(OnnxSummary, InputsAndOutputs) {
  const OnnxSummary summary = Summary(OnnxModel(Parts()));
  ASSERT_EQ(summary.inputs.size(), 1u);
  EXPECT_EQ(summary.inputs[0].name, "in");
  EXPECT_EQ(summary.inputs[0].element_type, kOnnxFloat);
  EXPECT_THAT(summary.inputs[0].shape, ElementsAre(1, 3, -1, 64));
  ASSERT_EQ(summary.outputs.size(), 2u);
  EXPECT_EQ(summary.outputs[0].name, "out");
  EXPECT_THAT(summary.outputs[0].shape, ElementsAre(1, 3, 5, 64));
  EXPECT_THAT(summary.outputs[1].shape, ElementsAre());
}

TEST(OnnxSummary, StoredWeightsAreNoInputs) {
  OnnxParts parts = Parts();
  parts.inputs.insert(parts.inputs.begin(), OnnxValueInfo("weight", {2}));
  parts.initializers = {OnnxTensor("weight", {2}, {1, 2})};
  const OnnxSummary summary = Summary(OnnxModel(parts));
  ASSERT_EQ(summary.inputs.size(), 1u);
  EXPECT_EQ(summary.inputs[0].name, "in");
}

TEST(OnnxSummary, OnnxShapeText) {
  EXPECT_EQ(OnnxShapeText(std::vector<int64_t>{1, 3, -1}), "[1, 3, ?]");
  EXPECT_EQ(OnnxShapeText({}), "[]");
}

TEST(OnnxSummary, OtherFilesAreRefused) {
  EXPECT_EQ(Refusal(""), "m.onnx: the file is empty");
  EXPECT_EQ(Refusal("#!/bin/sh\necho this is no network\n"), "m.onnx: not an ONNX file");
  EXPECT_EQ(Refusal("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "m.onnx: not an ONNX file");
  EXPECT_EQ(Refusal(std::string(1000, '\0')), "m.onnx: not an ONNX file");
  EXPECT_EQ(Refusal(std::string(1000, '\xff')), "m.onnx: not an ONNX file");
}

TEST(OnnxSummary, EveryPrefixIsRefused) {
  OnnxParts parts = Parts();
  parts.initializers = {OnnxTensor("weight", {40}, std::vector<float>(40, 1))};
  const std::string whole = OnnxModel(parts);
  const size_t network_ends =
      whole.size() -
      ProtoMessage().Bytes(8, ProtoMessage().Bytes(1, "").Number(2, 11).bytes()).bytes().size();
  for (size_t size = 2; size < network_ends; ++size)
    EXPECT_THAT(Refusal(whole.substr(0, size)), AnyOf("m.onnx: ONNX file is cut short or damaged",
                                                      "m.onnx: ONNX file without a network"))
        << size << " bytes";
}

TEST(OnnxSummary, ChangedBytesNeverDoMoreThanFail) {
  OnnxParts parts = Parts();
  parts.initializers = {OnnxTensor("weight", {4}, std::vector<float>(4, 1))};
  const std::string whole = OnnxModel(parts);
  for (size_t at = 0; at < whole.size(); ++at)
    for (const int bit : {0, 1, 2, 3, 4, 5, 6, 7}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      Refusal(changed);  // another exception would end the test
    }
}

TEST(OnnxSummary, TensorsHaveAsManyValuesAsTheirShapeSays) {
  const auto refusal = [](const std::string& tensor) {
    OnnxParts parts = Parts();
    parts.initializers = {tensor};
    return Refusal(OnnxModel(parts));
  };
  EXPECT_EQ(refusal(OnnxTensor("w", {2, 3}, std::vector<float>(6))), "no error");
  EXPECT_EQ(refusal(OnnxTensor("w", {}, {1})), "no error");
  EXPECT_EQ(refusal(OnnxTensor("w", {2, 3}, std::vector<float>(5))),
            "m.onnx: tensor 'w' of shape [2, 3] has too few or too many values: damaged ONNX file");
  EXPECT_THAT(refusal(OnnxTensor("w", {int64_t{1} << 32, int64_t{1} << 32}, {})),
              HasSubstr("too few or too many"));
  EXPECT_THAT(refusal(OnnxTensor("w", {-2, -3}, std::vector<float>(6))),
              HasSubstr("too few or too many"));
  // Values outside of raw_data: packed floats, single int64.
  const std::string twelve_bytes(12, '\0');
  EXPECT_EQ(
      refusal(
          ProtoMessage().Number(1, 3).Number(2, 1).Bytes(4, twelve_bytes).Bytes(8, "w").bytes()),
      "no error");
  EXPECT_THAT(refusal(ProtoMessage().Number(1, 4).Number(2, 1).Bytes(4, twelve_bytes).bytes()),
              HasSubstr("a stored tensor of shape [4]"));
  EXPECT_EQ(refusal(ProtoMessage().Number(1, 2).Number(2, 7).Number(7, 5).Number(7, 6).bytes()),
            "no error");
  EXPECT_THAT(refusal(ProtoMessage().Number(1, 2).Number(2, 7).Number(7, 5).bytes()),
              HasSubstr("too few or too many"));
}

TEST(OnnxSummary, TensorsOfNodesAreCheckedToo) {
  OnnxParts parts = Parts();
  const std::string bad = OnnxTensor("t", {9}, {1, 2});
  parts.nodes.push_back(
      OnnxNode("Constant", {}, "c", {ProtoMessage().Bytes(1, "value").Bytes(5, bad).bytes()}));
  EXPECT_THAT(Refusal(OnnxModel(parts)), HasSubstr("tensor 't' of shape [9]"));
}

TEST(OnnxSummary, WeightsInOtherFilesAreRefused) {
  OnnxParts parts = Parts();
  parts.initializers = {
      ProtoMessage().Number(1, 3).Number(2, 1).Bytes(8, "conv.weight").Number(14, 1).bytes()};
  EXPECT_EQ(Refusal(OnnxModel(parts)),
            "m.onnx: tensor 'conv.weight' stands in another file; save the network as one file");
}

TEST(OnnxSummary, NestingHasAnEnd) {
  std::string graph;
  for (int i = 0; i < 100; ++i) {
    const std::string attribute = ProtoMessage().Bytes(1, "body").Bytes(6, graph).bytes();
    graph = ProtoMessage().Bytes(1, ProtoMessage().Bytes(5, attribute).bytes()).bytes();
  }
  EXPECT_EQ(Refusal(ProtoMessage().Number(1, 6).Bytes(7, graph).bytes()),
            "m.onnx: damaged ONNX file");
}

TEST(OnnxSummary, NoInputOrNoOutput) {
  OnnxParts parts = Parts();
  parts.inputs.clear();
  EXPECT_EQ(Refusal(OnnxModel(parts)), "m.onnx: the network has no input");
  parts = Parts();
  parts.outputs.clear();
  EXPECT_EQ(Refusal(OnnxModel(parts)), "m.onnx: the network has no output");
}

TEST(OnnxSummary, RealDetector) {
  I2CRC_NEEDS_SHARED("weights/u2netp.onnx");
  const OnnxSummary summary =
      Summary(testing::ReadBytes(testing::SharedPath("weights/u2netp.onnx")));
  ASSERT_EQ(summary.inputs.size(), 1u);
  EXPECT_THAT(summary.inputs[0].shape, ElementsAre(1, 3, 320, 320));
  EXPECT_EQ(summary.outputs.size(), 7u);
}

}  // namespace
}  // namespace i2crc
