// SPDX-License-Identifier: Apache-2.0
// PyTorch's zip and legacy formats: what is read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "i2crc/core/error.h"
#include "i2crc/weights/tensor_file.h"
#include "support/test_dirs.h"
#include "support/torch_file_builder.h"

namespace i2crc {
namespace {

using i2crc::testing::LegacyHeader;
using i2crc::testing::PickleEmitter;
using i2crc::testing::TempDir;
using i2crc::testing::TorchFileBuilder;
using i2crc::testing::WriteBytes;
using i2crc::testing::ZipBytes;
using Compression = TorchFileBuilder::Compression;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
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
    tensors.Add(std::string("t.") + DTypeName(dtype), Filled(dtype, {3, 1, 5, 2}));
  tensors.Add("num_batches_tracked", Filled(DType::kI64, {}));
  tensors.Add("empty", Filled(DType::kF32, {0, 4}));
  return tensors;
}

void ExpectTensors(const TensorMap& got, const TensorMap& expected,
                   const std::string& prefix = "") {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got.items()[i].first, prefix + expected.items()[i].first);
    EXPECT_EQ(got.items()[i].second.dtype, expected.items()[i].second.dtype);
    EXPECT_EQ(got.items()[i].second.shape, expected.items()[i].second.shape);
    EXPECT_EQ(got.items()[i].second.bytes, expected.items()[i].second.bytes);
  }
}

// Both formats, the zip one also deflated.
std::vector<TensorMap> ReadBoth(const TorchFileBuilder& builder) {
  std::vector<TensorMap> read;
  read.push_back(ParseTorchZip(Bytes(builder.Zip()), "x.pth"));
  read.push_back(ParseTorchZip(Bytes(builder.Zip(Compression::kDeflated)), "x.pth"));
  read.push_back(ParseTorchLegacy(Bytes(builder.Legacy()), "x.pth"));
  return read;
}

TEST(TorchFile, BareStateDictOfEveryDtype) {
  TorchFileBuilder builder;
  builder.Add(Everything());
  for (const TensorMap& read : ReadBoth(builder)) {
    ExpectTensors(read, Everything());
    EXPECT_TRUE(read.metadata.empty());
  }
}

TEST(TorchFile, CheckpointWithPrefixOptimizerAndCounters) {
  TorchFileBuilder builder;
  builder.Add(Everything());
  builder.prefix = "module.";
  builder.with_optimizer = true;
  builder.as_parameters = true;
  builder.location = "cuda:0";
  for (const TensorMap& read : ReadBoth(builder)) {
    ExpectTensors(read, Everything(), "module.");
    EXPECT_THAT(read.metadata,
                UnorderedElementsAre(Pair("epoch", "7"), Pair("global_counter", "123")));
  }
}

TEST(TorchFile, MoreTensorsThanOneBatchOfThePickler) {
  TensorMap many;
  for (int i = 0; i < 2345; ++i)
    many.Add("layer" + std::to_string(i), Filled(DType::kF32, {i % 3}));
  TorchFileBuilder builder;
  builder.Add(many);
  for (const TensorMap& read : ReadBoth(builder)) ExpectTensors(read, many);
}

