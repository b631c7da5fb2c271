// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/core/image.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/network.h"
#include "i2crc/train/sgd.h"

namespace i2crc {

// What a loader thread makes of one image.
struct Sample {
  ImageF32 image;         // normalised, [H, W, 3]
  ImageU8 map;            // saliency (stage 1) or labels (stage 4), the image's size
  std::vector<int> tags;  // stage 1
};

// What a batch's forward and backward pass found.
struct LossReport {
  double total = 0;
  std::vector<std::pair<std::string, double>> parts;
};

// What differs between the trainings of stage 1 and stage 4.
class TrainingTask {
 public:
  virtual ~TrainingTask() = default;

  virtual int64_t steps() const = 0;            // optimiser steps
  virtual int accumulate() const { return 1; }  // batches a step
  // Samples [first, second) of a batch; batches follow each other without a gap. Batch b belongs to
  // step b / accumulate().
  virtual std::pair<int64_t, int64_t> SamplesOfBatch(int64_t batch) const = 0;
  // Depends on (seed, sample) alone; called on loader threads.
  virtual Sample MakeSample(int64_t sample) const = 0;
  virtual int64_t Epoch(int64_t step) const = 0;
  virtual double Rate(int64_t step) const = 0;
  // Forward, loss and backward of one batch; the gradients of share × loss are added up in the
  // parameters. images: f32 [N, 3, H, W], channels-last.
  virtual LossReport Backward(Network& network, const at::Tensor& images,
                              const std::vector<Sample>& batch, double share) const = 0;
};

struct TrainingLoopOptions {
  std::string title;  // "train-cls"
  std::filesystem::path out;
  uint64_t seed = 1;
  int loader_threads = 2;
  int64_t checkpoint_every = 500;  // optimiser steps; 0: at the end and when interrupted only
  std::string device = "cpu";
  // Steps in a row to pass over because their loss or gradient is not finite; one more stops.
  int64_t max_bad_steps = 0;
  // Decay of the average of the weights that becomes the trained network; 0: the last weights do.
  double average = 0;
  // What decides the result besides the code; a training with another one is not continued.
  nlohmann::ordered_json identity;
};

struct TrainingResult {
  int64_t steps = 0;
  int64_t resumed_at = 0;  // step
  int64_t bad_steps = 0;   // of them, passed over; of all calls
  double seconds = 0;      // of this call
  double waited = 0;       // of them, waiting for loader threads
  double last_loss = 0;    // mean over the last tenth of the steps of this call
};

inline constexpr const char* kTrainingState = "training-state.safetensors";

// Trains from OUT/training-state.safetensors where it is there, else from the network's present
// state, and leaves
//   OUT/checkpoint.safetensors       the trained network (nn/checkpoint.h)
//   OUT/training-state.safetensors   network, momenta, average and step, to go on from
//   OUT/metrics.jsonl                a line a step: step, epoch, losses, rate, seconds; of a step
//                                    that was passed over bad_steps, how many there were until now
// A run that is interrupted by a signal first saves its state and then throws Interrupted. Whatever
// the moment it was cut off, the resumed run gives the bytes of one that was not. A step whose loss
// or gradient is not finite leaves the network and the momenta as they are. Throws Error where more
// of them than allowed follow each other (naming the step), and where OUT holds a training of
// another identity.
TrainingResult RunTraining(Network& network, Sgd& sgd, const TrainingTask& task,
                           const CheckpointInfo& info, const TrainingLoopOptions& options,
                           Context& context);

// Whether OUT holds a finished training of that identity. Throws Error where it holds one of
// another, or where its checkpoint or its state is damaged.
bool TrainingIsFinished(const std::filesystem::path& out, const nlohmann::ordered_json& identity);

}  // namespace i2crc
