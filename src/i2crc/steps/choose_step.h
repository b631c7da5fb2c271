// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "i2crc/core/context.h"
#include "i2crc/core/work.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

// Which of two rounds of masks is kept, judged without truth (labels/source_agreement.h): by the
// saliency, a network that has not seen the photographs, and the attention.
struct ChooseOptions {
  std::filesystem::path before, after;  // folders of masks ID.png
  // Maps of what is an object. saliency "none": there are too few sources to judge by, and `after`
  // is kept.
  std::filesystem::path saliency;  // ID.png
  // ID_object.png, of predict --objects: each round is judged with its own network.
  std::filesystem::path network_before, network_after;
  std::filesystem::path cams;  // ID_k.png
  std::filesystem::path list, out;
  std::filesystem::path classes;  // empty: VOC's
  // The later round is kept unless the earlier one is expected to be better by more than this: only
  // objects are judged, and the later round knows more of their names.
  double margin = 0;
  // Whether what the kept masks ignore is decided by the sources.
  bool decide_ignored = false;
  ItemOptions items;
};
void Describe(ChooseOptions& options, OptionSet& set);

struct ChooseResult {
  int64_t images = 0;
  bool is_after = true;  // which is kept
  bool is_judged = false;
  // Whether the sources agree on enough to be believed; if not, the later round is kept.
  bool do_agree = false;
  // Mean over the photographs with tags of the IoU of objects that is to be expected.
  double before = 0, after = 0;
};

// Writes OUT/ID.png, the masks that are kept, and OUT/choice.json: which, why, and what each would
// be worth. Files, messages and their order do not depend on the number of threads.
Work<ChooseResult> PrepareChoose(const ChooseOptions& options, Context& context);
// A line of which was kept and why.
void LogChoice(const ChooseOptions& options, const ChooseResult& result, Context& context);

}  // namespace i2crc
