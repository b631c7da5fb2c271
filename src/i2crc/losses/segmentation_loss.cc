// SPDX-License-Identifier: Apache-2.0
#include "i2crc/losses/segmentation_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace i2crc {

namespace {

// The labels that a pixel may have, [labels] of 1 and 0.
void AllowedLabels(uint8_t label, std::span<const uint8_t> tags_of_image,
                   std::vector<uint8_t>& allowed) {
  const bool is_set = label == kAnyTagLabel || label == kTagOrBackgroundLabel;
  if (is_set && !tags_of_image.empty()) {
    std::copy(tags_of_image.begin(), tags_of_image.end(), allowed.begin());
    allowed[0] = label == kTagOrBackgroundLabel ? 1 : 0;
    return;
  }
  if (label >= allowed.size())
    Fail("label {} in a mask, but the network has {} labels (0 to {})", label, allowed.size(),
         allowed.size() - 1);
  std::fill(allowed.begin(), allowed.end(), uint8_t{0});
  allowed[label] = 1;
}

}  // namespace

double CrossEntropy(std::span<const float> logits, std::span<const uint8_t> labels, int images,
                    int label_count, int height, int width, double factor,
                    std::span<float> gradient, std::span<const uint8_t> tags) {
  const size_t pixels = static_cast<size_t>(height) * static_cast<size_t>(width);
  const auto channels = static_cast<size_t>(label_count);
  ENSURE(labels.size() == static_cast<size_t>(images) * pixels, "labels are [N, h, w]");
  ENSURE(logits.size() == labels.size() * channels && gradient.size() == logits.size(),
         "logits and gradient are [N, L, h, w]");
  ENSURE(tags.empty() || tags.size() == static_cast<size_t>(images) * channels, "tags are [N, L]");
  const auto valid =
      labels.size() - static_cast<size_t>(std::count(labels.begin(), labels.end(), kIgnoreLabel));
  std::fill(gradient.begin(), gradient.end(), 0.0F);
  if (valid == 0) return 0;
  const double share = 1.0 / static_cast<double>(valid);

  double loss = 0;
  std::vector<double> exponential(channels);
  std::vector<uint8_t> allowed(channels);
  for (size_t n = 0; n < static_cast<size_t>(images); ++n) {
    const auto tags_of_image = tags.empty() ? tags : tags.subspan(n * channels, channels);
    for (size_t p = 0; p < pixels; ++p) {
      const uint8_t label = labels[n * pixels + p];
      if (label == kIgnoreLabel) continue;
      AllowedLabels(label, tags_of_image, allowed);
      const size_t first = n * channels * pixels + p;
      float largest = logits[first];
      for (size_t c = 1; c < channels; ++c) largest = std::max(largest, logits[first + c * pixels]);
      double sum = 0, sum_of_allowed = 0;
      if (std::none_of(allowed.begin(), allowed.end(), [](uint8_t a) { return a != 0; }))
        continue;  // one of the tags of an image that has none: nothing is said
      // Of the allowed ones alone, so that a label that gets next to nothing has a loss and no 0/0.
      float largest_allowed = -std::numeric_limits<float>::infinity();
      for (size_t c = 0; c < channels; ++c)
        if (allowed[c] != 0)
          largest_allowed = std::max(largest_allowed, logits[first + c * pixels]);
      for (size_t c = 0; c < channels; ++c) {
        exponential[c] = std::exp(static_cast<double>(logits[first + c * pixels]) - largest);
        sum += exponential[c];
        if (allowed[c] != 0)
          sum_of_allowed +=
              std::exp(static_cast<double>(logits[first + c * pixels]) - largest_allowed);
      }
      loss += std::log(sum) + largest - (std::log(sum_of_allowed) + largest_allowed);
      for (size_t c = 0; c < channels; ++c) {
        const double target =
            allowed[c] == 0
                ? 0.0
                : std::exp(static_cast<double>(logits[first + c * pixels]) - largest_allowed) /
                      sum_of_allowed;
        gradient[first + c * pixels] =
            static_cast<float>(factor * share * (exponential[c] / sum - target));
      }
    }
  }
  return loss * share;
}

}  // namespace i2crc
