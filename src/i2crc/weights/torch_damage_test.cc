// SPDX-License-Identifier: Apache-2.0
// PyTorch's zip and legacy formats: what is refused, and how it is said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <functional>

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
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

auto Says(const std::string& cause) {
  return ThrowsMessage<Error>(AllOf(StartsWith("x.pth: "), HasSubstr(cause)));
}
auto Zip(std::string bytes) {
  return [bytes = std::move(bytes)] { ParseTorchZip(Bytes(bytes), "x.pth"); };
}
auto Legacy(std::string bytes) {
  return [bytes = std::move(bytes)] { ParseTorchLegacy(Bytes(bytes), "x.pth"); };
}

Tensor Ramp(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return Tensor::FromF32({count}, values);
}

TorchFileBuilder OneTensor() {
  TorchFileBuilder builder;
  builder.Add("conv.weight", Ramp(100));
  return builder;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST(TorchDamage, ViewsThatLeaveTheirStorage) {
  using View = TorchFileBuilder::View;
  const std::pair<View, const char*> views[] = {
      {{"w", 0, 0, {101}, {1}}, "strides [1], offset 0 leaves its storage"},
      {{"w", 0, 1, {100}, {1}}, "offset 1 leaves"},
      {{"w", 0, 100, {}, {}}, "leaves"},
      {{"w", 0, 0, {2, 50}, {51, 1}}, "leaves"},
      {{"w", 0, 0, {2}, {INT64_MAX}}, "leaves"},
      {{"w", 0, 0, {3, 3}, {INT64_MAX / 2, INT64_MAX / 2}}, "leaves"},
      {{"w", 0, INT64_MAX, {2}, {1}}, "leaves"},
      {{"w", 0, -1, {1}, {1}}, "the offset of a tensor"},
      {{"w", 0, 0, {-1}, {1}}, "shape of a tensor"},
      {{"w", 0, 99, {2}, {-1}}, "strides of a tensor"},
      {{"w", 0, 0, {2, 2}, {1}}, "with 1 strides"},
      {{"w", 0, 0, {1ll << 32, 1ll << 32}, {0, 0}}, "a tensor of shape [4294967296, 4294967296]"},
      {{"w", 0, 0, {1ll << 62}, {0}}, "a tensor of shape [4611686018427387904]"},
      {{"w", 0, 0, {1ll << 32, 1ll << 32, 0}, {0, 0, 0}}, "a tensor of shape"},
      {{"w", 0, 0, {1ll << 40}, {0}}, "unfold to more than 67108864 bytes"},
      {{"w", 0, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1)}, "65 dimensions"},
  };
  for (const auto& [view, cause] : views) {
    TorchFileBuilder builder;
    builder.AddStorage(Ramp(100));
    builder.AddView(view);
    EXPECT_THAT(Zip(builder.Zip()), Says(cause));
    EXPECT_THAT(Legacy(builder.Legacy()), Says(cause));
  }
}

TEST(TorchDamage, MadeTensorsOfTheOptimizerAreCheckedToo) {
  TorchFileBuilder builder = OneTensor();
  builder.with_optimizer = true;
  const std::string good = builder.Legacy();
  EXPECT_NO_THROW(Legacy(good)());
  // The last tensor of the pickle is the momentum's; its shape [100] becomes [101].
  std::string bad = good;
  const size_t shape = bad.rfind("K\x64\x85");
  ASSERT_NE(shape, std::string::npos);
  bad[shape + 1] = '\x65';
  EXPECT_THAT(Legacy(bad), Says("shape [101]"));
}

TEST(TorchDamage, ManyViewsOfOneSmallStorageAreBounded) {
  TorchFileBuilder builder;
  builder.AddStorage(Ramp(1));
  for (int i = 0; i < 20; ++i)
    builder.AddView({fmt::format("w{}", i), 0, 0, {1 << 20}, {0}});  // 4 MB each
  EXPECT_THAT(Zip(builder.Zip()), Says("unfold to more than 67108864 bytes"));
}

