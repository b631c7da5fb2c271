// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/data/class_names.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/network.h"
#include "i2crc/options/option_set.h"
#include "i2crc/train/training_loop.h"

namespace i2crc {

// What the commands with a network do before their first step.

// Throws Error where the device is not there.
void CheckDevice(const ComputeOptions& compute);

// Checks the device, sets libtorch's threads (those that can be started) and denormal handling and,
// for the whole process, how much freed memory is kept; warns of a slow BLAS.
void PrepareCompute(const ComputeOptions& compute, int threads, Context& context);

// The network of a checkpoint, on its device and in its precision. classes: a file of other names,
// or empty. Throws what LoadCheckpoint throws.
LoadedNetwork LoadNetwork(const std::filesystem::path& checkpoint, NetworkKind kind,
                          const std::filesystem::path& classes, const ComputeOptions& compute);

void SetPrecisionAndDevice(Network& network, const ComputeOptions& compute);

// run() on one photograph. Throws Error "PHOTOGRAPH: cause" where the network fails on it (too
// small, no memory) or its output is not finite.
at::Tensor OnPhotograph(const CheckedImage& image, const std::function<at::Tensor()>& run);

// A training that could begin: the rest is to build its task and to run it.
struct Training {
  std::unique_ptr<Network> network;
  CheckpointInfo info;
  TrainingLoopOptions loop;
};

// title: the command's. settings: SettingsOf its options.
Training MakeTraining(const std::string& title, const TrainingOptions& options,
                      const NetworkSpec& spec, const ClassNames& classes,
                      const std::vector<CheckedImage>& images, nlohmann::ordered_json settings);

// Lets it begin with another checkpoint (nn/initial_weights.h), which becomes part of its identity;
// nothing where start is empty. Throws Error as StartFrom does.
void StartTraining(Training& training, const std::filesystem::path& start);

// Says so where the training's folder holds it already. Throws Error as TrainingIsFinished does.
void SayIfFinished(const Training& training, Context& context);

// IDs, tags, sizes and maps of the images as one checksum: part of a training's identity.
std::string ChecksumOfImages(const std::vector<CheckedImage>& images);

}  // namespace i2crc
