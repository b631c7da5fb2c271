// SPDX-License-Identifier: Apache-2.0
// Checkpoints, weights and detectors that do not fit or are damaged.
#include <cstring>

#include "i2crc/saliency/made_onnx.h"
#include "i2crc/weights/tensor_file.h"
#include "support/scenes_world.h"
#include "support/torch_file_builder.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

using ::testing::HasSubstr;

class NetworksTest : public ProgramTest {
 protected:
  static Arguments WithCheckpoint(Arguments command, const std::string& file) {
    command[2] = file;
    return command;
  }
  // A checkpoint of the attention network, changed.
  void WriteChanged(const std::function<void(TensorMap&)>& change) {
    TensorMap tensors = ReadTensorFile(ScenesWorld::Get().attention());
    change(tensors);
    WriteSafetensors(dir_ / "c.safetensors", tensors);
  }
  void ExpectRefusedChange(const std::function<void(TensorMap&)>& change,
                           const std::string& message) {
    WriteChanged(change);
    ExpectRefused(WithCheckpoint(Cam(), "c.safetensors"), "c.safetensors: " + message);
  }
  // By everything that reads tensors.
  void ExpectRefusedFile(const std::string& name, const std::string& bytes,
                         const std::string& message) {
    Write(name, bytes);
    ExpectRefused(WithCheckpoint(Predict(), name), name + ": " + message);
    ExpectRefused(TrainSeg() + Arguments{"--weights", name}, name + ": " + message);
    ExpectRefused({"weights", "convert", name, "out.safetensors"}, name + ": " + message);
  }
  void ExpectRefusedHeader(const std::string& header, const std::string& message) {
    const uint64_t length = header.size();
    std::string bytes(sizeof(length), '\0');
    std::memcpy(bytes.data(), &length, sizeof(length));
    Write("h.safetensors", bytes + header + std::string(64, '\0'));
    ExpectRefused({"weights", "inspect", "h.safetensors"}, "h.safetensors: " + message);
  }
  static TorchFileBuilder Torch() {
    TorchFileBuilder builder;
    builder.Add("conv1.weight", Tensor::FromF32({2, 3, 7, 7}, std::vector<float>(294, 0.5F)));
    builder.Add("fc.weight", Tensor::FromF32({2, 2}, std::vector<float>(4, 1.0F)));
    return builder;
  }
};

TEST_F(NetworksTest, CheckpointsOfAnotherKind) {
  const ScenesWorld& world = ScenesWorld::Get();
  ExpectRefused(WithCheckpoint(Cam(), world.segmentation()),
                "a network for segmentation (deeplab-resnet18), needed is one for attention");
  ExpectRefused(WithCheckpoint(Predict(), world.attention()),
                "a network for attention (resnet18), needed is one for segmentation");
  Write("two.txt", "cat\ndog\n");
  ExpectRefused(Cam() + Arguments{"--classes", "two.txt"},
                "a network for 6 classes, --classes names 2");
  ExpectRefused(Predict() + Arguments{"--classes", "two.txt"},
                "a network for 6 classes, --classes names 2");
  ExpectRefused(WithCheckpoint(Cam(), "nowhere.pth"), "nowhere.pth: No such file or directory");
  ExpectRefused(WithCheckpoint(Cam(), "s"), "s: no regular file");
}

TEST_F(NetworksTest, CheckpointsThatDoNotHoldTheirNetwork) {
  const auto rename = [](const std::string& from, const std::string& to) {
    return [=](TensorMap& tensors) {
      for (auto& [name, tensor] : tensors.items())
        if (name == from) name = to;
    };
  };
  ExpectRefusedChange(rename("bn1.weight", "bn1.scale"), "bn1.weight is missing");
  ExpectRefusedChange(
      [](TensorMap& tensors) {
        tensors.Add("surplus", Tensor::FromF32({1}, std::vector<float>{1}));
      },
      "surplus is not part of the network");
  ExpectRefusedChange(
      [](TensorMap& tensors) {
        for (auto& [name, tensor] : tensors.items())
          if (name == "bn1.weight") tensor = Tensor::FromF32({3}, std::vector<float>(3));
      },
      "bn1.weight has shape [3], the network needs [8]");
  const auto describe = [](const std::string& from, const std::string& to) {
    return [=](TensorMap& tensors) {
      std::string& text = tensors.metadata.at("i2crc");
      const size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << from;
      text.replace(at, from.size(), to);
    };
  };
  ExpectRefusedChange(describe("\"arch\":\"resnet18\"", "\"arch\":\"resnet50\""),
                      "layer1.0.conv1.weight has shape");
  ExpectRefusedChange(describe("\"arch\":\"resnet18\"", "\"arch\":\"resnet19\""),
                      "its description is damaged: unknown architecture 'resnet19'");
  ExpectRefusedChange(describe("\"width\":0.125", "\"width\":1e9"),
                      "its description is damaged: width 1000000000");
  ExpectRefusedChange(describe("\"width\":0.125", "\"width\":8"),
                      "its tensors have 178322 values, too few");
  ExpectRefusedChange(describe("\"input_size\":64", "\"input_size\":1000000"),
                      "its description is damaged");
  ExpectRefusedChange(describe("{", "{{"), "its description is damaged");
  ExpectRefusedChange(describe("\"dorro\",", ""), "head.weight has shape");
  ExpectRefusedChange([](TensorMap& tensors) { tensors.metadata.clear(); },
                      "a network with 6 outputs and without class names; name them with --classes");
}

