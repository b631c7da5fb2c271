// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/labels/label_rules.h"
#include "i2crc/network_steps/predict_step.h"
#include "i2crc/steps/crf_inference.h"
#include "i2crc/threads/pipeline.h"

namespace i2crc {

// What is known of a photograph besides what the network makes of it.
struct PhotographEvidence {
  ImageU8 rgb;
  ImageU8 saliency;                     // where it has a say
  std::vector<TagAttention> attention;  // where it has a say
};

// What is made of a photograph's probabilities: files, after tags, saliency and attention had their
// say and after the CRF, where they are asked for.
class PredictionWriter {
 public:
  // images: how many there will be.
  PredictionWriter(const PredictOptions& options, size_t images, Context& context);

  // network: [labels, H, W] f32 on the CPU. The image must live until Finish.
  void Write(const CheckedImage& image, PhotographEvidence evidence, const at::Tensor& network);
  // Everything that was given to Write is written, or left out where memory does not suffice.
  void Finish() { queue_.Finish(); }
  // So many are written.
  int64_t images() const { return images_; }

 private:
  // Which labels a photograph may have and how probable each is: all labels of the network, or
  // background and the image's tags.
  struct Belief {
    std::vector<int> classes;              // of label 1, 2, …
    std::vector<float> own;                // empty where the network's are the probabilities
    std::span<const float> probabilities;  // [1 + classes, H, W]
  };

  void WriteRefined(const CheckedImage& image, const PhotographEvidence& evidence,
                    const at::Tensor& network);
  Belief BeliefOf(const CheckedImage& image, const PhotographEvidence& evidence,
                  const at::Tensor& network) const;
  // The mask; the probabilities become marginals where anything asks for them.
  ImageU8 AfterCrf(const CheckedImage& image, const ImageU8& rgb, Belief& belief);
  // The same with one CRF for objects and one for names. The probabilities become marginals.
  ImageU8 AfterCrfs(const CheckedImage& image, const ImageU8& rgb, Belief& belief);
  ImageU8 Decide(const CheckedImage& image, const Belief& belief) const;
  // The mask comes last: where it is, the rest is too.
  void WriteFiles(const CheckedImage& image, const ImageU8& rgb, const ImageU8& mask,
                  const std::vector<int64_t>& shape, std::span<const float> probabilities);

  const PredictOptions& options_;
  Context& context_;
  const int threads_;
  std::atomic<int64_t> images_{0};
  std::optional<CrfRunner> runner_;
  FinishQueue queue_;  // last, so that its threads end first
};

}  // namespace i2crc