TEST(TorchDamage, EveryTruncationIsAnError) {
  TorchFileBuilder builder = OneTensor();
  builder.with_optimizer = true;
  for (const std::string& whole : {builder.Zip(), builder.Zip(Compression::kDeflated)})
    for (size_t size = 0; size < whole.size(); ++size)
      EXPECT_THROW(Zip(whole.substr(0, size))(), Error) << size;
  const std::string whole = builder.Legacy();
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(Legacy(whole.substr(0, size))(), Error) << size;
  EXPECT_THAT(Legacy(whole.substr(0, whole.size() - 1)), Says("truncated: storage"));
  EXPECT_THAT(Legacy(whole + "x"), Says("1 bytes too many at the end"));
  EXPECT_THAT(Zip(builder.Zip().substr(0, 500)), Says("damaged or truncated zip file"));
}

// Whatever byte is damaged, the values that come out are right or an error comes: the zip format
// has checksums.
TEST(TorchDamage, NoFlippedByteOfAZipGoesUnnoticed) {
  const std::string whole = OneTensor().Zip();
  const auto expected = ParseTorchZip(Bytes(whole), "x.pth").Find("conv.weight")->bytes;
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string bad = whole;
    bad[i] = static_cast<char>(bad[i] ^ 0x11);
    try {
      const TensorMap read = ParseTorchZip(Bytes(bad), "x.pth");
      ASSERT_EQ(read.size(), 1u) << i;
      EXPECT_EQ(read.items()[0].second.bytes, expected) << i;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), StartsWith("x.pth: ")) << i;
    }
  }
}

TEST(TorchDamage, NoFlippedByteOfALegacyFileCrashes) {
  TorchFileBuilder builder = OneTensor();
  builder.with_optimizer = true;
  const std::string whole = builder.Legacy();
  for (size_t i = 0; i < whole.size(); ++i)
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bad = whole;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      try {
        ParseTorchLegacy(Bytes(bad), "x.pth");
      } catch (const Error&) {
      }
    }
}

TEST(TorchDamage, ClaimsAboutStorages) {
  TorchFileBuilder more = OneTensor();
  more.storages()[0].elements = 101;
  EXPECT_THAT(Zip(more.Zip()), Says("storage '0' has 400 bytes instead of 404"));
  EXPECT_THAT(Legacy(more.Legacy()), Says("needs 404 bytes, 400 are left"));
  TorchFileBuilder hostile = OneTensor();
  hostile.storages()[0].elements = INT64_MAX;
  EXPECT_THAT(Zip(hostile.Zip()), Says("claims 9223372036854775807 values"));
  EXPECT_THAT(Legacy(hostile.Legacy()), Says("claims 9223372036854775807 values"));
  hostile.storages()[0].elements = 1ll << 60;
  EXPECT_THAT(Legacy(hostile.Legacy()), Says("bytes, 400 are left"));
}

// The pickle of one u8 tensor of two values in the storage KEY, with what follows the reference's
// key changed.
std::string PickleOf(const std::function<void(PickleEmitter&)>& emit_id, int64_t elements = 2) {
  PickleEmitter out;
  out.EmptyDict().Text("w").Global("torch._utils", "_rebuild_tensor_v2").Mark();
  emit_id(out);
  out.Int(0).IntTuple({elements}).IntTuple({1}).Bool(false).OrderedDict().Tuple().Reduce();
  return out.SetItem().Finish();
}

std::string GoodPickle() {
  return PickleOf([](PickleEmitter& out) {
    out.Mark().Text("storage").Global("torch", "ByteStorage").Text("0").Text("cpu").Int(2);
    out.Tuple().PersistentId();
  });
}

