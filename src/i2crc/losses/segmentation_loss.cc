// SPDX-License-Identifier: Apache-2.0
#include "i2crc/losses/segmentation_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace i2crc {

double CrossEntropy(std::span<const float> logits, std::span<const uint8_t> labels, int images,
                    int label_count, int height, int width, double factor,
                    std::span<float> gradient) {
  const size_t pixels = static_cast<size_t>(height) * static_cast<size_t>(width);
  const auto channels = static_cast<size_t>(label_count);
  ENSURE(labels.size() == static_cast<size_t>(images) * pixels, "labels are [N, h, w]");
  ENSURE(logits.size() == labels.size() * channels && gradient.size() == logits.size(),
         "logits and gradient are [N, L, h, w]");
  const auto valid =
      labels.size() - static_cast<size_t>(std::count(labels.begin(), labels.end(), kIgnoreLabel));
  std::fill(gradient.begin(), gradient.end(), 0.0F);
  if (valid == 0) return 0;
  const double share = 1.0 / static_cast<double>(valid);

  double loss = 0;
  std::vector<double> exponential(channels);
  for (size_t n = 0; n < static_cast<size_t>(images); ++n) {
    for (size_t p = 0; p < pixels; ++p) {
      const uint8_t label = labels[n * pixels + p];
      if (label == kIgnoreLabel) continue;
      if (label >= label_count)
        Fail("label {} in a mask, but the network has {} labels (0 to {})", label, label_count,
             label_count - 1);
      const size_t first = n * channels * pixels + p;
      float largest = logits[first];
      for (size_t c = 1; c < channels; ++c) largest = std::max(largest, logits[first + c * pixels]);
      double sum = 0;
      for (size_t c = 0; c < channels; ++c) {
        exponential[c] = std::exp(static_cast<double>(logits[first + c * pixels]) - largest);
        sum += exponential[c];
      }
      loss += std::log(sum) + largest - logits[first + label * pixels];
      for (size_t c = 0; c < channels; ++c)
        gradient[first + c * pixels] =
            static_cast<float>(factor * share * (exponential[c] / sum - (c == label ? 1.0 : 0.0)));
    }
  }
  return loss * share;
}

}  // namespace i2crc