TEST(TorchFile, ViewsBecomeDense) {
  std::vector<float> values(24);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  TorchFileBuilder builder;
  const size_t storage = builder.AddStorage(Tensor::FromF32({24}, values));
  builder.AddView({"whole", storage, 0, {2, 3, 4}, {12, 4, 1}});
  builder.AddView({"part", storage, 4, {2}, {1}});
  builder.AddView({"transposed", storage, 0, {3, 2}, {1, 3}});
  builder.AddView({"permuted", storage, 1, {2, 2, 3}, {1, 12, 4}});
  builder.AddView({"expanded", storage, 5, {2, 3}, {0, 1}});
  builder.AddView({"repeated", storage, 7, {3}, {0}});
  builder.AddView({"element", storage, 23, {}, {}});
  builder.AddView({"overlapping", storage, 0, {3, 3}, {1, 1}});
  // PyTorch leaves the stride of a size of 1 or of an empty tensor as it comes.
  builder.AddView({"one", storage, 23, {1, 1}, {1000000, INT64_MAX}});
  builder.AddView({"none", storage, 99, {0, 5}, {7, INT64_MAX}});
  for (const TensorMap& read : ReadBoth(builder)) {
    EXPECT_EQ(read.Find("whole")->ToF32(), values);
    EXPECT_EQ(read.Find("whole")->shape, (std::vector<int64_t>{2, 3, 4}));
    EXPECT_THAT(read.Find("part")->ToF32(), ElementsAre(4, 5));
    EXPECT_THAT(read.Find("transposed")->ToF32(), ElementsAre(0, 3, 1, 4, 2, 5));
    EXPECT_THAT(read.Find("permuted")->ToF32(),
                ElementsAre(1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22));
    EXPECT_THAT(read.Find("expanded")->ToF32(), ElementsAre(5, 6, 7, 5, 6, 7));
    EXPECT_THAT(read.Find("repeated")->ToF32(), ElementsAre(7, 7, 7));
    EXPECT_THAT(read.Find("element")->ToF32(), ElementsAre(23));
    EXPECT_THAT(read.Find("overlapping")->ToF32(), ElementsAre(0, 1, 2, 1, 2, 3, 2, 3, 4));
    EXPECT_THAT(read.Find("one")->ToF32(), ElementsAre(23));
    EXPECT_TRUE(read.Find("none")->bytes.empty());
  }
}

// A tensor in a view of a storage, as PyTorch before 0.4 shared them: (KEY, FIRST, ELEMENTS) in the
// reference.
TEST(TorchFile, LegacyViewsOfStorages) {
  PickleEmitter out;
  out.EmptyDict().Text("w").Global("torch._utils", "_rebuild_tensor").Mark().Mark();
  out.Text("storage").Global("torch", "FloatStorage").Text("10").Text("cpu").Int(6);
  out.Mark().Text("11").Int(2).Int(3).Tuple().Tuple().PersistentId();
  out.Int(1).IntTuple({2}).IntTuple({1}).Tuple().Reduce().SetItem();
  std::string bytes = LegacyHeader() + out.Finish();
  bytes += PickleEmitter().EmptyList().Mark().Text("10").Appends().Finish();
  const float values[] = {0, 1, 2, 3, 4, 5};
  const int64_t elements = 6;
  bytes.append(reinterpret_cast<const char*>(&elements), 8);
  bytes.append(reinterpret_cast<const char*>(values), sizeof(values));
  EXPECT_THAT(ParseTorchLegacy(Bytes(bytes), "x").Find("w")->ToF32(), ElementsAre(3, 4));
}

std::string PickleOfEntries(const std::vector<std::string>& keys) {
  PickleEmitter out;
  out.EmptyDict().Mark();
  for (const std::string& key : keys) {
    out.Text(key);
    out.EmptyDict().Text(key + ".w").Global("torch._utils", "_rebuild_tensor_v2").Mark().Mark();
    out.Text("storage").Global("torch", "ByteStorage").Text("0").Text("cpu").Int(1).Tuple();
    out.PersistentId()
        .Int(0)
        .IntTuple({1})
        .IntTuple({1})
        .Bool(false)
        .OrderedDict()
        .Tuple()
        .Reduce();
    out.SetItem();
  }
  return out.SetItems().Finish();
}

std::string NameIn(const std::vector<std::string>& keys) {
  const std::string zip = ZipBytes({{"m/data.pkl", PickleOfEntries(keys)}, {"m/data/0", "x"}});
  const TensorMap tensors = ParseTorchZip(Bytes(zip), "x");
  return tensors.items().at(0).first;
}

