// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "i2crc/core/error.h"
#include "i2crc/weights/tensor_file.h"
#include "support/golden_file.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

namespace fs = std::filesystem;
using i2crc::testing::GoldenFile;
using i2crc::testing::ReadBytes;
using i2crc::testing::SharedPath;
using i2crc::testing::TempDir;
using i2crc::testing::WriteBytes;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string File(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, 'x');
}

Tensor Filled(DType dtype, std::vector<int64_t> shape) {
  Tensor tensor{dtype, std::move(shape), {}};
  tensor.bytes.resize(static_cast<size_t>(tensor.elements()) * ItemSize(dtype));
  for (size_t i = 0; i < tensor.bytes.size(); ++i) tensor.bytes[i] = static_cast<std::byte>(i * 37);
  return tensor;
}

TensorMap Everything() {
  TensorMap tensors;
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
                            DType::kI32, DType::kI16, DType::kI8, DType::kU8, DType::kBool})
    tensors.Add(std::string("t.") + DTypeName(dtype), Filled(dtype, {3, 1, 5}));
  tensors.Add("scalar", Filled(DType::kI64, {}));
  tensors.Add("empty", Filled(DType::kF32, {0, 4}));
  tensors.Add("na\"me\\ \n ü", Filled(DType::kU8, {1}));
  tensors.metadata = {{"settings", "{\"a\": 1}\n"}, {"", "empty key"}, {"b", ""}};
  return tensors;
}

void ExpectSame(const TensorMap& a, const TensorMap& b) {
  EXPECT_EQ(a.metadata, b.metadata);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a.items()[i].first, b.items()[i].first);
    EXPECT_EQ(a.items()[i].second.dtype, b.items()[i].second.dtype);
    EXPECT_EQ(a.items()[i].second.shape, b.items()[i].second.shape);
    EXPECT_EQ(a.items()[i].second.bytes, b.items()[i].second.bytes) << a.items()[i].first;
  }
}

TEST(Safetensors, WrittenAndReadAgainIsTheSame) {
  const TempDir dir;
  WriteSafetensors(dir / "a.safetensors", Everything());
  ExpectSame(ReadTensorFile(dir / "a.safetensors"), Everything());
  EXPECT_EQ(SniffTensorFile(dir / "a.safetensors"), TensorFileFormat::kSafetensors);

  const TensorMap headers = ReadTensorHeaders(dir / "a.safetensors");
  EXPECT_EQ(headers.metadata, Everything().metadata);
  EXPECT_EQ(headers.Find("t.F16")->shape, (std::vector<int64_t>{3, 1, 5}));
  EXPECT_TRUE(headers.Find("t.F16")->bytes.empty());
}

TEST(Safetensors, TheBytesDependOnTheContentAlone) {
  const TempDir dir;
  const TensorMap tensors = Everything();
  WriteSafetensors(dir / "a", tensors);
  WriteSafetensors(dir / "b", ReadTensorFile(dir / "a"));
  EXPECT_EQ(ReadBytes(dir / "a"), ReadBytes(dir / "b"));

  TensorMap small;
  small.Add("w", Filled(DType::kU8, {2}));
  small.metadata = {{"k", "v"}};
  WriteSafetensors(dir / "c", small);
  std::string expected = File(
      R"({"__metadata__":{"k":"v"},"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}  )", 0);
  ASSERT_EQ(expected.size() % 8, 0u);
  expected += std::string("\0\x25", 2);
  EXPECT_EQ(ReadBytes(dir / "c"), expected);
}

TEST(Safetensors, NoTensorAtAllIsAFileToo) {
  const TempDir dir;
  WriteSafetensors(dir / "a", {});
  EXPECT_EQ(ReadTensorFile(dir / "a").size(), 0u);
}

