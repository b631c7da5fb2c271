// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/demo_step.h"

#include <algorithm>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/core/out_folder.h"
#include "i2crc/data/class_names.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/run/demo_config.h"
#include "i2crc/run/demo_picture.h"
#include "i2crc/run/run_stages.h"
#include "i2crc/run/run_step.h"
#include "i2crc/run/stage_names.h"
#include "i2crc/synth/synth.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

RunConfiguration Configure(const DemoOptions& options) {
  const fs::path config = options.out / "demo.toml";
  const TomlFile file = TomlFile::Parse(kDemoConfig, config.string(), options.out);
  RunOptions run;
  OptionSet set;
  Describe(run, set);
  file.Apply("run", set);
  run.seed = options.seed;
  run.items = options.items;
  run.compute = options.compute;
  return ReadRunConfiguration(file, run);
}

// The baseline: the same attention network and steps without the relation losses.
std::vector<Stage> PlainCamStages(const RunConfiguration& c) {
  TrainClsOptions train = c.train_cls;
  train.relation = {0, 0, 0};
  train.out = c.run.out / "train-cls-plain";
  CamOptions cam = c.cam;
  cam.checkpoint = train.out / "checkpoint.safetensors";
  cam.out = c.run.out / "cam-plain";
  EvalOptions eval = c.eval;
  eval.list = c.run.train;
  eval.predictions.clear();
  eval.cams = cam.out;
  eval.json.clear();
  return {TrainClsStage("train-cls-plain", train, ""),
          CamStage("cam-plain", cam, "train-cls-plain", ScoreAgainstTruth(eval))};
}

// The ceiling: the second segmentation network and its schedule on the true masks.
std::vector<Stage> CeilingStages(const RunConfiguration& c) {
  TrainSegOptions train = c.train_seg_2;
  train.labels = c.run.truth;
  train.partial_labels = false;
  train.owners.clear();
  train.min_owner = 0;
  train.min_alone = 0;
  train.out = c.run.out / "train-seg-truth";
  PredictOptions predict = c.predict_val;
  predict.checkpoint = train.out / "checkpoint.safetensors";
  predict.out = c.run.out / "predict-truth";
  EvalOptions eval = c.eval;
  eval.predictions = predict.out;
  eval.json.clear();
  return {TrainSegStage("train-seg-truth", train, ""),
          PredictStage("predict-truth", predict, {.network = "train-seg-truth"},
                       ScoreAgainstTruth(eval))};
}

// The first scenes of each kind in the training list: one and more tags.
void WritePicture(const RunConfiguration& c, const fs::path& path) {
  std::vector<PictureScene> scenes;
  int single = 0, several = 0;
  for (const ListedImage& listed : ReadImageList(c.run.train, ClassNames::Read(c.run.classes))) {
    int& kind = listed.tags.size() == 1 ? single : several;
    if (kind >= 2) continue;
    ++kind;
    scenes.push_back({listed.id, listed.tags});
  }
  WriteRgbPng(path, DrawPicture({.images = c.run.images,
                                 .saliency = c.run.saliency,
                                 .cams_plain = c.run.out / "cam-plain",
                                 .cams = c.cam.out,
                                 .labels = c.label.out,
                                 .crossed = c.predict_train.out,
                                 .masks = c.choose_masks.out,
                                 .truth = c.run.truth},
                                scenes));
}

double MeanIou(const std::vector<StageOutcome>& outcomes, const std::string& stage) {
  for (const StageOutcome& outcome : outcomes)
    if (outcome.name == stage && outcome.scores) return (*outcome.scores)["mean_iou"].get<double>();
  return 0;
}

double Seconds(const std::vector<StageOutcome>& outcomes, const std::vector<std::string>& stages) {
  double sum = 0;
  for (const StageOutcome& outcome : outcomes)
    if (std::find(stages.begin(), stages.end(), outcome.name) != stages.end())
      sum += outcome.seconds;
  return sum;
}

std::string Table(const DemoResult& result, const std::vector<StageOutcome>& outcomes,
                  bool attention_only) {
  std::string table = fmt::format("{:<64} {:>6} {:>9}\n", "", "mIoU %", "seconds");
  const auto row = [&](const std::string& what, double score,
                       const std::vector<std::string>& stages) {
    table +=
        fmt::format("{:<64} {:>6.1f} {:>9.1f}\n", what, 100 * score, Seconds(outcomes, stages));
  };
  row("attention maps without relation losses (train, best threshold)", result.cam_plain,
      {"train-cls-plain", "cam-plain"});
  row("attention maps with relation losses (train, best threshold)", result.cam,
      {NameOf(StageId::kTrainCls), NameOf(StageId::kCam)});
  row("initial labels (train)", result.initial_labels, {NameOf(StageId::kLabel)});
  if (!attention_only) {
    row("labels by the networks of the other half (train)", result.crossed_labels,
        {NameOf(StageId::kTrainSeg1a), NameOf(StageId::kTrainSeg1b), NameOf(StageId::kPredictTrain),
         NameOf(StageId::kChooseLabels)});
    row("masks of the tagged scenes (train)", result.masks,
        {NameOf(StageId::kPredictTagged), NameOf(StageId::kMasks)});
    row("final network (val)", result.final_network,
        {NameOf(StageId::kTrainSeg2), NameOf(StageId::kPredictVal), NameOf(StageId::kEval)});
    row("ceiling: the same network on the true masks (val)", result.ceiling,
        {"train-seg-truth", "predict-truth"});
    table += fmt::format("the final network reaches {:.1f} % of its ceiling\n",
                         result.ceiling > 0 ? 100 * result.final_network / result.ceiling : 0.0);
  }
  return table;
}

}  // namespace

DemoResult RunDemo(const DemoOptions& options, Context& context) {
  AllowImages(options.items);
  CheckDevice(options.compute);
  CheckWritable(options.out, "--out " + options.out.string());
  const OutFolder folder(options.out, context);
  SynthOptions synth;
  synth.out = options.out / "data";
  synth.images = options.images;
  synth.size = options.size;
  synth.seed = options.scene_seed;
  PrepareSynth(synth, ThreadCount(options.items.threads)).Run(context);
  WriteFileAtomically(options.out / "demo.toml", kDemoConfig);
  // The recipe is derived from the scenes, which must be there.
  RunConfiguration c = Configure(options);
  if (options.attention_only) c.run.to = NameOf(StageId::kLabel);

  std::vector<Stage> stages = PlainCamStages(c);
  for (Stage& stage : MakeStages(c)) stages.push_back(std::move(stage));
  if (!options.attention_only)
    for (Stage& stage : CeilingStages(c)) stages.push_back(std::move(stage));
  const std::vector<StageOutcome> outcomes = RunRun(c, stages, context);

  DemoResult result;
  result.cam_plain = MeanIou(outcomes, "cam-plain");
  result.cam = MeanIou(outcomes, NameOf(StageId::kCam));
  result.initial_labels = MeanIou(outcomes, NameOf(StageId::kLabel));
  result.crossed_labels = MeanIou(outcomes, NameOf(StageId::kPredictTrain));
  result.masks = MeanIou(outcomes, NameOf(StageId::kMasks));
  result.final_network = MeanIou(outcomes, NameOf(StageId::kPredictVal));
  result.ceiling = MeanIou(outcomes, "predict-truth");
  result.table = Table(result, outcomes, options.attention_only);
  WriteFileAtomically(options.out / "summary.txt", result.table);
  WritePicture(c, options.out / "picture.png");
  return result;
}

}  // namespace i2crc
