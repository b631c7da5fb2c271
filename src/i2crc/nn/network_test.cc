// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/network.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "i2crc/core/error.h"
#include "i2crc/nn/layers.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/weights/tensor_file.h"
#include "support/formula_weights.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

// Weights by the formula of the goldens, in the state dict's order.
void FillByFormula(Network& network) {
  const torch::NoGradGuard no_grad;
  TensorMap filled;
  int64_t k = 0;
  for (auto& [name, tensor] : network.State()) {
    const std::vector<int64_t> shape(tensor.sizes().begin(), tensor.sizes().end());
    filled.Add(name, testing::FormulaTensor(name, shape, k++));
  }
  LoadState(network, filled, "formula");
}

void ExpectGolden(const at::Tensor& ours, const Tensor& golden) {
  const at::Tensor truth = ToTorch(golden);
  ASSERT_EQ(ours.sizes(), truth.sizes());
  const double largest = truth.abs().max().item<double>();
  EXPECT_LT((ours - truth).abs().max().item<double>(), 1e-3 * largest);
}

TensorMap Golden(const std::string& name) {
  return ReadTensorFile(testing::SharedPath("goldens/" + name));
}

struct AttentionGolden {
  const char* arch;
  const char* file;
  int outputs;
};

class AttentionGoldens : public ::testing::TestWithParam<AttentionGolden> {};