TEST(Safetensors, WhatCannotBeReadIsNotWritten) {
  const TempDir dir;
  for (const std::string& name : {std::string("__metadata__"), std::string("a\0b", 3),
                                  std::string("\xff"), std::string(5000, 'x')}) {
    TensorMap tensors;
    tensors.Add(name, Filled(DType::kU8, {1}));
    EXPECT_THROW(WriteSafetensors(dir / "a", tensors), Error);
  }
  TensorMap tensors;
  tensors.metadata["k"] = "\xff";
  EXPECT_THROW(WriteSafetensors(dir / "a", tensors), Error);
  EXPECT_FALSE(fs::exists(dir / "a"));
}

struct Damage {
  const char* header;
  size_t data_bytes;
  const char* message;
};

TEST(Safetensors, EveryDamageIsToldByFileAndCause) {
  const Damage damages[] = {
      {"", 0, "does not begin with {"},
      {" {}", 0, "does not begin with {"},
      {"[]", 0, "does not begin with {"},
      {"{", 0, "no JSON (at its byte"},
      {"{}}", 0, "no JSON"},
      {"{} x", 0, "no JSON"},
      {"{\"a\xff\":1}", 0, "no JSON"},
      {R"({"a":[]})", 0, "'a' is an array instead of a tensor's description"},
      {R"({"a":1})", 0, "'a' is a number instead"},
      {R"({"a":null})", 0, "'a' is null instead"},
      {R"({"a":{}})", 0, "lacks its dtype, shape or data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[1]}})", 1, "lacks its"},
      {R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1,
       "tensor 'a' has the dtype 'F8_E4M3', which is not supported"},
      {R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", 1, "the field 'dtype'"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "there twice"},
      {R"({"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1, "there twice"},
      {R"({"a":{"dtype":"U8","shape":[1],"more":1,"data_offsets":[0,1]}})", 1, "'more'"},
      {R"({"a":{"dtype":"U8","shape":[1],"more":{"x":1},"data_offsets":[0,1]}})", 1, "'more'"},
      {R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "'shape'"},
      {R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "a negative number"},
      {R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "no 64-bit integer"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551617],"data_offsets":[0,1]}})", 1,
       "no 64-bit integer"},
      {R"({"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}})", 1, "2^63"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "not two numbers"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, "not two numbers"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, "ends before it begins"},
      {R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", 4,
       "tensor 'a' ends 5 bytes behind the end of the file; the file is truncated"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "tensor 'a' of shape [2] F32 has 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "of shape [4294967296, 4294967296]"},
      {R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0, "has 0"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
           "b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
       7, "tensor 'b' overlaps another"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
           "b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
       4, "tensor 'b' overlaps another"},
      {R"({"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]},
           "a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       9, "1 unused bytes before tensor 'b'"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 7,
       "3 bytes too many at the end"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
           "a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, "'a' occurs twice"},
      {R"({"a\u0000":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "without NUL"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "'__metadata__' occurs twice"},
      {R"({"__metadata__":{"k":"1","k":"2"}})", 0, "metadata 'k' occurs twice"},
      {R"({"__metadata__":{"k":1}})", 0, "metadata 'k' is a number instead of a text"},
      {R"({"__metadata__":{"k":{"l":"m"}}})", 0, "metadata 'k' is an object instead"},
      {R"({"__metadata__":[]})", 0, "'__metadata__' is an array"},
  };
  for (const Damage& damage : damages) {
    const std::string file = File(damage.header, damage.data_bytes);
    EXPECT_THAT(
        [&] { ParseSafetensors(Bytes(file), "x.safetensors"); },
        ThrowsMessage<Error>(AllOf(StartsWith("x.safetensors: "), HasSubstr(damage.message))))
        << damage.header;
  }
}