TEST(TorchFile, StateDictComesBeforeModel) {
  EXPECT_EQ(NameIn({"ema", "state_dict"}), "state_dict.w");
  EXPECT_EQ(NameIn({"ema", "model"}), "model.w");
  EXPECT_EQ(NameIn({"model", "state_dict"}), "state_dict.w");
  EXPECT_THROW(NameIn({"ema"}), Error);
}

TEST(TorchFile, OtherEntriesArePassedOverAndPlainOnesBecomeMetadata) {
  PickleEmitter out;
  out.EmptyDict().Mark();
  out.Text("w").Global("torch._utils", "_rebuild_tensor_v2").Mark().Mark();
  out.Text("storage").Global("torch", "ByteStorage").Text("0").Text("cpu").Int(2).Tuple();
  out.PersistentId().Int(0).IntTuple({2}).IntTuple({1}).Bool(false).OrderedDict().Tuple().Reduce();
  out.Text("epoch").Int(-7).Text("best").Float(0.25).Text("arch").Text("vgg16").Text("done");
  out.Bool(true).Text("none").None().Text("list").EmptyList();
  out.Text("counter").Global("numpy.core.multiarray", "scalar").Mark();
  out.Global("numpy", "dtype").Mark().Text("i8").Bool(false).Bool(true).Tuple().Reduce();
  out.Mark().Int(3).Text("<").None().None().None().Int(-1).Int(-1).Int(0).Tuple().Build();
  out.Global("_codecs", "encode").Mark().Text("{\x01").Text("latin1").Tuple().Reduce();
  out.Tuple().Reduce();
  out.Int(5).Text("a key that is a number");
  const std::string zip =
      ZipBytes({{"m/data.pkl", out.SetItems().Finish()}, {"m/data/0", "\x01\x02"}});
  const TensorMap read = ParseTorchZip(Bytes(zip), "x");
  EXPECT_EQ(read.size(), 1u);
  EXPECT_THAT(read.Find("w")->ToF32(), ElementsAre(1, 2));
  EXPECT_THAT(read.metadata, UnorderedElementsAre(Pair("epoch", "-7"), Pair("best", "0.25"),
                                                  Pair("arch", "vgg16"), Pair("done", "true")));
}

TEST(TorchFile, FormatIsToldByTheFirstBytes) {
  const TempDir dir;
  TorchFileBuilder builder;
  builder.Add("w", Filled(DType::kF32, {3, 4}));
  WriteBytes(dir / "zip.safetensors", builder.Zip());
  WriteBytes(dir / "legacy.zip", builder.Legacy());
  EXPECT_EQ(SniffTensorFile(dir / "zip.safetensors"), TensorFileFormat::kTorchZip);
  EXPECT_EQ(SniffTensorFile(dir / "legacy.zip"), TensorFileFormat::kTorchLegacy);
  for (const char* name : {"zip.safetensors", "legacy.zip"}) {
    EXPECT_EQ(ReadTensorFile(dir / name).Find("w")->bytes, Filled(DType::kF32, {3, 4}).bytes);
    const TensorMap headers = ReadTensorHeaders(dir / name);
    EXPECT_EQ(headers.Find("w")->shape, (std::vector<int64_t>{3, 4}));
    EXPECT_TRUE(headers.Find("w")->bytes.empty());
  }
}

TEST(TorchFile, ConvertedToSafetensorsItIsTheSame) {
  const TempDir dir;
  TorchFileBuilder builder;
  builder.Add(Everything());
  builder.with_optimizer = true;
  WriteBytes(dir / "a.pth", builder.Legacy());
  WriteSafetensors(dir / "a.safetensors", ReadTensorFile(dir / "a.pth"));
  const TensorMap read = ReadTensorFile(dir / "a.safetensors");
  ExpectTensors(read, Everything());
  EXPECT_EQ(read.metadata.at("epoch"), "7");
}

}  // namespace
}  // namespace i2crc
