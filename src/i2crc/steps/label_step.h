// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/labels/label_rules.h"
#include "i2crc/labels/object_label.h"
#include "i2crc/options/option_set.h"
#include "i2crc/steps/crf_options.h"

namespace i2crc {

// The thresholds of LabelRuleOptions as options hold them (f64); the rules themselves are f32.
struct LabelThresholds {
  double object_floor = 0.3;       // values of g below it count 0
  double attention_certain = 0.5;  // a map above it makes its pixel an object for the doubt rule
  double conflict = 0.9;           // more than one plane above it: ignored; 1: never
  int doubt = 32;                  // background this salient is ignored; 256: never
  double min_foreground = 0.01;    // share of the pixels below which the whole mask is ignored

  LabelRuleOptions rules() const;
};

// Thresholds of ObjectLabelOptions on a scale of 0 to 1.
struct ObjectThresholds {
  double object = 0.7, background = 0.1, missed = 0.5, owner = 0.5, rival = 0.2;

  ObjectLabelOptions rules() const;
};

// Stage 3: attention maps and saliency to initial labels, by the rules of ALGORITHM.md ("paper") or
// by what stands out (labels/object_label.h: "object").
struct LabelOptions {
  std::filesystem::path cams, saliency, list, out;
  std::filesystem::path classes;  // empty: VOC's
  std::string rule = "paper";     // paper or object
  LabelThresholds rules;          // of the paper's
  // What follows is the other rule's.
  ObjectThresholds thresholds;
  bool partial_labels = false;  // 254 where an object may belong to several tags
  // … of an image whose tags stand alone in at least so many images of the list: of a tag that is
  // never alone nothing would say what it looks like.
  int min_alone = 0;
  // Where there is no saliency, the attention fitted to the photographs by the dense CRF is taken
  // for it.
  std::filesystem::path images;
  CrfOptions crf;
  ItemOptions items;
};
void Describe(LabelOptions& options, OptionSet& set);

struct LabelResult : MaskCounts {
  int64_t tags_without_map = 0;  // of the images whose masks were written
  // Images with and without tags, and the sum of their shares of salient pixels (at least 128).
  int64_t tagged = 0, untagged = 0;
  double salient_of_tagged = 0, salient_of_untagged = 0;
};

// Writes OUT/ID.png for every image of the list, from SALIENCY/ID.png and CAMS/ID_k.png of each tag
// k; a tag without a map is passed over. With --rule object saliency may be "none"; masks then
// have the photographs' size. Before the first mask is written list,
// folders, and the headers and sizes of all maps are checked. Files, messages and their order do
// not depend on the number of threads. Warns where photographs without tags are as salient as those
// with tags: then the maps show something else than the tags.
Work<LabelResult> PrepareLabel(const LabelOptions& options, Context& context);

}  // namespace i2crc