TEST(Safetensors, HostileHeaderLengths) {
  const auto parse = [](uint64_t length) {
    std::string file = File("{}", 0);
    std::memcpy(file.data(), &length, 8);
    return [file] { ParseSafetensors(Bytes(file), "x"); };
  };
  EXPECT_THAT(parse(UINT64_MAX),
              ThrowsMessage<Error>(HasSubstr("a header of 18446744073709551615")));
  EXPECT_THAT(parse(100'000'001), ThrowsMessage<Error>(HasSubstr("a header of 100000001 bytes")));
  EXPECT_THAT(parse(3), ThrowsMessage<Error>(HasSubstr("truncated: a header of 3 bytes")));
  EXPECT_THAT(parse(0), ThrowsMessage<Error>(HasSubstr("does not begin with {")));
  EXPECT_NO_THROW(parse(2)());
}

TEST(Safetensors, ANulInTheHeaderEndsNothing) {
  EXPECT_THAT([] { ParseSafetensors(Bytes(File(std::string("{}\0garbage", 10), 0)), "x"); },
              ThrowsMessage<Error>(HasSubstr("a NUL byte")));
}

TEST(Safetensors, DeepNestingIsRefusedAtOnce) {
  const std::string deep = "{\"a\":" + std::string(5'000'000, '[');
  EXPECT_THAT([&] { ParseSafetensors(Bytes(File(deep, 0)), "x"); },
              ThrowsMessage<Error>(HasSubstr("an array")));
}

TEST(Safetensors, MoreThan64DimensionsAreRefused) {
  std::string shape = "1";
  for (int i = 1; i < 65; ++i) shape += ",1";
  const std::string header =
      R"({"a":{"dtype":"U8","shape":[)" + shape + R"(],"data_offsets":[0,1]}})";
  EXPECT_THAT([&] { ParseSafetensors(Bytes(File(header, 1)), "x"); },
              ThrowsMessage<Error>(HasSubstr("more than 64 numbers")));
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const TempDir dir;
  WriteSafetensors(dir / "a", Everything());
  const std::string whole = ReadBytes(dir / "a");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(ParseSafetensors(Bytes(whole.substr(0, size)), "x"), Error) << size;
}

TEST(Safetensors, GoldensAreReadAsTheirOwnReaderDoes) {
  I2CRC_NEEDS_SHARED("goldens/README.md");
  int files = 0;
  for (const auto& entry : fs::directory_iterator(SharedPath("goldens"))) {
    if (entry.path().extension() != ".safetensors") continue;
    ++files;
    const GoldenFile golden(entry.path());
    const TensorMap tensors = ReadTensorFile(entry.path());
    EXPECT_EQ(tensors.metadata, golden.metadata());
    EXPECT_EQ(tensors.size(), golden.names().size());
    for (const auto& [name, tensor] : tensors.items()) {
      const auto& expected = golden.at(name);
      EXPECT_EQ(DTypeName(tensor.dtype), expected.dtype);
      EXPECT_EQ(tensor.shape, expected.shape);
      ASSERT_EQ(tensor.bytes.size(), expected.bytes.size());
      EXPECT_EQ(std::memcmp(tensor.bytes.data(), expected.bytes.data(), tensor.bytes.size()), 0)
          << entry.path() << " " << name;
      const std::vector<double> values = expected.Values();
      const std::vector<float> floats = tensor.ToF32();
      for (size_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(floats[i], static_cast<float>(values[i])) << entry.path() << " " << name;
    }
  }
  EXPECT_GE(files, 10);
}

// How fast that is, bench/weights.cc measures.
TEST(Safetensors, ResNet50IsReadWhole) {
  I2CRC_NEEDS_SHARED("weights/resnet50-imagenet.safetensors");
  const TensorMap tensors = ReadTensorFile(SharedPath("weights/resnet50-imagenet.safetensors"));
  int64_t elements = 0;
  for (const auto& [name, tensor] : tensors.items())
    elements += static_cast<int64_t>(tensor.ToF32().size());
  EXPECT_EQ(tensors.size(), 267u);
  EXPECT_EQ(elements, 25'610'152);
  EXPECT_EQ(tensors.metadata.at("architecture"), "torchvision resnet50");
}

}  // namespace
}  // namespace i2crc
