// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/core/image.h"
#include "i2crc/steps/crf_options.h"

namespace i2crc {

// What an image's pixels are by themselves.
struct CrfUnary {
  enum class Kind { kProbability, kEnergy };  // an energy is −log of a probability
  Kind kind = Kind::kProbability;
  std::span<const float> values;  // [labels, H, W]
  int labels = 0;
};

struct CrfOutput {
  Image<uint16_t> mask;          // the label with the largest marginal of those that can win
  std::vector<float> marginals;  // [labels, H, W], 0 for labels that cannot; empty if not asked for
};

// The dense CRF of a step, for images of any size, on several threads at once; its memory serves
// one image after the other. The output does not depend on the threads nor on what came before.
class CrfRunner {
 public:
  // Throws Error "--crf-…: cause" where this machine cannot do what the options say. The context,
  // which must live as long, hears of threads that cannot be started.
  CrfRunner(const CrfSettings& settings, int threads_an_image, Context& context);
  ~CrfRunner();

  // rgb: the photograph, of the unary's size; tags: of the image, as classes from 0, each one of
  // the labels. Of CrfLabels::kMass the likeliest label always stays. Throws Error "NAME: cause"
  // for values that no probability has.
  CrfOutput Run(const CrfUnary& unary, const ImageU8& rgb, std::span<const int> tags,
                bool want_marginals, const std::string& name);

 private:
  struct Worker;
  std::unique_ptr<Worker> MakeWorker() const;
  std::unique_ptr<Worker> Take();
  void GiveBack(std::unique_ptr<Worker> worker);

  CrfSettings settings_;
  int threads_an_image_;
  Context& context_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_;
};

// The labels of 0 … labels − 1 that can win, ascending.
std::vector<int> LabelsThatCount(const CrfSettings& settings, const CrfUnary& unary,
                                 std::span<const int> tags);

// Throws Error "NAME: cause" for an image that is too large for the CRF.
void CheckCrfSize(int labels, int height, int width, const std::string& name);

}  // namespace i2crc
