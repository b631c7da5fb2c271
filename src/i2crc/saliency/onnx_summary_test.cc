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
using testing::OnnxInt;
using testing::OnnxInts;
using testing::OnnxModel;
using testing::OnnxNode;
using testing::OnnxParts;
using testing::OnnxTensor;
using testing::OnnxTensorValue;
using testing::OnnxValueInfo;
using testing::ProtoMessage;

OnnxSummary Summary(const std::string& bytes) { return CheckedOnnx(bytes, "m.onnx").summary(); }

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

TEST(OnnxSummary, SetInputShape) {
  OnnxParts parts = Parts();
  parts.inputs.insert(parts.inputs.begin(), OnnxValueInfo("weight", {2}));
  parts.initializers = {OnnxTensor("weight", {2}, {1, 2})};
  CheckedOnnx checked(OnnxModel(parts), "m.onnx");
  checked.SetInputShape(std::vector<int64_t>{1, 3, 7, 64});
  EXPECT_THAT(checked.summary().inputs[0].shape, ElementsAre(1, 3, 7, 64));
  parts.inputs = {OnnxValueInfo("weight", {2}), OnnxValueInfo("in", {1, 3, 7, 64})};
  EXPECT_EQ(checked.Model(), CheckedOnnx(OnnxModel(parts), "m.onnx").Model());
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
  // A side that is 1 in the lower 32 bits.
  EXPECT_EQ(refusal(OnnxTensor("w", {(int64_t{1} << 32) + 1}, {1})),
            "m.onnx: tensor 'w' of shape [4294967297] has too few or too many values: damaged ONNX "
            "file");
}

// Each is what one reader takes for enough values and the other for too few.
TEST(OnnxSummary, TensorsHaveTheirValuesInTheFieldOfTheirType) {
  const auto refusal = [](ProtoMessage tensor) {
    OnnxParts parts = Parts();
    parts.initializers = {tensor.Bytes(8, "w").bytes()};
    return Refusal(OnnxModel(parts));
  };
  const std::string four(4, '\1'), twelve(12, '\0');
  const std::string several =
      "m.onnx: tensor 'w' has values in fields of several types: damaged ONNX file";
  const auto three = [](uint64_t type) { return ProtoMessage().Number(1, 3).Number(2, type); };
  EXPECT_EQ(refusal(three(1).Bytes(5, "\1\1\1")), several);                   // floats as int32
  EXPECT_EQ(refusal(three(7).Bytes(4, twelve)), several);                     // int64 as floats
  EXPECT_EQ(refusal(three(1).Bytes(4, twelve).Bytes(9, twelve)), several);    // and raw
  EXPECT_EQ(refusal(three(1).Bytes(4, twelve).Bytes(5, "\1\1\1")), several);  // in two fields
  EXPECT_EQ(refusal(three(1).Bytes(9, twelve).Bytes(6, "text")), several);
  // Fields given twice: of a text the last counts, numbers are joined.
  EXPECT_EQ(refusal(three(1).Bytes(9, four).Bytes(9, twelve)), "no error");
  EXPECT_THAT(refusal(three(1).Bytes(9, twelve).Bytes(9, four)), HasSubstr("too few or too many"));
  EXPECT_EQ(refusal(three(1).Bytes(4, four).Bytes(4, four + four)), "no error");
  EXPECT_EQ(refusal(three(1).Bytes(4, four).Float(4, 1).Float(4, 1)), "no error");
  EXPECT_THAT(refusal(three(1).Bytes(4, twelve).Float(4, 1)), HasSubstr("too few or too many"));
}

