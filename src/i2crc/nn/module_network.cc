// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/module_network.h"

#include <algorithm>
#include <array>
#include <limits>

#include "i2crc/core/error.h"
#include "i2crc/core/random.h"

namespace i2crc {
namespace {

// Names in the order of a PyTorch state dict: of each module its parameters, its buffers, then its
// children.
void Collect(const torch::nn::Module& module, const std::string& prefix,
             std::vector<std::pair<std::string, at::Tensor>>& state) {
  for (const auto& item : module.named_parameters(/*recurse=*/false))
    state.emplace_back(prefix + item.key(), item.value());
  for (const auto& item : module.named_buffers(/*recurse=*/false))
    state.emplace_back(prefix + item.key(), item.value());
  for (const auto& child : module.named_children())
    Collect(*child.value(), prefix + child.key() + ".", state);
}

constexpr double kSmallScales[] = {0.5, 0.75};  // of the multi-scale wrapper

int64_t ScaledSide(int64_t side, double scale) {
  return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(side) * scale));
}

// By the given factor, not by the sizes: the coordinates follow it though the size is rounded down.
at::Tensor Shrink(const at::Tensor& images, double scale) {
  return at::upsample_bilinear2d(
      images, {ScaledSide(images.size(2), scale), ScaledSide(images.size(3), scale)},
      /*align_corners=*/false, scale, scale);
}

at::Tensor Enlarge(const at::Tensor& logits, const at::Tensor& like) {
  return at::upsample_bilinear2d(logits, like.sizes().slice(2), /*align_corners=*/false);
}

}  // namespace

ModuleNetwork::ModuleNetwork(NetworkSpec spec, std::string backbone_prefix,
                             std::vector<std::string> head_prefixes)
    : Network(std::move(spec)),
      root_(std::make_shared<torch::nn::Module>()),
      backbone_prefix_(std::move(backbone_prefix)),
      head_prefixes_(std::move(head_prefixes)) {}

at::Tensor ModuleNetwork::Prepare(const at::Tensor& images) const {
  const auto type = precision_ == Precision::kBF16 ? at::kBFloat16 : at::kFloat;
  return images.to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

void ModuleNetwork::CheckSize(const at::Tensor& images) const {
  const int64_t height = images.size(2), width = images.size(3);
  const double smallest = spec_.multi_scale ? kSmallScales[0] : 1.0;
  if (ScaledSide(std::min(height, width), smallest) >= SmallestSide()) return;
  Fail("input of {}x{} pixels is too small for {}{}", width, height, spec_.arch,
       spec_.multi_scale ? " with the multi-scale wrapper" : "");
}

std::vector<at::Tensor> ModuleNetwork::RunLevels(const at::Tensor& images) {
  CheckSize(images);
  const at::Tensor whole = Run(Prepare(images)).to(at::kFloat);
  if (!spec_.multi_scale) return {whole};
  std::vector<at::Tensor> levels = {whole};
  at::Tensor largest = whole;
  for (const double scale : kSmallScales) {
    const at::Tensor logits = Run(Prepare(Shrink(images, scale))).to(at::kFloat);
    levels.push_back(logits);
    largest = at::maximum(largest, Enlarge(logits, whole));
  }
  levels.push_back(largest);
  return levels;
}

at::Tensor ModuleNetwork::Forward(const at::Tensor& images) { return RunLevels(images).back(); }

std::vector<at::Tensor> ModuleNetwork::Features(const at::Tensor& images) {
  CheckSize(images);
  std::vector<at::Tensor> layers = RunFeatures(Prepare(images));
  for (at::Tensor& layer : layers) layer = layer.to(at::kFloat);
  return layers;
}

std::vector<at::Tensor> ModuleNetwork::ForwardLevels(const at::Tensor& images) {
  return RunLevels(images);
}

void ModuleNetwork::Train() {
  root_->train();
  for (auto& item : root_->named_modules("", /*include_self=*/false)) {
    const bool frozen = BackboneStage(item.key()) < frozen_stages_;
    for (at::Tensor& parameter : item.value()->parameters(/*recurse=*/false))
      parameter.requires_grad_(!frozen);
    auto* norm = item.value()->as<BatchNormImpl>();
    if (norm == nullptr) continue;
    norm->frozen = frozen || frozen_batch_norm_;
    norm->weight.requires_grad_(!norm->frozen);
    norm->bias.requires_grad_(!norm->frozen);
  }
}

int ModuleNetwork::BackboneStage(const std::string& module) const {
  constexpr int kNone = std::numeric_limits<int>::max();
  if (IsHead(module + ".") || !module.starts_with(backbone_prefix_)) return kNone;
  const std::string name = module.substr(backbone_prefix_.size());
  if (name.starts_with("conv1") || name.starts_with("bn1")) return 0;
  if (name.starts_with("layer")) return name[5] - '0';
  // VGG16's layers are numbered; these are the first ones behind its poolings.
  if (name.empty() || name.find_first_not_of("0123456789") != std::string::npos) return kNone;
  constexpr std::array<int, 4> kBehindPooling = {5, 10, 17, 24};
  const int number = std::stoi(name);
  return static_cast<int>(std::count_if(kBehindPooling.begin(), kBehindPooling.end(),
                                        [&](int first) { return number >= first; }));
}

std::vector<std::pair<std::string, at::Tensor>> ModuleNetwork::State() {
  std::vector<std::pair<std::string, at::Tensor>> state;
  Collect(*root_, "", state);
  return state;
}

std::vector<NamedParameter> ModuleNetwork::Parameters() {
  std::vector<NamedParameter> parameters;
  for (auto& [name, tensor] : State())
    if (tensor.requires_grad())
      parameters.push_back({name, tensor, IsHead(name), name.ends_with(".bias")});
  return parameters;
}

bool ModuleNetwork::IsHead(const std::string& name) const {
  return std::any_of(head_prefixes_.begin(), head_prefixes_.end(),
                     [&](const std::string& prefix) { return name.starts_with(prefix); });
}

void ModuleNetwork::SeedDropout(uint64_t seed) {
  uint64_t layer = 0;
  for (auto& module : root_->modules(/*include_self=*/false))
    if (auto* dropout = module->as<SeededDropoutImpl>())
      dropout->Seed(Random({seed, layer++}).Next());
}

}  // namespace i2crc