TEST(TorchDamage, ReferencesThatAreNone) {
  using Emit = std::function<void(PickleEmitter&)>;
  const std::pair<Emit, const char*> references[] = {
      {[](auto& out) { out.Int(3); }, "a tensor without its storage"},
      {[](auto& out) { out.Int(3).PersistentId(); }, "a reference in its pickle"},
      {[](auto& out) {
         out.IntTuple({1, 2, 3, 4, 5}).PersistentId();
       },
       "a reference in its pickle"},
      {[](auto& out) {
         out.Mark().Text("module").Global("torch", "ByteStorage").Text("0").Text("cpu").Int(2);
         out.Tuple().PersistentId();
       },
       "a reference in its pickle"},
      {[](auto& out) {
         out.Mark().Text("storage").Global("torch", "Size").Text("0").Text("cpu").Int(2);
         out.Tuple().PersistentId();
       },
       "torch.Size is no storage class"},
      {[](auto& out) {
         out.Mark().Text("storage").Global("torch", "ByteStorage").Text("0").Text("cpu").Int(-2);
         out.Tuple().PersistentId();
       },
       "the storage size of a tensor is no number from 0"},
      {[](auto& out) {
         out.Mark().Text("storage").Global("torch", "ByteStorage").Text("0").Text("cpu").Int(2);
         out.Int(3).Tuple().PersistentId();
       },
       "has a damaged view"},
      {[](auto& out) {
         out.Mark().Text("storage").Global("torch", "ByteStorage").Text("0").Text("cpu").Int(2);
         out.IntTuple({9, 1, 2}).Tuple().PersistentId();
       },
       "a view outside storage '0'"},
      {[](auto& out) {
         out.Mark().Text("storage").Global("torch", "ByteStorage");
         out.Text(std::string(1000, '7')).Text("cpu").Int(2).Tuple().PersistentId();
       },
       "a storage's key has 1000 bytes"},
      {[](auto& out) {
         out.Mark().Text("storage").Global("torch", "ByteStorage").Text("../version").Text("cpu");
         out.Int(2).Tuple().PersistentId();
       },
       "'m/data/../version' is missing"},
      {[](auto& out) {
         out.Mark().Text("storage").Global("torch", "CharStorage").Text("0").Text("cpu").Int(2);
         out.Tuple().PersistentId().Raw("0");
         out.Mark().Text("storage").Global("torch", "ByteStorage").Text("0").Text("cpu").Int(2);
         out.Tuple().PersistentId();
       },
       "storage '0' is described in two ways"},
  };
  for (const auto& [emit, cause] : references)
    EXPECT_THAT(
        Zip(ZipBytes({{"m/data.pkl", PickleOf(emit)}, {"m/data/0", "ab"}, {"m/version", "3"}})),
        Says(cause));
}

TEST(TorchDamage, WhatIsNoStateDict) {
  const auto file = [](const std::string& pickle) {
    return Zip(ZipBytes({{"m/data.pkl", pickle}, {"m/data/0", "ab"}}));
  };
  EXPECT_NO_THROW(file(GoodPickle())());
  EXPECT_THAT(file(PickleEmitter().Int(3).Finish()), Says("holds no dictionary"));
  EXPECT_THAT(file(PickleEmitter().EmptyDict().Finish()), Says("no tensor in its state dict"));
  EXPECT_THAT(file(PickleEmitter().EmptyDict().Text("state_dict").Int(3).SetItem().Finish()),
              Says("no tensor in its state dict"));
  EXPECT_THAT(file(GoodPickle() + "x"), Says("bytes left over after its pickle"));
  // The tensor itself, without a dictionary.
  std::string bare = Replaced(GoodPickle(), std::string("}q\0X\x01\0\0\0wq\x01", 11), "");
  bare.replace(bare.size() - 2, 1, "");
  EXPECT_THAT(file(bare), Says("a single tensor"));

  EXPECT_THAT(
      file(PickleEmitter().Global("os", "system").Mark().Text("true").Tuple().Reduce().Finish()),
      Says("names 'os.system', which no state dict needs"));
}

TEST(TorchDamage, NamesOfTensors) {
  const auto file = [](const std::string& name) {
    TorchFileBuilder builder;
    builder.Add(name, Ramp(1));
    return Zip(builder.Zip());
  };
  EXPECT_THAT(file(std::string("a\0b", 3)), Says("'a\\x00b' is no UTF-8 text without NUL"));
  EXPECT_THAT(file("\xff"), Says("'\\xff' is no UTF-8 text"));
  EXPECT_THAT(file(std::string(5000, 'x')), Says("a tensor's name has 5000 bytes, more than 4096"));
  TorchFileBuilder twice;
  twice.Add("w", Ramp(1));
  twice.Add("w", Ramp(1));
  EXPECT_THAT(Zip(twice.Zip()), Says("tensor 'w' occurs twice"));
  EXPECT_THAT(Legacy(twice.Legacy()), Says("tensor 'w' occurs twice"));
}