TEST(OnnxSummary, TensorsOfOtherTypesAreRefused) {
  for (const uint64_t type : {0, 8, 14, 15, 17, 1000}) {
    OnnxParts parts = Parts();
    parts.initializers = {ProtoMessage().Number(1, 1).Number(2, type).Bytes(8, "w").bytes()};
    EXPECT_EQ(Refusal(OnnxModel(parts)),
              "m.onnx: tensor 'w' is of ONNX type " + std::to_string(type) +
                  ", not of numbers; export the network with 32-bit floats");
  }
  // A type that is 1 in the lower 32 bits, which is what protobuf takes of it.
  OnnxParts parts = Parts();
  const uint64_t type = (uint64_t{1} << 32) + 1;
  parts.initializers = {
      ProtoMessage().Number(1, 3).Number(2, type).Bytes(8, "w").Bytes(9, "four").bytes()};
  EXPECT_THAT(Refusal(OnnxModel(parts)), HasSubstr("'w' of shape [3] has too few or too many"));
}

TEST(OnnxSummary, BytesGoToOperatorsThatReadBytes) {
  const std::string bytes =
      ProtoMessage().Number(1, 3).Number(2, 2).Bytes(8, "w").Bytes(9, "abc").bytes();
  const std::string refusal =
      "m.onnx: node 'node_y' ('Add') reads a tensor of 8-bit values, which it cannot: damaged ONNX "
      "file";
  OnnxParts parts = Parts();
  const std::string relu = parts.nodes[0];
  parts.initializers = {bytes, OnnxTensor("scale", {}, {1})};
  parts.nodes = {relu, OnnxNode("Add", {"out", "w"}, "y")};
  EXPECT_EQ(Refusal(OnnxModel(parts)), refusal);
  parts.nodes[1] = OnnxNode("DequantizeLinear", {"w", "scale"}, "y");
  EXPECT_EQ(Refusal(OnnxModel(parts)), "no error");
  // By way of a Constant, of a Cast, and of a Cast of what is known when the file is read.
  parts.initializers.clear();
  parts.nodes = {OnnxNode("Constant", {}, "w", {OnnxTensorValue(bytes)}),
                 OnnxNode("Add", {"in", "w"}, "y")};
  EXPECT_EQ(Refusal(OnnxModel(parts)), refusal);
  parts.initializers = {OnnxTensor("floats", {3}, {1, 2, 3})};
  parts.nodes[0] = OnnxNode("Cast", {"floats"}, "w", {OnnxInt("to", 3)});
  EXPECT_EQ(Refusal(OnnxModel(parts)), refusal);
  parts.nodes[0] = OnnxNode("Cast", {"floats"}, "w", {OnnxInt("to", 1)});
  EXPECT_EQ(Refusal(OnnxModel(parts)), "no error");
  parts.nodes = {OnnxNode("Shape", {"in"}, "shape"),
                 OnnxNode("Cast", {"shape"}, "w", {OnnxInt("to", 2)}),
                 OnnxNode("Add", {"in", "w"}, "y")};
  EXPECT_EQ(Refusal(OnnxModel(parts)), refusal);
  // A Cast of what the network computes is left to OpenCV.
  parts.nodes = {OnnxNode("Cast", {"in"}, "w", {OnnxInt("to", 10)}),
                 OnnxNode("Add", {"w", "w"}, "y")};
  EXPECT_EQ(Refusal(OnnxModel(parts)), "no error");
}

TEST(OnnxSummary, NodesHaveAnOperatorInputsAndOutputs) {
  const auto refusal = [](const std::string& node) {
    OnnxParts parts = Parts();
    parts.nodes = {node};
    return Refusal(OnnxModel(parts));
  };
  const std::string broken =
      "has no operator, or not the inputs and outputs of one: damaged ONNX file";
  EXPECT_EQ(refusal(OnnxNode("Relu", {}, "y")), "m.onnx: node 'node_y' ('Relu') " + broken);
  EXPECT_THAT(refusal(OnnxNode("", {"in"}, "y")), HasSubstr(broken));
  EXPECT_THAT(refusal(ProtoMessage().Bytes(1, "in").Bytes(4, "Relu").bytes()), HasSubstr(broken));
  EXPECT_THAT(refusal(OnnxNode("Constant", {"in"}, "y")), HasSubstr(broken));
  EXPECT_THAT(refusal(OnnxNode("Pow", {"in"}, "y")), HasSubstr(broken));
  EXPECT_THAT(refusal(OnnxNode("MatMul", {"in", "in", "in"}, "y")), HasSubstr(broken));
  EXPECT_EQ(refusal(OnnxNode("MatMul", {"in", "in"}, "y")), "no error");
  EXPECT_THAT(refusal(OnnxNode("Upsample", {"in"}, "y")), HasSubstr(broken));
  EXPECT_EQ(refusal(OnnxNode("Upsample", {"in"}, "y", {OnnxInts("scales", {1})})), "no error");
}

