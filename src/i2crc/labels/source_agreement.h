// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc {

// What three sources that do not know of one another say of a photograph's pixels, 255: an object.
// All have the photograph's size.
struct ObjectSources {
  ImageU8 saliency;
  ImageU8 network;    // one that has not learned from this photograph
  ImageU8 attention;  // the strongest of any tag
};

// How probable an object is for what the three sources say, learned from their agreement.
class ObjectBelief {
 public:
  static constexpr int kSources = 3;
  static constexpr int kLevels = 8;  // that a source's 0…255 are told apart in
  static constexpr int kCells = kLevels * kLevels * kLevels;

  // probability: of an object in each cell, [saliency][network][attention].
  explicit ObjectBelief(std::vector<double> probability);

  static int Cell(uint8_t saliency, uint8_t network, uint8_t attention) {
    constexpr int kStep = 256 / kLevels;
    return (saliency / kStep * kLevels + network / kStep) * kLevels + attention / kStep;
  }
  double Of(int cell) const { return probability_[static_cast<size_t>(cell)]; }

  // The IoU of the mask's objects (all labels but 0 and 255 together) with the true ones that is to
  // be expected: the sum of the belief over its objects, over its objects and the belief elsewhere.
  // Ignored pixels count half: they are no mistake, and no help. 1 where there is neither.
  double ExpectedIou(const ImageU8& mask, const ObjectSources& sources) const;

 private:
  std::vector<double> probability_;
};

// Learns how far each source can be trusted from nothing but how they agree: the latent class model
// of Dawid and Skene (1979). A pixel is object or not; each source, independent of the others given
// that, says one of its levels with a probability of its own; these and the share of objects are
// fitted to the counts by expectation maximisation. A source that says the same of everything gets
// no weight, and one that the two others contradict little.
class SourceAgreement {
 public:
  // Every photograph weighs the same. Throws Error where sizes differ.
  void Add(const ObjectSources& sources);
  // Of at least one photograph. Starts from the mean of the three levels.
  ObjectBelief Fit() const;

 private:
  std::vector<double> shares_ = std::vector<double>(ObjectBelief::kCells, 0.0);  // of each cell
};

}  // namespace i2crc