TEST(TorchDamage, ZipFilesOfAnotherKind) {
  const std::string good = GoodPickle();
  EXPECT_THAT(Zip(ZipBytes({{"a.npy", "x"}})), Says("a zip file without data.pkl"));
  EXPECT_THAT(Zip(ZipBytes({{"data.pkl", good}})), Says("a zip file without data.pkl"));
  EXPECT_THAT(Zip(ZipBytes({{"a/data.pkl", good}, {"b/data.pkl", good}})),
              Says("several data.pkl"));
  EXPECT_THAT(Zip(ZipBytes({{"m/data.pkl", good}})), Says("'m/data/0' is missing"));
  EXPECT_THAT(Zip(ZipBytes({{"m/data.pkl", good}, {"m/data/0", "abc"}})),
              Says("storage '0' has 3 bytes instead of 2"));
  EXPECT_THAT(Zip(ZipBytes({{"m/data.pkl", good}, {"m/data/0", "ab"}, {"m/constants.pkl", ")."}})),
              Says("a TorchScript program"));
  EXPECT_THAT(Zip(ZipBytes({{"m/data.pkl", good}, {"m/data/0", "ab"}, {"m/byteorder", "big"}})),
              Says("byte order 'big' is not supported"));
  EXPECT_THAT(Zip(ZipBytes({{"m/data.pkl", good}, {"m/data/0", "ab"}, {"m/version", "x"}})),
              Says("version is 'x'"));
  EXPECT_THAT(
      Zip(ZipBytes(
          {{"m/data.pkl", good}, {"m/data/0", "ab"}, {"m/version", std::string(200, '3')}})),
      Says("has 200 bytes, more than 100"));
}

// Changes two bytes at an offset in both headers of an entry: the local one and the one of the
// directory.
std::string PatchEntry(std::string zip, const std::string& name, size_t in_directory,
                       size_t in_local, const std::string& value) {
  const size_t local = zip.find(name);
  const size_t directory = zip.rfind(name);
  EXPECT_NE(local, directory);
  zip.replace(local - 30 + in_local, value.size(), value);
  zip.replace(directory - 46 + in_directory, value.size(), value);
  return zip;
}

