// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/options/option_set.h"
#include "i2crc/options/toml_file.h"
#include "i2crc/pipeline/cam_step.h"
#include "i2crc/pipeline/common_options.h"
#include "i2crc/pipeline/eval_step.h"
#include "i2crc/pipeline/label_step.h"
#include "i2crc/pipeline/predict_step.h"
#include "i2crc/pipeline/recipe.h"
#include "i2crc/pipeline/refine_step.h"
#include "i2crc/pipeline/saliency_step.h"
#include "i2crc/pipeline/stage.h"
#include "i2crc/pipeline/train_cls_step.h"
#include "i2crc/pipeline/train_seg_step.h"

namespace i2crc {

// All stages into one run directory.
struct RunOptions {
  // paper: the method as ALGORITHM.md has it. practical: docs/method.md. auto: what the run
  // directory was made by, and practical where there is none.
  std::string recipe = "auto";
  std::filesystem::path out, images, saliency, train, val, truth, classes;
  // ImageNet weights for every network that no section gives others; recipe practical takes the
  // architectures from them.
  std::filesystem::path weights;
  uint64_t seed = 1;
  bool use_crf = true;  // over the predictions of both networks
  std::string from, to;
  bool dry_run = false;
  ItemOptions items;
  // precision "auto": the recipe's.
  ComputeOptions compute = {.precision = "auto"};
};
void Describe(RunOptions& options, OptionSet& set);

// Every stage's options as a configuration gives them: defaults, what [run] says for all, the
// section of the stage.
struct RunConfiguration {
  RunOptions run;
  Recipe recipe;
  RecipeFacts facts;  // what a practical recipe was derived from
  SaliencyOptions saliency;
  TrainClsOptions train_cls;
  CamOptions cam;
  LabelOptions label;
  TrainSegOptions train_seg_1, train_seg_2;
  CrfOptions crf;  // [crf], for both predictions
  PredictOptions predict_train, masks, predict_val;
  RefineOptions refine;
  EvalOptions eval;

  bool is_practical() const { return recipe.name == "practical"; }
};

// The names of the stages in their order: saliency, train-cls, cam, label, train-seg-1,
// predict-train, refine (recipe paper), train-seg-2, masks (recipe practical), predict-val, eval.
const std::vector<std::string>& StageNames();

// Derives the recipe, reads the sections of the stages over it and joins the stages' folders. What
// a practical recipe was derived from is taken from OUT/run.json where the data are the same, so
// that a run goes on alike on another machine. Throws Error "FILE:LINE:COLUMN: …" for what a
// section may not say, names an option that the run itself decides ([train-cls] images), and what
// cannot be read of list, classes and weights.
RunConfiguration ReadRunConfiguration(const TomlFile& file, const RunOptions& run);

// The stages of the configuration: those that it has inputs for (saliency only with a model,
// predict-val with a val list, eval with truth besides), between --from and --to.
std::vector<Stage> MakeStages(const RunConfiguration& configuration);

// The configuration, versions, seed and checksums of the inputs, for run.json.
nlohmann::ordered_json DescribeRun(const RunConfiguration& configuration);

// Checks everything that can be told before the first stage, so that nothing is found wanting hours
// later: names, headers and sizes of all images, maps and true masks, the devices, the weights'
// tensors, the detector, foreign files in the stages' folders. Throws Error.
void CheckRun(const RunConfiguration& configuration, const std::vector<Stage>& stages,
              Context& context);

// Does CheckRun, writes OUT/run.json, OUT/run.log, OUT/metrics.jsonl and does the stages.
std::vector<StageOutcome> RunRun(const RunConfiguration& configuration,
                                 const std::vector<Stage>& stages, Context& context);

}  // namespace i2crc
