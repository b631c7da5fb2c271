// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/labels/label_rules.h"

namespace i2crc {

// What speaks for background and for each tag at the pixels of one photograph (docs/method.md).
// Sources that are not there are left empty; at least one must be. All have the photograph's size
// (Error where not, naming the source).
struct Evidence {
  const ImageU8* saliency = nullptr;             // 255 salient
  std::span<const TagAttention> attention = {};  // in ascending order of tag
  std::span<const float> network = {};  // [labels, H, W]: softmax of a segmentation network
  int labels = 0;                       // of the network: background and all classes
  int height = 0, width = 0;
};

struct EvidenceOptions {
  // The network's share of the belief in an object where there is saliency too, 0…1: where the two
  // agree about the photograph, and where what they call object has nothing in common. Between, by
  // the IoU of the two.
  double network_share = 0.5;
  double network_share_apart = -1;  // −1: the same
  // Of a tag's claims, with a network: 0 leaves them, 1 divides them by their mean over the object.
  double balance = 0.5;
};

// Probabilities of background and of each of `tags` (ascending), [1 + tags, H, W] f32; they sum to
// 1, and none is much below 1e-4.
//
// Whether a pixel is object, and whose object it is, are told apart. Object: what saliency says and
// what the network gives to all classes together, pooled as log odds with the network's share
// (clipped to 0.02…0.98 before, so that neither decides alone); without a network the saliency
// alone, without saliency the network alone, and with neither the strongest attention of a tag.
// Whose: the network's probabilities of the tags, times their attention where there is any; or
// without a network the attention squared; each over the sum, and where that is 0 all tags share
// alike. The network knows nothing of the tags: a part of a dog that it takes for a sheep is an
// object, and the dog's. Nor does it know that each of them is somewhere in the photograph, so that
// with a network a tag's claims are divided by a power (`balance`) of their mean over the object.
//
// Without tags a photograph is background everywhere.
std::vector<float> ProbabilitiesOfTags(const Evidence& evidence, std::span<const int> tags,
                                       const EvidenceOptions& options = {});

// The label with the largest probability of [1 + tags, H, W], 255 where that is below min_certain
// (0: nowhere).
ImageU8 DecideLabels(std::span<const float> probabilities, std::span<const int> tags, int height,
                     int width, double min_certain);

}  // namespace i2crc
