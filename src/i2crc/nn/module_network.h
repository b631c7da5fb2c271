// SPDX-License-Identifier: Apache-2.0
// Includes all of libtorch: for nn/'s own sources only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "i2crc/nn/layers.h"
#include "i2crc/nn/network.h"

namespace i2crc {

// What all networks have in common: a tree of modules behind the torch-free face of Network.
class ModuleNetwork : public Network {
 public:
  at::Tensor Forward(const at::Tensor& images) override;
  std::vector<at::Tensor> ForwardLevels(const at::Tensor& images) override;
  std::vector<at::Tensor> Features(const at::Tensor& images) override;
  void Train() override;
  void Eval() override { root_->eval(); }
  void To(const at::Device& device) override { root_->to(device); }
  std::vector<std::pair<std::string, at::Tensor>> State() override;
  std::vector<NamedParameter> Parameters() override;
  bool IsHead(const std::string& name) const override;
  std::string BackbonePrefix() const override { return backbone_prefix_; }
  void SeedDropout(uint64_t seed) override;

 protected:
  // head_prefixes: how the names of the layers begin that do not come from ImageNet.
  ModuleNetwork(NetworkSpec spec, std::string backbone_prefix,
                std::vector<std::string> head_prefixes);
  torch::nn::Module& root() { return *root_; }

  // The output for images in the working precision and channels-last.
  virtual at::Tensor Run(const at::Tensor& images) = 0;
  // What Features answers, in the working precision.
  virtual std::vector<at::Tensor> RunFeatures(const at::Tensor& images) {
    return Network::Features(images);
  }
  // Height and width of the smallest images that Run can take.
  virtual int64_t SmallestSide() const { return 1; }

 private:
  // Which stage of the backbone (FreezeStages) a module belongs to; the largest int: none.
  int BackboneStage(const std::string& module) const;
  void CheckSize(const at::Tensor& images) const;
  at::Tensor Prepare(const at::Tensor& images) const;
  std::vector<at::Tensor> RunLevels(const at::Tensor& images);

  std::shared_ptr<torch::nn::Module> root_;
  std::string backbone_prefix_;
  std::vector<std::string> head_prefixes_;
};

}  // namespace i2crc