TEST(TorchDamage, HostileZipEntries) {
  const std::string good = ZipBytes({{"m/data.pkl", GoodPickle()}, {"m/data/0", "ab"}});
  const auto four = [](uint32_t value) {
    std::string bytes(4, '\0');
    std::memcpy(bytes.data(), &value, 4);
    return bytes;
  };
  const auto two = [](uint16_t value) {
    std::string bytes(2, '\0');
    std::memcpy(bytes.data(), &value, 2);
    return bytes;
  };
  const std::string name = "m/data/0";
  // Uncompressed size, compressed size, both: in the central directory at 24 and 20, before the
  // data at 22 and 18.
  EXPECT_THAT(Zip(PatchEntry(good, name, 24, 22, four(4'000'000'000))),
              Says("claims 4000000000 bytes"));
  EXPECT_THROW(Zip(PatchEntry(good, name, 20, 18, four(4'000'000'000)))(), Error);
  EXPECT_THROW(Zip(PatchEntry(good, name, 20, 18, four(4'000'000'000) + four(4'000'000'000)))(),
               Error);
  EXPECT_THROW(Zip(PatchEntry(good, "m/data.pkl", 20, 18, four(99'000'000) + four(99'000'000)))(),
               Error);
  EXPECT_THAT(Zip(PatchEntry(good, name, 16, 14, four(1))), Says("'m/data/0' is damaged"));
  EXPECT_THAT(Zip(PatchEntry(good, name, 10, 8, two(12))), Says("the compression 12"));
  EXPECT_THAT(Zip(PatchEntry(good, name, 8, 6, two(1))), Says("is encrypted"));
  // The name m/data/0 becomes a second m/data/1.
  const std::string three =
      ZipBytes({{"m/data.pkl", GoodPickle()}, {"m/data/0", "ab"}, {"m/data/1", "ab"}});
  EXPECT_THAT(Zip(PatchEntry(three, name, 46, 30, "m/data/1")), Says("'m/data/1' occurs twice"));
}

TEST(TorchDamage, ZerosThatDeflateToNothingAreBounded) {
  TorchFileBuilder builder;
  builder.Add("w", Ramp(40 << 20));
  std::fill(builder.storages()[0].bytes.begin(), builder.storages()[0].bytes.end(), '\0');
  EXPECT_THAT(Zip(builder.Zip(Compression::kDeflated)), Says("unfold to more than"));
  const std::string bomb = ZipBytes(
      {{"m/data.pkl", std::string(80 << 20, 'N')}, {"m/data/0", "ab"}}, Compression::kDeflated);
  EXPECT_THAT(Zip(bomb), Says("'m/data.pkl' has 83886080 bytes, more than 67108864"));
}

TEST(TorchDamage, LegacyHeaders) {
  const std::string whole = OneTensor().Legacy();
  const std::string rest = whole.substr(LegacyHeader().size());
  EXPECT_NO_THROW(Legacy(LegacyHeader() + rest)());
  EXPECT_THAT(Legacy(LegacyHeader(false) + rest), Says("big-endian values are not supported"));
  EXPECT_THAT(Legacy(rest), Says("none that torch.save wrote"));
  EXPECT_THAT(Legacy(Replaced(whole, "\x6c\xfc\x9c", "\x6c\xfc\x9d")),
              Says("none that torch.save wrote"));
  EXPECT_THAT(Legacy(Replaced(whole, "M\xe9\x03", "M\xe8\x03")), Says("another version than 1001"));
  const std::string magic = whole.substr(0, 15);
  EXPECT_THAT(
      Legacy(magic + PickleEmitter().Int(1001).Finish() + PickleEmitter().None().Finish() + rest),
      Says("no facts about its machine"));
}

TEST(TorchDamage, LegacyStorages) {
  const std::string start = LegacyHeader() + GoodPickle();
  const auto keys = [](const std::vector<std::string>& names) {
    PickleEmitter out;
    out.EmptyList().Mark();
    for (const std::string& name : names) out.Text(name);
    return out.Appends().Finish();
  };
  const auto storage = [](int64_t elements, const std::string& values) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &elements, 8);
    return bytes + values;
  };
  EXPECT_NO_THROW(Legacy(start + keys({"0"}) + storage(2, "ab"))());
  EXPECT_THAT(Legacy(start + PickleEmitter().None().Finish()), Says("no list of storages"));
  EXPECT_THAT(Legacy(start + keys({})), Says("storage '0' is missing"));
  EXPECT_THAT(Legacy(start + keys({"1"})), Says("storage '1' belongs to no tensor"));
  EXPECT_THAT(Legacy(start + keys({"0", "0"}) + storage(2, "ab") + storage(2, "ab")),
              Says("storage '0' occurs twice"));
  EXPECT_THAT(Legacy(start + keys({"0"})), Says("truncated: storage '0' is missing"));
  EXPECT_THAT(Legacy(start + keys({"0"}) + storage(3, "abc")), Says("has 3 values instead of 2"));
  EXPECT_THAT(Legacy(start + keys({"0"}) + storage(-1, "ab")), Says("instead of 2"));
}

TEST(TorchDamage, FilesThatAreNone) {
  const TempDir dir;
  const auto read = [&](const std::string& bytes) {
    WriteBytes(dir / "x", bytes);
    return [&] { ReadTensorFile(dir / "x"); };
  };
  const auto says = [&](const std::string& cause) {
    return ThrowsMessage<Error>(AllOf(StartsWith((dir / "x").string() + ": "), HasSubstr(cause)));
  };
  EXPECT_THAT(read(""), says("empty file"));
  EXPECT_THAT(read("hello"), says("neither a safetensors file nor a PyTorch checkpoint"));
  EXPECT_THAT(read("\x89PNG\r\n\x1a\n"), says("neither"));
  EXPECT_THAT(read("\x80\x02}."), says("none that torch.save wrote"));
  std::string tar(1024, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_THAT(read(tar),
              says("a tar archive, as PyTorch wrote before version 0.1.12: unsupported"));
  std::filesystem::remove(dir / "x");
  EXPECT_THAT([&] { ReadTensorFile(dir / "x"); }, says("No such file"));
  std::filesystem::create_directory(dir / "x");
  EXPECT_THAT([&] { ReadTensorHeaders(dir / "x"); }, says("no regular file"));
  std::filesystem::remove(dir / "x");
  ASSERT_EQ(mkfifo((dir / "x").c_str(), 0600), 0);
  EXPECT_THAT([&] { SniffTensorFile(dir / "x"); }, says("no regular file"));
}

}  // namespace
}  // namespace i2crc