TEST_P(AttentionGoldens, ForwardAgrees) {
  I2CRC_NEEDS_SHARED("goldens");
  const torch::NoGradGuard no_grad;
  auto network = MakeNetwork({.arch = GetParam().arch, .outputs = 20}, 1);
  FillByFormula(*network);
  network->Eval();
  const TensorMap golden = Golden(GetParam().file);
  for (const std::string prefix : {"", "odd."}) {
    if (golden.Find(prefix + "input") == nullptr) continue;
    const at::Tensor scores = network->Forward(ToTorch(*golden.Find(prefix + "input")));
    ExpectGolden(scores, *golden.Find(prefix + "score_maps"));
    if (const Tensor* logits = golden.Find(prefix + "logits"))
      ExpectGolden(scores.mean({2, 3}), *logits);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, AttentionGoldens,
    ::testing::Values(AttentionGolden{"vgg16", "network_vgg16_attention.safetensors", 20},
                      AttentionGolden{"resnet18", "network_resnet18_attention.safetensors", 20},
                      AttentionGolden{"resnet50", "network_resnet50_attention.safetensors", 20}));

TEST(SegmentationGoldens, DeepLabAgreesWithAndWithoutTheWrapper) {
  I2CRC_NEEDS_SHARED("goldens");
  const torch::NoGradGuard no_grad;
  const TensorMap golden = Golden("network_deeplabv2_resnet101_msc.safetensors");
  for (const bool multi_scale : {true, false}) {
    auto network =
        MakeNetwork({.arch = "deeplab-resnet101", .outputs = 21, .multi_scale = multi_scale}, 1);
    FillByFormula(*network);
    network->Eval();
    ExpectGolden(network->Forward(ToTorch(*golden.Find("input"))),
                 *golden.Find(multi_scale ? "logits_msc" : "logits_single_scale"));
  }
}

TEST(StateDicts, NamesAndShapesAreTheAuthors) {
  I2CRC_NEEDS_SHARED("goldens");
  const struct {
    const char* file;
    NetworkSpec spec;
  } cases[] = {{"state_dict_vgg16_attention.json", {.arch = "vgg16", .outputs = 20}},
               {"state_dict_resnet18_attention.json", {.arch = "resnet18", .outputs = 20}},
               {"state_dict_resnet50_attention.json", {.arch = "resnet50", .outputs = 20}},
               {"state_dict_deeplabv2_resnet101_msc.json",
                {.arch = "deeplab-resnet101", .outputs = 21, .multi_scale = true}}};
  for (const auto& c : cases) {
    std::ifstream in(testing::SharedPath(std::string("goldens/") + c.file));
    const auto golden = nlohmann::ordered_json::parse(in);
    auto network = MakeNetwork(c.spec, 1);
    const auto state = network->State();
    ASSERT_EQ(state.size(), golden.size()) << c.file;
    size_t i = 0;
    for (const auto& [name, shape] : golden.items()) {
      EXPECT_EQ(state[i].first, name);
      EXPECT_EQ(state[i].second.sizes().vec(), shape.get<std::vector<int64_t>>()) << name;
      ++i;
    }
  }
}

TEST(Networks, StridesAreWhatTheMethodSays) {
  const torch::NoGradGuard no_grad;
  const at::Tensor images = torch::zeros({1, 3, 64, 80});
  for (const std::string& arch : AttentionArchs()) {
    auto network = MakeNetwork({.arch = arch, .outputs = 5, .width = 0.125}, 1);
    network->Eval();
    const int64_t stride = arch == "vgg16" ? 8 : arch.ends_with("-stride32") ? 32 : 16;
    const int64_t height = 64 / stride, width = (80 + stride - 1) / stride;  // rounded up
    EXPECT_EQ(network->Forward(images).sizes().vec(), (std::vector<int64_t>{1, 5, height, width}))
        << arch;
    if (arch == "vgg16") {
      EXPECT_THROW(network->Features(images), Error);
    } else {
      const std::vector<at::Tensor> layers = network->Features(images);
      ASSERT_EQ(layers.size(), 4U);
      EXPECT_EQ(layers[0].sizes().slice(2), (at::IntArrayRef{16, 20})) << arch;
      EXPECT_EQ(layers[2].sizes().slice(2), (at::IntArrayRef{4, 5})) << arch;
      EXPECT_EQ(layers[3].sizes().slice(2), (at::IntArrayRef{height, width})) << arch;
    }
  }
  for (const std::string& arch : SegmentationArchs()) {
    auto network =
        MakeNetwork({.arch = arch, .outputs = 7, .width = 0.125, .multi_scale = true}, 1);
    network->Eval();
    const auto levels = network->ForwardLevels(images);
    ASSERT_EQ(levels.size(), 4u);
    // VGG16 rounds down, a ResNet's stem rounds up.
    EXPECT_EQ(levels[0].sizes().vec(), (std::vector<int64_t>{1, 7, 8, 10})) << arch;
    EXPECT_EQ(levels[1].sizes().vec(), (std::vector<int64_t>{1, 7, 4, 5})) << arch;
    EXPECT_EQ(levels[2].sizes().vec(),
              (std::vector<int64_t>{1, 7, 6, arch == "largefov-vgg16" ? 7 : 8}))
        << arch;
    EXPECT_EQ(levels[3].sizes(), levels[0].sizes());
  }
}

TEST(Networks, FoldedBatchNormIsBatchNorm) {
  const torch::NoGradGuard no_grad;
  Conv conv(ConvShape{.in = 6, .out = 9, .kernel = 3, .stride = 2, .padding = 1});
  BatchNorm norm(9);
  conv->weight.copy_(torch::randn(conv->weight.sizes()));
  norm->running_mean.copy_(torch::randn({9}));
  norm->running_var.copy_(torch::rand({9}) + 0.1);
  norm->weight.copy_(torch::randn({9}));
  norm->bias.copy_(torch::randn({9}));
  norm->eval();
  const at::Tensor x = torch::randn({2, 6, 13, 11});
  const at::Tensor plain =
      at::batch_norm(conv->forward(x), norm->weight, norm->bias, norm->running_mean,
                     norm->running_var, false, 0.1, 1e-5, true);
  EXPECT_LT((ConvNorm(conv, norm, x) - plain).abs().max().item<double>(), 1e-4);
}

TEST(Networks, FrozenBatchNormTrainsItsConvolutionsOnly) {
  auto network = MakeNetwork({.arch = "resnet18", .outputs = 3, .width = 0.125}, 1);
  network->FreezeBatchNorm();
  network->Train();
  for (const auto& parameter : network->Parameters())
    EXPECT_TRUE(parameter.value.dim() == 4 || parameter.name == "head.bias") << parameter.name;
  const TensorMap before = SaveState(*network);
  network->Forward(torch::randn({2, 3, 32, 32})).sum().backward();
  for (const auto& parameter : network->Parameters())
    EXPECT_TRUE(parameter.value.grad().defined()) << parameter.name;
  const TensorMap after = SaveState(*network);
  for (const auto& [name, tensor] : before.items())
    EXPECT_EQ(tensor.bytes, after.Find(name)->bytes) << name;
}

void ExpectError(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "no error that says: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Networks, FrozenStagesKeepParametersAndStatistics) {
  for (const char* arch : {"deeplabplus-resnet18", "largefov-vgg16"}) {
    SCOPED_TRACE(arch);
    auto network = MakeNetwork({.arch = arch, .outputs = 3, .width = 0.0625}, 1);
    network->FreezeStages(2);
    network->Train();
    network->Forward(torch::randn({2, 3, 48, 48})).square().sum().backward();
    const std::set<std::string> first =
        network->spec().arch == "largefov-vgg16"
            ? std::set<std::string>{"features.0.", "features.2.", "features.5.", "features.7."}
            : std::set<std::string>{"features.conv1.", "features.bn1.", "features.layer1."};
    for (const auto& [name, tensor] : network->State()) {
      const bool is_frozen =
          std::any_of(first.begin(), first.end(),
                      [&](const std::string& prefix) { return name.starts_with(prefix); });
      if (name.ends_with("num_batches_tracked")) {
        EXPECT_EQ(tensor.item<int64_t>(), is_frozen ? 0 : 1) << name;
      } else if (name.find("running_") == std::string::npos) {
        EXPECT_EQ(tensor.grad().defined(), !is_frozen) << name;
      }
    }
    for (const NamedParameter& parameter : network->Parameters())
      EXPECT_TRUE(parameter.value.requires_grad());
  }
}

TEST(Networks, DeepLabPlusHasStrideEightAndSeesTheWholeImage) {
  const torch::NoGradGuard no_grad;
  auto network = MakeNetwork({.arch = "deeplabplus-resnet18", .outputs = 3, .width = 0.125}, 1);
  network->Eval();
  at::Tensor images = torch::randn({1, 3, 96, 160});
  const at::Tensor logits = network->Forward(images);
  EXPECT_EQ(logits.sizes().vec(), (std::vector<int64_t>{1, 3, 12, 20}));
  // Its pooled branch carries a far corner to every place.
  images.slice(2, 0, 16).slice(3, 0, 16).add_(5);
  const at::Tensor other = network->Forward(images);
  EXPECT_GT((other - logits).abs().select(2, 11).select(2, 19).max().item<double>(), 0);
}

TEST(Networks, BatchNormOfOneValuePerChannelIsRefusedInTraining) {
  auto network = MakeNetwork({.arch = "resnet18", .outputs = 3, .width = 0.125}, 1);
  const at::Tensor one = torch::randn({1, 3, 16, 16});
  network->Train();
  ExpectError([&] { network->Forward(one); },
              "batch norm needs more than one value per channel in training, its input is "
              "[1, 32, 1, 1]");
  network->Forward(torch::randn({2, 3, 16, 16}));
  for (const auto& [name, tensor] : network->State())
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  network->Eval();
  EXPECT_TRUE(network->Forward(one).isfinite().all().item<bool>());
  network->FreezeBatchNorm();
  network->Train();
  EXPECT_TRUE(network->Forward(one).isfinite().all().item<bool>());
}

TEST(Networks, InputsAsSmallAsAnArchitectureTakes) {
  const torch::NoGradGuard no_grad;
  const auto make = [](const std::string& arch, bool multi_scale) {
    auto network =
        MakeNetwork({.arch = arch, .outputs = 3, .width = 0.0625, .multi_scale = multi_scale}, 1);
    network->Eval();
    return network;
  };
  const auto pixels = [](int64_t height, int64_t width) {
    return torch::zeros({1, 3, height, width});
  };
  for (const bool multi_scale : {false, true}) {
    const auto deeplab = make("deeplab-resnet18", multi_scale);
    EXPECT_EQ(deeplab->Forward(pixels(1, 1)).sizes().vec(), (std::vector<int64_t>{1, 3, 1, 1}));
    EXPECT_EQ(deeplab->Forward(pixels(1, 40)).sizes().vec(), (std::vector<int64_t>{1, 3, 1, 5}));
  }
  ExpectError([&] { make("vgg16", false)->Forward(pixels(7, 64)); },
              "input of 64x7 pixels is too small for vgg16");
  EXPECT_NO_THROW(make("vgg16", false)->Forward(pixels(8, 64)));
  ExpectError([&] { make("largefov-vgg16", false)->Forward(pixels(64, 7)); },
              "input of 7x64 pixels is too small for largefov-vgg16");
  EXPECT_NO_THROW(make("largefov-vgg16", false)->Forward(pixels(8, 8)));
  ExpectError([&] { make("largefov-vgg16", true)->Forward(pixels(15, 16)); },
              "input of 16x15 pixels is too small for largefov-vgg16 with the multi-scale wrapper");
  EXPECT_NO_THROW(make("largefov-vgg16", true)->Forward(pixels(16, 16)));
}

TEST(Networks, StartDependsOnTheSeedAlone) {
  const NetworkSpec spec{.arch = "largefov-vgg16", .outputs = 4, .width = 0.0625};
  auto state = [&](uint64_t seed) { return SaveState(*MakeNetwork(spec, seed)); };
  const TensorMap a = state(1), again = state(1), other = state(2);
  EXPECT_EQ(a.items()[0].second.bytes, again.items()[0].second.bytes);
  EXPECT_NE(a.items()[0].second.bytes, other.items()[0].second.bytes);
}

TEST(Networks, DropoutFollowsItsSeedAndIsOffInEvaluation) {
  const torch::NoGradGuard no_grad;
  auto network = MakeNetwork({.arch = "largefov-vgg16", .outputs = 4, .width = 0.25}, 1);
  const at::Tensor x = torch::randn({1, 3, 32, 32});
  network->Train();
  auto run = [&](uint64_t seed) {
    network->SeedDropout(seed);
    return network->Forward(x);
  };
  EXPECT_TRUE(run(1).equal(run(1)));
  EXPECT_FALSE(run(1).equal(run(2)));
  // The passes of one batch draw masks of their own.
  network->SeedDropout(1);
  const at::Tensor first = network->Forward(x), second = network->Forward(x);
  EXPECT_TRUE(first.equal(run(1)));
  EXPECT_FALSE(second.equal(first));
  network->SeedDropout(1);
  network->Forward(x);
  EXPECT_TRUE(network->Forward(x).equal(second));
  network->Eval();
  EXPECT_TRUE(run(1).equal(run(2)));
}

TEST(Networks, ThePassesOfTheWrapperDoNotShareTheirMasks) {
  SeededDropout dropout(0.5);
  dropout->train();
  const auto step = [&] {
    dropout->Seed(9);
    std::vector<at::Tensor> masks;
    for (const int64_t side : {8, 4, 6}) masks.push_back(dropout(torch::ones({1, 5, side, side})));
    return masks;
  };
  const auto masks = step(), again = step();
  for (size_t i = 0; i < masks.size(); ++i) EXPECT_TRUE(masks[i].equal(again[i])) << i;
  const auto begin = [](const at::Tensor& mask) { return mask.flatten().slice(0, 0, 5 * 4 * 4); };
  EXPECT_FALSE(begin(masks[0]).equal(begin(masks[1])));
  EXPECT_FALSE(begin(masks[0]).equal(begin(masks[2])));
  EXPECT_FALSE(begin(masks[1]).equal(begin(masks[2])));
}

TEST(Networks, Bf16IsNearF32) {
  const torch::NoGradGuard no_grad;
  auto network = MakeNetwork({.arch = "resnet18", .outputs = 4, .width = 0.25}, 1);
  network->Eval();
  const at::Tensor x = torch::randn({1, 3, 64, 64});
  const at::Tensor exact = network->Forward(x);
  network->SetPrecision(Precision::kBF16);
  const at::Tensor half = network->Forward(x);
  EXPECT_EQ(half.scalar_type(), at::kFloat);
  EXPECT_LT((half - exact).abs().max().item<double>(), 0.1 * exact.abs().max().item<double>());
  EXPECT_FALSE(half.equal(exact)) << "computed in f32";
}

TEST(LoadBackbone, NamesWhatIsMissingLeftOverOrOfAnotherShape) {
  const NetworkSpec spec{.arch = "resnet18", .outputs = 3, .width = 0.125};
  auto network = MakeNetwork(spec, 1);
  auto weights = [&](const std::function<void(TensorMap&)>& change) {
    TensorMap all = SaveState(*network), kept;
    for (auto& [name, tensor] : all.items())
      if (!name.starts_with("head.") && !name.ends_with("num_batches_tracked"))
        kept.Add(name, tensor);
    kept.Add("fc.weight", Tensor::FromF32({1}, std::vector<float>{1}));
    change(kept);
    return kept;
  };
  LoadBackbone(*network, weights([](TensorMap&) {}), "w.pth");
  ExpectError(
      [&] {
        LoadBackbone(*network, weights([](TensorMap& w) { w.items()[1].first = "bn1.other"; }),
                     "w.pth");
      },
      "w.pth: bn1.weight is missing");
  ExpectError(
      [&] {
        LoadBackbone(*network, weights([](TensorMap& w) {
          w.Add("extra", Tensor::FromF32({1}, std::vector<float>{1}));
        }),
                     "w.pth");
      },
      "w.pth: extra is not part of the network");
  ExpectError(
      [&] {
        LoadBackbone(*network, weights([](TensorMap& w) {
          w.items()[1].second = Tensor::FromF32({2}, std::vector<float>{1, 2});
        }),
                     "w.pth");
      },
      "w.pth: bn1.weight has shape [2], the network needs [8]");
}

TEST(LoadBackbone, TakesThePrefixOfDataParallelOffUnlessNamesClash) {
  auto network = MakeNetwork({.arch = "resnet18", .outputs = 3, .width = 0.125}, 1);
  auto other = MakeNetwork(network->spec(), 2);
  TensorMap weights;
  for (const auto& [name, tensor] : network->State())
    if (!network->IsHead(name)) weights.Add("module." + name, FromTorch(tensor));
  LoadBackbone(*other, weights, "w.pth");
  const TensorMap loaded = SaveState(*other);
  EXPECT_EQ(loaded.Find("conv1.weight")->bytes, weights.Find("module.conv1.weight")->bytes);
  weights.Add("conv1.weight", *loaded.Find("conv1.weight"));
  ExpectError([&] { LoadBackbone(*other, weights, "w.pth"); },
              "w.pth: tensor 'conv1.weight' occurs twice");
}

TEST(LoadBackbone, TakesTorchvisionsWeights) {
  I2CRC_NEEDS_SHARED("weights/resnet18-imagenet.safetensors");
  const auto path = testing::SharedPath("weights/resnet18-imagenet.safetensors");
  const TensorMap weights = ReadTensorFile(path);
  for (const auto& spec :
       {NetworkSpec{.arch = "resnet18", .outputs = 20},
        NetworkSpec{.arch = "deeplab-resnet18", .outputs = 21, .multi_scale = true}}) {
    auto network = MakeNetwork(spec, 1);
    LoadBackbone(*network, weights, path.string());
    const TensorMap state = SaveState(*network);
    EXPECT_EQ(state.Find(network->BackbonePrefix() + "layer4.1.conv2.weight")->ToF32(),
              weights.Find("layer4.1.conv2.weight")->ToF32());
  }
}

}  // namespace
}  // namespace i2crc