TEST(OnnxSummary, NodesReadWhatIsThere) {
  OnnxParts parts = Parts();
  const std::string relu = parts.nodes[0];
  parts.nodes = {OnnxNode("Relu", {"out"}, "y"), relu};
  EXPECT_EQ(Refusal(OnnxModel(parts)),
            "m.onnx: node 'node_y' ('Relu') reads 'out', which nothing makes before: damaged ONNX "
            "file");
  parts.nodes = {relu, OnnxNode("Add", {"out", "in"}, "y")};
  EXPECT_EQ(Refusal(OnnxModel(parts)), "no error");
  parts.nodes = {relu, relu};
  EXPECT_EQ(Refusal(OnnxModel(parts)),
            "m.onnx: node 'node_out' ('Relu') makes 'out', which is there already: damaged ONNX "
            "file");
}

TEST(OnnxSummary, OptionalInputsAloneMayBeMissing) {
  const auto refusal = [](const std::string& node) {
    OnnxParts parts = Parts();
    parts.initializers = {OnnxTensor("none", {0, 3}, {}), OnnxTensor("w", {3}, {1, 2, 3})};
    parts.nodes = {OnnxNode("Constant", {}, "too", {OnnxTensorValue(OnnxTensor("", {0}, {}))}),
                   node};
    return Refusal(OnnxModel(parts));
  };
  EXPECT_EQ(refusal(OnnxNode("Resize", {"in", "none", "w"}, "y")), "no error");
  EXPECT_EQ(refusal(OnnxNode("Resize", {"in", "too", "", "w"}, "y")), "no error");
  EXPECT_EQ(refusal(OnnxNode("Conv", {"in", "none"}, "y")),
            "m.onnx: node 'node_y' ('Conv') has nothing for its input 2: damaged ONNX file");
  EXPECT_THAT(refusal(OnnxNode("Conv", {"in", ""}, "y")), HasSubstr("nothing for its input 2"));
  EXPECT_THAT(refusal(OnnxNode("Add", {"too", "in"}, "y")), HasSubstr("nothing for its input 1"));
  EXPECT_THAT(refusal(OnnxNode("Resize", {"", "", "w"}, "y")), HasSubstr("for its input 1"));
  EXPECT_EQ(
      refusal(OnnxNode("ConstantOfShape", {"w"}, "y", {OnnxTensorValue(OnnxTensor("", {0}, {}))})),
      "m.onnx: node 'node_y' ('ConstantOfShape') has a tensor without values: damaged ONNX "
      "file");
}

