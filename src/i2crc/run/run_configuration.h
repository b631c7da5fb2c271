// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "i2crc/inputs/common_options.h"
#include "i2crc/network_options/run_options.h"
#include "i2crc/network_steps/cam_step.h"
#include "i2crc/network_steps/objects_step.h"
#include "i2crc/network_steps/predict_step.h"
#include "i2crc/network_steps/train_cls_step.h"
#include "i2crc/network_steps/train_seg_step.h"
#include "i2crc/network_steps/train_tags_step.h"
#include "i2crc/options/option_set.h"
#include "i2crc/options/toml_file.h"
#include "i2crc/run/recipe.h"
#include "i2crc/run/stage_names.h"
#include "i2crc/saliency/saliency_step.h"
#include "i2crc/steps/choose_step.h"
#include "i2crc/steps/crf_options.h"
#include "i2crc/steps/eval_step.h"
#include "i2crc/steps/label_step.h"
#include "i2crc/steps/refine_step.h"

namespace i2crc {

// Every stage's options as a configuration gives them: defaults, the recipe's values, what [run]
// says for all, the section of the stage.
struct RunConfiguration {
  RunOptions run;
  Recipe recipe;
  RecipeFacts facts;  // what a practical recipe was derived from
  // With --minutes, whether an effort was fitted to them: now, or by an earlier run of these data.
  bool effort_is_fitted = false;
  SaliencyOptions saliency;
  TrainTagsOptions train_tags;  // recipe practical, with a ResNet's weights
  TrainClsOptions train_cls;
  CamOptions cam;
  ObjectsOptions objects;  // recipe practical, with a ResNet's weights
  LabelOptions label;
  // train_seg_1b is of recipe practical, whose first round has two networks: train_seg_1 learns
  // from the first half of the photographs, train_seg_1b from the second.
  TrainSegOptions train_seg_1, train_seg_1b, train_seg_2;
  CrfOptions crf;  // [crf], for both predictions
  PredictOptions predict_train, predict_tagged, predict_val;
  // Of recipe practical: what the second network learns from, and the masks that are the result.
  ChooseOptions choose_labels, choose_masks;
  RefineOptions refine;
  EvalOptions eval;

  bool is_practical() const { return recipe.name == "practical"; }
  // Whether a network tells the tags of photographs that have none given.
  bool guesses_tags() const { return is_practical() && predict_val.tags == "guessed"; }
  // Whether there are saliency maps of a detector, the user's or the run's own.
  bool has_detector() const { return !saliency.model.empty() || !IsNone(run.saliency); }
  // Whether object maps are grown from the tags, and pooled with the detector's where there are
  // some.
  bool grows_objects() const { return is_practical() && CanTellTags(facts); }
  // The stage whose network makes the attention maps. Relation losses want a detector's maps:
  // without them attention is that of train-tags.
  StageId attention_stage() const {
    return grows_objects() && !has_detector() ? StageId::kTrainTags : StageId::kTrainCls;
  }
  // The stages that make the detector's maps, and the maps of what is an object, by which labels
  // are made; none where they are the user's own or there are none.
  std::optional<StageId> detector_stage() const {
    if (!saliency.model.empty()) return StageId::kSaliency;
    return std::nullopt;
  }
  std::optional<StageId> object_stage() const {
    return grows_objects() ? StageId::kObjects : detector_stage();
  }
  // Whether there is such a network: for that, or for the attention network to start from.
  bool trains_tags() const { return guesses_tags() || grows_objects() || !train_cls.start.empty(); }
};

// Derives the recipe, reads the sections of the stages over it and joins the stages' folders. What
// a practical recipe was derived from is taken from OUT/run.json where the data are the same, so
// that a run goes on alike on another machine. Throws Error "FILE:LINE:COLUMN: …" for what a
// section may not say, names an option that the run itself decides ([train-cls] images), and what
// cannot be read of list, classes and weights.
RunConfiguration ReadRunConfiguration(const TomlFile& file, const RunOptions& run);
// The same with another effort in place of the one that an earlier run had.
RunConfiguration WithEffort(const TomlFile& file, const RunOptions& run, double effort);

// Joins the stages' folders and inputs anew, for what [run] says now.
void JoinStages(RunConfiguration& configuration);

// The configuration as TOML, every section with all that the run does not decide by itself: read
// again it is the same configuration, whatever machine and data.
std::string ToToml(const RunConfiguration& configuration);

// What run.json says of the recipe: name, the facts that it was derived from, and each value with
// its reason.
nlohmann::ordered_json DescribeRecipe(const RunConfiguration& configuration);

}  // namespace i2crc
