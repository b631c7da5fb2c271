// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/inputs/common_options.h"
#include "i2crc/labels/evidence.h"
#include "i2crc/options/option_set.h"
#include "i2crc/steps/crf_options.h"

namespace i2crc {

// Prediction of stage 4 of ALGORITHM.md: whole photographs, logits enlarged, softmax, the dense CRF
// where it is asked for, argmax.
struct PredictOptions {
  std::filesystem::path checkpoint, images, list, out, classes;
  // The network that learned from the second half of the list (data/image_list.h, HalfOf), where
  // `checkpoint` learned from the first: each photograph is predicted by the one that has not seen
  // it.
  std::filesystem::path cross;
  // Also ID.safetensors: `probability`, f16 [C+1, H, W]; after the CRF its marginals.
  bool probabilities = false;
  std::vector<double> scales = {1};  // of the photograph, whose probabilities are averaged
  bool flip = false;                 // averaged with its mirror image
  // unknown: every label may win. listed: only background and the tags of the list, together with
  // what saliency and attention say (labels/evidence.h). guessed: classes count as far as another
  // network sees them in the photograph.
  std::string tags = "unknown";
  std::filesystem::path saliency;   // listed: folder of maps, or empty
  std::filesystem::path cams;       // listed: folder of attention maps, or empty
  std::filesystem::path attention;  // guessed: that network, of train-tags or train-cls
  EvidenceOptions evidence;
  // A mask is decided by two questions, with the CRF and without: where an object is, of whatever
  // class, and then whose (labels/objects_first.h); else by one argmax.
  bool objects_first = false;
  bool objects = false;    // also ID_object.png: what the network alone takes for an object
  bool owners = false;     // also ID_owner.png: how sure it is which tag an object is, 0…255
  double min_certain = 0;  // a pixel whose label is less probable is ignored
  bool overlay = false;    // also ID_overlay.jpg: the mask laid over the photograph
  bool use_crf = false;
  CrfOptions crf;
  ItemOptions items;
  ComputeOptions compute;
};
void Describe(PredictOptions& options, OptionSet& set);

}  // namespace i2crc
