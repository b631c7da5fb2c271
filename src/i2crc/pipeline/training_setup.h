// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/data/class_names.h"
#include "i2crc/nn/network.h"
#include "i2crc/options/option_set.h"
#include "i2crc/pipeline/common_options.h"
#include "i2crc/pipeline/image_set.h"

namespace i2crc {

// What both trainings do before their first step.

// Sets libtorch's threads and denormal handling, and warns of a slow BLAS. Throws Error where the
// device is not there.
void PrepareCompute(const ComputeOptions& compute, int threads, Context& context);

// The network with its start: from scratch by the seed, its backbone from weights where given.
std::unique_ptr<Network> MakeStartNetwork(const NetworkSpec& spec,
                                          const std::filesystem::path& weights, uint64_t seed,
                                          const ComputeOptions& compute);

// What decides a training's result: its options without folders and without what only changes the
// speed.
nlohmann::ordered_json TrainingSettings(const OptionSet& set);

// IDs, tags and sizes of the images as one checksum: part of a training's identity.
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