TEST(OnnxSummary, AxesAreFew) {
  const auto refusal = [](const std::string& op, const std::string& attribute) {
    OnnxParts parts = Parts();
    parts.nodes = {OnnxNode(op, {"in", "in"}, "y", {attribute})};
    return Refusal(OnnxModel(parts));
  };
  const std::string bad = "has an axis that OpenCV cannot take";
  EXPECT_EQ(refusal("Concat", OnnxInt("axis", -1)), "no error");
  EXPECT_EQ(refusal("ReduceMean", OnnxInts("axes", {-2, 7})), "no error");
  EXPECT_THAT(refusal("Concat", OnnxInt("axis", 8)), HasSubstr(bad));
  EXPECT_THAT(refusal("ReduceMean", OnnxInts("axes", {1, -9})), HasSubstr(bad));
  EXPECT_THAT(refusal("Concat", OnnxInt("axis", int64_t{1} << 40)), HasSubstr(bad));
  // Beyond the sides that are known.
  OnnxParts parts = Parts();
  parts.nodes = {OnnxNode("Shape", {"in"}, "s"), OnnxNode("Gather", {"s", "in"}, "y")};
  EXPECT_EQ(Refusal(OnnxModel(parts)), "no error");
  parts.nodes[1] = OnnxNode("Gather", {"s", "in"}, "y", {OnnxInt("axis", 1)});
  EXPECT_THAT(Refusal(OnnxModel(parts)), HasSubstr(bad));
  EXPECT_EQ(refusal("Gather", OnnxInt("axis", 0)), "no error");
  EXPECT_THAT(refusal("Gather", OnnxInt("axis", -1)), HasSubstr(bad));
}

TEST(OnnxSummary, ExtentsAreThoseOfPhotographs) {
  const auto refusal = [](int64_t stride) {
    OnnxParts parts = Parts();
    parts.nodes = {OnnxNode("MaxPool", {"in"}, "y", {OnnxInts("strides", {2, stride})})};
    return Refusal(OnnxModel(parts));
  };
  EXPECT_EQ(refusal(32768), "no error");
  EXPECT_EQ(refusal(32769),
            "m.onnx: strides of node 'node_y' ('MaxPool') are beyond all photographs: damaged ONNX "
            "file");
}

TEST(OnnxSummary, NormalisationsHaveAsMuchOfEach) {
  const auto refusal = [](const std::string& mean) {
    OnnxParts parts = Parts();
    parts.initializers = {OnnxTensor("three", {3}, {1, 2, 3}), OnnxTensor("one", {1}, {1})};
    parts.nodes = {OnnxNode("Add", {"one", "three"}, "sum"),
                   OnnxNode("BatchNormalization", {"in", "three", "three", mean, "three"}, "y")};
    return Refusal(OnnxModel(parts));
  };
  EXPECT_EQ(refusal("three"), "no error");
  for (const std::string other : {"one", "sum", "in"})
    EXPECT_EQ(refusal(other),
              "m.onnx: node 'node_y' ('BatchNormalization') has not the same number of stored "
              "values in each input: damaged ONNX file");
}

TEST(OnnxSummary, LayersSeeMoreThanConstants) {
  OnnxParts parts = Parts();
  parts.initializers = {OnnxTensor("w", {1, 1, 1, 1}, {1})};
  parts.nodes = {OnnxNode("Conv", {"in", "w"}, "y"), OnnxNode("Mul", {"w", "w"}, "z")};
  EXPECT_EQ(Refusal(OnnxModel(parts)), "no error");
  parts.nodes.push_back(OnnxNode("Conv", {"z", "w"}, "x"));
  EXPECT_EQ(Refusal(OnnxModel(parts)),
            "m.onnx: node 'node_x' ('Conv') sees constants alone: damaged ONNX file");
  parts.nodes.back() = OnnxNode("ReduceMean", {"w"}, "x");
  EXPECT_THAT(Refusal(OnnxModel(parts)), HasSubstr("sees constants alone"));
  parts.nodes = {OnnxNode("CumSum", {"in", "w"}, "y")};
  EXPECT_EQ(Refusal(OnnxModel(parts)), "no error");
  parts.nodes = {OnnxNode("CumSum", {"in", "in"}, "y")};
  EXPECT_THAT(Refusal(OnnxModel(parts)), HasSubstr("nothing for its input 2"));
}

TEST(OnnxSummary, AttributesHaveOneValue) {
  OnnxParts parts = Parts();
  parts.nodes.push_back(OnnxNode(
      "Relu", {"in"}, "y", {ProtoMessage().Bytes(1, "alpha").Number(3, 1).Number(8, 2).bytes()}));
  EXPECT_EQ(Refusal(OnnxModel(parts)),
            "m.onnx: attribute 'alpha' of node 'node_y' ('Relu') has values of several types: "
            "damaged ONNX file");
}

