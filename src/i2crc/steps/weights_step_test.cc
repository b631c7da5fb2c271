// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/weights_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "i2crc/inputs/made_folder.h"
#include "i2crc/weights/tensor_file.h"
#include "support/torch_file_builder.h"

namespace i2crc {
namespace {

using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::MadeFolder;
using testing::ReadBytes;
using testing::TorchFileBuilder;

TensorMap SomeTensors() {
  TensorMap tensors;
  const std::vector<float> values = {1, -2, 3.5F, 0.25F, 5, 6};
  tensors.Add("layer1.0.conv1.weight", Tensor::FromF32({2, 3}, values));
  tensors.Add("half", Tensor::F16FromF32({6}, values));
  const std::vector<uint8_t> bytes = {7, 8};
  tensors.Add("bytes", Tensor::FromU8({2, 1}, bytes));
  return tensors;
}

void ExpectEqual(const TensorMap& found, const TensorMap& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found.items()[i].first, expected.items()[i].first);
    EXPECT_EQ(found.items()[i].second.dtype, expected.items()[i].second.dtype);
    EXPECT_EQ(found.items()[i].second.shape, expected.items()[i].second.shape);
    EXPECT_EQ(found.items()[i].second.bytes, expected.items()[i].second.bytes);
  }
}

class WeightsStepTest : public ::testing::Test {
 protected:
  WeightsStepTest() {
    TorchFileBuilder builder;
    builder.Add(SomeTensors()).with_optimizer = true;
    folder_.Text("zip.pth", builder.Zip());
    folder_.Text("legacy.pth", builder.Legacy());
    TensorMap tensors = SomeTensors();
    tensors.metadata["note"] = "kept";
    WriteSafetensors(folder_ / "plain.safetensors", tensors);
  }

  std::string RefusalOf(const std::string& in, const std::string& out) {
    Context context;
    const auto files = folder_.Files("");
    const std::string message =
        ErrorOf([&] { PrepareConversion(folder_ / in, folder_ / out).Run(context); }, folder_);
    EXPECT_FALSE(context.work_began());
    EXPECT_EQ(folder_.Files(""), files);
    return message;
  }

  MadeFolder folder_;
};

TEST_F(WeightsStepTest, ConvertsEveryKindWithoutLoss) {
  for (const char* name : {"zip.pth", "legacy.pth", "plain.safetensors"}) {
    SCOPED_TRACE(name);
    Context context;
    const auto out = folder_ / ("made/" + std::string(name) + ".safetensors");
    const ConvertResult result = PrepareConversion(folder_ / name, out).Run(context);
    EXPECT_EQ(result.tensors, 3u);
    EXPECT_EQ(result.bytes, 24u + 12 + 2);
    EXPECT_TRUE(context.work_began());
    const TensorMap converted = ReadTensorFile(out);
    ExpectEqual(converted, SomeTensors());
    EXPECT_EQ(converted.metadata, ReadTensorFile(folder_ / name).metadata);
    EXPECT_FALSE(converted.metadata.empty());
  }
  EXPECT_EQ(ReadBytes(folder_ / "made/plain.safetensors.safetensors"),
            ReadBytes(folder_ / "plain.safetensors"));
}

TEST_F(WeightsStepTest, NamesTheKindOfFileAndWhoseItIs) {
  EXPECT_THAT(DescribeWeights(folder_ / "zip.pth"),
              HasSubstr("zip.pth: PyTorch checkpoint (zip), names of torchvision's networks\n"));
  EXPECT_THAT(DescribeWeights(folder_ / "legacy.pth"),
              HasSubstr("legacy.pth: PyTorch checkpoint (legacy, a stream of pickles)"));
  const std::string plain = DescribeWeights(folder_ / "plain.safetensors");
  EXPECT_THAT(plain, HasSubstr("plain.safetensors: safetensors, names of torchvision's"));
  EXPECT_THAT(plain, HasSubstr("note: kept"));
  EXPECT_THAT(plain, HasSubstr("[2, 3]"));
  EXPECT_THAT(plain, HasSubstr("3 tensors, 14 parameters, 38 bytes"));
}

TEST_F(WeightsStepTest, TellsTheAuthorsCheckpointsAndOurs) {
  const std::vector<float> value = {1};
  for (const auto& [name, origin] : std::vector<std::pair<std::string, std::string>>{
           {"module.extra_convs.0.weight", "names of the authors' checkpoints"},
           {"base.classifier.conv2d_list.0.weight", "names of the authors' checkpoints"},
           {"features.0.weight", "names of torchvision's networks"}}) {
    TensorMap tensors;
    tensors.Add(name, Tensor::FromF32({1}, value));
    WriteSafetensors(folder_ / "some.safetensors", tensors);
    EXPECT_THAT(DescribeWeights(folder_ / "some.safetensors"), HasSubstr(origin));
    tensors.metadata["i2crc"] = "{}";
    WriteSafetensors(folder_ / "some.safetensors", tensors);
    EXPECT_THAT(DescribeWeights(folder_ / "some.safetensors"),
                HasSubstr("checkpoint of i2crc train-cls or train-seg"));
  }
}

TEST_F(WeightsStepTest, RefusesToOverwriteWhatItReads) {
  std::filesystem::create_symlink(folder_ / "plain.safetensors", folder_ / "link.safetensors");
  EXPECT_THAT(RefusalOf("plain.safetensors", "plain.safetensors"), HasSubstr("own conversion"));
  EXPECT_THAT(RefusalOf("plain.safetensors", "link.safetensors"), HasSubstr("own conversion"));
}

TEST_F(WeightsStepTest, RefusesOtherEndingsAndFolders) {
  EXPECT_THAT(RefusalOf("zip.pth", "made/out.pth"), HasSubstr("must end in .safetensors"));
  std::filesystem::create_directory(folder_ / "folder.safetensors");
  EXPECT_EQ(RefusalOf("zip.pth", "folder.safetensors"), "folder.safetensors: is a folder");
}

TEST_F(WeightsStepTest, RefusesFilesThatCannotBeRead) {
  EXPECT_THAT(RefusalOf("nowhere.pth", "made/out.safetensors"), HasSubstr("nowhere.pth: "));
  folder_.Text("cut.pth", ReadBytes(folder_ / "zip.pth").substr(0, 300));
  EXPECT_THAT(RefusalOf("cut.pth", "made/out.safetensors"), HasSubstr("cut.pth: "));
  EXPECT_THAT(ErrorOf([&] { DescribeWeights(folder_ / "cut.pth"); }, folder_),
              HasSubstr("cut.pth: "));
}

}  // namespace
}  // namespace i2crc