TEST_F(NetworksTest, CheckpointsThatADiskChanged) {
  std::string bytes = ReadBytes(ScenesWorld::Get().attention());
  bytes[bytes.size() - 100] ^= 1;
  Write("c.safetensors", bytes);
  ExpectRefused(WithCheckpoint(Cam(), "c.safetensors"),
                "c.safetensors: damaged: its tensors are not those that were written; make it "
                "again, by the training that made it");
  ExpectRefused(TrainSeg() + Arguments{"--start", "c.safetensors"}, "c.safetensors: damaged");
}

TEST_F(NetworksTest, WeightsOfAnotherArchitecture) {
  const ScenesWorld& world = ScenesWorld::Get();
  ExpectRefused(TrainSeg() + Arguments{"--weights", world.segmentation()},
                "checkpoint.safetensors: conv1.weight is missing");
  ExpectRefused(TrainSeg() + Arguments{"--weights", world.attention()},
                "checkpoint.safetensors: head.");
  Write("w.pth", Torch().Zip());
  ExpectRefused(TrainCls() + Arguments{"--weights", "w.pth"},
                "w.pth: conv1.weight has shape [2, 3, 7, 7], the network needs [8, 3, 7, 7]");
  ExpectRefused(TrainCls() + Arguments{"--weights", "nowhere.pth"},
                "nowhere.pth: No such file or directory");
}

TEST_F(NetworksTest, FilesThatEndEarly) {
  const std::string ours = ReadBytes(ScenesWorld::Get().segmentation());
  ExpectRefusedFile("c.safetensors", ours.substr(0, ours.size() - 1000), "tensor '");
  ExpectRefusedFile("c.safetensors", ours.substr(0, 1000), "truncated: a header of");
  ExpectRefusedFile("c.safetensors", "", "empty file");
  const std::string zip = Torch().Zip(), legacy = Torch().Legacy();
  ExpectRefusedFile("w.pth", zip.substr(0, zip.size() / 2), "damaged or truncated zip file");
  ExpectRefusedFile("w.pth", legacy.substr(0, legacy.size() - 10), "truncated: storage");
  ExpectRefusedFile("w.pth", legacy.substr(0, 60), "");
  ExpectRefusedFile("w.pth", "not a checkpoint at all\n", "neither a safetensors file nor");
}

TEST_F(NetworksTest, HostileSizes) {
  ExpectRefusedHeader(
      R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,64]}})",
      "tensor 'a' of shape");
  ExpectRefusedHeader(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,64]}})", "");
  ExpectRefusedHeader(R"({"a":{"dtype":"F32","shape":[16],"data_offsets":[0,99999999999]}})",
                      "tensor 'a' ends 99999999935 bytes behind the end of the file");
  ExpectRefusedHeader(R"({"a":{"dtype":"F32","shape":[16],"data_offsets":[64,0]}})",
                      "tensor 'a' ends before it begins");
  Write("h.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}");
  ExpectRefused({"weights", "inspect", "h.safetensors"}, "h.safetensors: ");

  TorchFileBuilder claims = Torch();
  claims.storages()[0].elements = int64_t{1} << 60;
  ExpectRefusedFile("w.pth", claims.Zip(), "");
  ExpectRefusedFile("w.pth", claims.Legacy(), "");
  TorchFileBuilder beyond;
  const size_t storage = beyond.AddStorage(Tensor::FromF32({4}, std::vector<float>(4)));
  beyond.AddView({"conv1.weight", storage, 0, {1 << 20, 1 << 20}, {1, 1}});
  ExpectRefusedFile("w.pth", beyond.Zip(), "a tensor of shape [1048576, 1048576]");
  beyond = {};
  beyond.AddStorage(Tensor::FromF32({4}, std::vector<float>(4)));
  beyond.AddView({"conv1.weight", 0, 0, {1 << 30, 1 << 10}, {0, 0}});
  ExpectRefusedFile("w.pth", beyond.Legacy(), "its tensors unfold to more than");
}

TEST_F(NetworksTest, PicklesThatWantToRunSomething) {
  const std::string evil =
      PickleEmitter().Global("os", "system").Text("touch ran").Raw("\x85").Reduce().Finish();
  ExpectRefusedFile("w.pth", ZipBytes({{"archive/data.pkl", evil}, {"archive/version", "3\n"}}),
                    "");
  EXPECT_FALSE(fs::exists(dir_ / "ran"));
}

TEST_F(NetworksTest, FilesThatAreNoDetector) {
  const auto refused = [&](const std::string& bytes, const std::string& message) {
    Write("m.onnx", bytes);
    ExpectRefused({"saliency", "--model", "m.onnx", "--images", "s/JPEGImages", "--out", "out"},
                  "m.onnx: " + message);
  };
  refused("", "the file is empty");
  refused(ReadBytes(dir_ / "s/train.txt"), "");
  refused(TinyClassifier(10), "no saliency detector: its output");
  const std::string whole = RedDetector({1, 3, 16, 16});
  refused(whole.substr(0, whole.size() / 2), "");
  refused(RedDetector({1, 1, 16, 16}), "no saliency detector: its input 'image' is [1, 1, 16, 16]");
  refused(RedDetector({1, 3, 16, 1 << 20}), "no saliency detector: its input");
  ExpectRefused({"saliency", "--model", "none.onnx", "--images", "s/JPEGImages", "--out", "out"},
                "none.onnx: No such file or directory");
  Write("m.onnx", whole);
  ExpectRefused(
      {"saliency", "--model", "m.onnx", "--images", "s/JPEGImages", "--out", "s/JPEGImages"},
      "--out s/JPEGImages: ");
}

}  // namespace
}  // namespace i2crc::testing
