// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/objects_first.h"

#include <algorithm>
#include <cmath>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

// What a softmax rounded to 0 still claims, so that the claims of a pixel never sum to 0.
constexpr float kLeast = 1e-12F;

size_t ClassesOf(std::span<const float> probabilities, size_t pixels) {
  ENSURE(pixels > 0 && probabilities.size() % pixels == 0 && probabilities.size() >= 2 * pixels,
         "{} probabilities for {} pixels", probabilities.size(), pixels);
  return probabilities.size() / pixels - 1;
}

}  // namespace

std::vector<float> ObjectOrNot(std::span<const float> probabilities, size_t pixels) {
  ClassesOf(probabilities, pixels);
  std::vector<float> object(2 * pixels);
  for (size_t p = 0; p < pixels; ++p) {
    object[p] = probabilities[p];
    object[pixels + p] = std::max(0.0F, 1 - probabilities[p]);
  }
  return object;
}

std::vector<float> OwnersOfObjects(std::span<const float> probabilities, size_t pixels) {
  const size_t classes = ClassesOf(probabilities, pixels);
  std::vector<float> owners(classes * pixels);
  for (size_t p = 0; p < pixels; ++p) {
    const float object = std::max(0.0F, 1 - probabilities[p]);
    float sum = 0;
    for (size_t k = 0; k < classes; ++k) {
      const float claim = std::pow(std::max(probabilities[(k + 1) * pixels + p], kLeast), object);
      owners[k * pixels + p] = claim;
      sum += claim;
    }
    for (size_t k = 0; k < classes; ++k) owners[k * pixels + p] /= sum;
  }
  return owners;
}

std::vector<float> ObjectTimesOwners(std::span<const float> object, std::span<const float> owners,
                                     size_t pixels) {
  ENSURE(object.size() == 2 * pixels && owners.size() % pixels == 0 && !owners.empty(),
         "{} and {} probabilities for {} pixels", object.size(), owners.size(), pixels);
  std::vector<float> probabilities(pixels + owners.size());
  std::copy_n(object.begin(), pixels, probabilities.begin());
  for (size_t i = 0; i < owners.size(); ++i)
    probabilities[pixels + i] = object[pixels + i % pixels] * owners[i];
  return probabilities;
}

ImageU8 DecideObjectsFirst(std::span<const float> probabilities, std::span<const int> classes,
                           int height, int width, double min_certain) {
  ImageU8 mask(height, width, 1);
  const size_t pixels = mask.pixels();
  ENSURE(probabilities.size() == pixels * (classes.size() + 1), "{} probabilities for {}x{} pixels",
         probabilities.size(), width, height);
  for (size_t p = 0; p < pixels; ++p) {
    size_t best = 0;
    if (!classes.empty() && probabilities[p] < 0.5F) {
      best = 1;
      for (size_t k = 2; k <= classes.size(); ++k)
        if (probabilities[k * pixels + p] > probabilities[best * pixels + p]) best = k;
    }
    const bool is_certain = probabilities[best * pixels + p] >= static_cast<float>(min_certain);
    const int label = best == 0 ? 0 : classes[best - 1] + 1;
    mask.data()[p] = is_certain ? static_cast<uint8_t>(label) : kIgnoreLabel;
  }
  return mask;
}

}  // namespace i2crc
