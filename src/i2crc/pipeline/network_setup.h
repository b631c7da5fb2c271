// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/data/class_names.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/network.h"
#include "i2crc/options/option_set.h"
#include "i2crc/pipeline/common_options.h"
#include "i2crc/pipeline/image_set.h"
#include "i2crc/train/training_loop.h"

namespace i2crc {

// What the commands with a network do before their first step.

// Throws Error where the device is not there.
void CheckDevice(const ComputeOptions& compute);

// Checks the device, sets libtorch's threads (those that can be started) and denormal handling and,
// for the whole process, how much freed memory is kept; warns of a slow BLAS.
void PrepareCompute(const ComputeOptions& compute, int threads, Context& context);

// A training that could begin: the rest is to build its task and to run it.
struct Training {
  std::unique_ptr<Network> network;
  CheckpointInfo info;
  TrainingLoopOptions loop;
};

// Throws Error where weights (a file, or empty) do not fit the backbone of a network.
void CheckBackbone(const NetworkSpec& spec, const std::filesystem::path& weights);

// The architecture that ImageNet weights are of: vgg16, resnet18, resnet50 or resnet101. Throws
// Error "FILE: …" where they are of none of them.
std::string BackboneOf(const std::filesystem::path& weights);

// title: the command's. settings: SettingsOf its options.
Training MakeTraining(const std::string& title, const TrainingOptions& options,
                      const NetworkSpec& spec, const ClassNames& classes,
                      const std::vector<CheckedImage>& images, nlohmann::ordered_json settings);

// Fills a network from another checkpoint: all of it from a network's of the same kind, classes and
// architecture (but for the stride of an attention network), the backbone of a segmentation network
// from an attention network's. Throws Error "FILE: …" where it does not fit.
void StartFrom(Network& network, const std::filesystem::path& checkpoint,
               const ClassNames& classes);

// IDs, tags, sizes and maps of the images as one checksum: part of a training's identity.
std::string ChecksumOfImages(const std::vector<CheckedImage>& images);

// Which image each sample is: every epoch in an order of its own, decided by (seed, epoch).
class SampleOrder {
 public:
  SampleOrder(int64_t images, uint64_t seed);
  int64_t images() const { return images_; }
  // Image of sample number `sample`, counted over all epochs. Safe to call from several threads.
  int64_t Image(int64_t sample) const;

 private:
  struct Cache;
  int64_t images_;
  uint64_t seed_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace i2crc