// protobuf joins a message that stands twice: the values of one, and the sides of both.
TEST(OnnxSummary, MessagesGivenTwiceAreCheckedAsOne) {
  OnnxParts parts = Parts();
  const std::string half = OnnxTensor("w", {3}, {1, 2, 3});
  const std::string attribute =
      ProtoMessage().Bytes(1, "value").Bytes(5, half).Bytes(5, half).bytes();
  parts.nodes.push_back(OnnxNode("Constant", {}, "c", {attribute}));
  EXPECT_THAT(Refusal(OnnxModel(parts)), HasSubstr("'w' of shape [3, 3] has too few or too many"));
  // Two halves of a network are one network.
  OnnxParts rest;
  rest.nodes = {OnnxNode("Add", {"in", "also"}, "sum")};
  rest.inputs = {OnnxValueInfo("also", {2})};
  EXPECT_EQ(Summary(OnnxModel(Parts()) + OnnxModel(rest)).inputs.size(), 2u);
  EXPECT_THAT(Refusal(OnnxModel(rest)), HasSubstr("no output"));
}

TEST(OnnxSummary, WhatIsNotCheckedIsNotPassedOn) {
  // Fields that nobody knows in each kind of message.
  const std::string unknown = ProtoMessage().Bytes(999, "unknown").Float(998, 1).bytes();
  const auto with = [&](const std::string& message) { return message + unknown; };
  const auto model = [&](const auto& extended) {
    const std::string side = extended(ProtoMessage().Number(1, 8).bytes());
    const std::string shape = extended(ProtoMessage().Bytes(1, side).bytes());
    const std::string tensor = extended(ProtoMessage().Number(1, 1).Bytes(2, shape).bytes());
    const std::string type = extended(ProtoMessage().Bytes(1, tensor).bytes());
    const std::string value = extended(ProtoMessage().Bytes(1, "in").Bytes(2, type).bytes());
    const std::string attribute = extended(OnnxTensorValue(extended(OnnxTensor("t", {1}, {1}))));
    OnnxParts parts;
    parts.nodes = {extended(OnnxNode("Constant", {}, "c", {attribute}))};
    parts.inputs = parts.outputs = {value};
    // A network that stands twice is joined.
    return extended(OnnxModel(parts) + ProtoMessage().Bytes(7, extended("")).bytes());
  };
  const auto plain = [](const std::string& message) { return message; };
  const std::string passed = CheckedOnnx(model(with), "m.onnx").Model();
  EXPECT_THAT(model(with), HasSubstr("unknown"));
  EXPECT_EQ(passed, CheckedOnnx(model(plain), "m.onnx").Model());
  EXPECT_EQ(CheckedOnnx(passed, "m.onnx").Model(), passed);
}

TEST(OnnxSummary, TensorsOfNodesAreCheckedToo) {
  OnnxParts parts = Parts();
  const std::string bad = OnnxTensor("t", {9}, {1, 2});
  parts.nodes.push_back(OnnxNode("Constant", {}, "c", {OnnxTensorValue(bad)}));
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
  OnnxParts parts = Parts();
  parts.nodes.push_back(
      OnnxNode("If", {"in"}, "y", {ProtoMessage().Bytes(1, "then_branch").Bytes(6, "").bytes()}));
  EXPECT_EQ(Refusal(OnnxModel(parts)),
            "m.onnx: node 'node_y' ('If') has a network inside, which OpenCV does not run; export "
            "without If and Loop");
  // Groups of a field that is not known: protobuf would follow them 100 deep.
  for (const size_t depth : {10, 20}) {
    const std::string groups = std::string(depth, '\x4b') + std::string(depth, '\x4c');
    EXPECT_EQ(Refusal(OnnxModel(Parts()) + groups),
              depth < 16 ? "no error" : "m.onnx: ONNX file is cut short or damaged");
  }
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
