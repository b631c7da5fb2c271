// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/run_step.h"

#include <spdlog/sinks/basic_file_sink.h>

#include <algorithm>
#include <optional>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/core/out_folder.h"
#include "i2crc/data/image_list.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/network_steps/versions.h"
#include "i2crc/nn/initial_weights.h"
#include "i2crc/run/run_stages.h"
#include "i2crc/run/stage_names.h"
#include "i2crc/steps/crf_inference.h"
#include "i2crc/steps/crf_step.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;

// The configuration's evaluation, of other files and without a threshold to miss.
StageScorer ScoreOf(const RunConfiguration& c, const fs::path& predictions, const fs::path& cams,
                    const fs::path& list) {
  EvalOptions eval = c.eval;
  eval.predictions = predictions;
  eval.cams = cams;
  eval.list = list;
  eval.json.clear();
  eval.min_miou = 0;
  return ScoreAgainstTruth(eval);
}

std::vector<Stage> AllStages(const RunConfiguration& c) {
  const auto maker = [](std::optional<StageId> stage) {
    return stage ? NameOf(*stage) : std::string();
  };
  const std::string detector_by = maker(c.detector_stage()), objects_by = maker(c.object_stage());
  const auto score = [&](const fs::path& predictions) {
    return ScoreOf(c, predictions, {}, c.run.train);
  };
  std::vector<Stage> stages;
  if (!c.saliency.model.empty()) stages.push_back(SaliencyStage(c.saliency));
  if (c.trains_tags()) stages.push_back(TrainTagsStage(c.train_tags));
  if (c.attention_stage() == StageId::kTrainCls)
    stages.push_back(TrainClsStage(NameOf(StageId::kTrainCls), c.train_cls, detector_by));
  stages.push_back(CamStage(NameOf(StageId::kCam), c.cam, NameOf(c.attention_stage()),
                            ScoreOf(c, {}, c.cam.out, c.run.train)));
  if (c.grows_objects()) stages.push_back(ObjectsStage(c.objects, detector_by));
  stages.push_back(LabelStage(c.label, objects_by, score(c.label.out)));
  if (c.is_practical()) {
    stages.push_back(
        TrainSegStage(NameOf(StageId::kTrainSeg1a), c.train_seg_1, NameOf(StageId::kLabel)));
    stages.push_back(
        TrainSegStage(NameOf(StageId::kTrainSeg1b), c.train_seg_1b, NameOf(StageId::kLabel)));
    stages.push_back(PredictStage(NameOf(StageId::kPredictTrain), c.predict_train,
                                  {.network = NameOf(StageId::kTrainSeg1a),
                                   .cross = NameOf(StageId::kTrainSeg1b),
                                   .saliency = objects_by,
                                   .cams = NameOf(StageId::kCam)},
                                  score(c.predict_train.out)));
    ChooseInputsBy by = {.before = NameOf(StageId::kLabel),
                         .after = NameOf(StageId::kPredictTrain),
                         .saliency = detector_by,
                         .network_before = NameOf(StageId::kPredictTrain),
                         .network_after = NameOf(StageId::kPredictTrain),
                         .cams = NameOf(StageId::kCam)};
    stages.push_back(ChooseStage(NameOf(StageId::kChooseLabels), c.choose_labels, by,
                                 score(c.choose_labels.out)));
    stages.push_back(
        TrainSegStage(NameOf(StageId::kTrainSeg2), c.train_seg_2, NameOf(StageId::kChooseLabels)));
    stages.push_back(PredictStage(NameOf(StageId::kPredictTagged), c.predict_tagged,
                                  {.network = NameOf(StageId::kTrainSeg2),
                                   .saliency = objects_by,
                                   .cams = NameOf(StageId::kCam)},
                                  score(c.predict_tagged.out)));
    by.before = NameOf(StageId::kChooseLabels);
    by.after = by.network_after = NameOf(StageId::kPredictTagged);
    stages.push_back(
        ChooseStage(NameOf(StageId::kMasks), c.choose_masks, by, score(c.choose_masks.out)));
  } else {
    stages.push_back(
        TrainSegStage(NameOf(StageId::kTrainSeg1), c.train_seg_1, NameOf(StageId::kLabel)));
    stages.push_back(PredictStage(NameOf(StageId::kPredictTrain), c.predict_train,
                                  {.network = NameOf(StageId::kTrainSeg1)},
                                  score(c.predict_train.out)));
    stages.push_back(RefineStage(c.refine, score(c.refine.out)));
    stages.push_back(
        TrainSegStage(NameOf(StageId::kTrainSeg2), c.train_seg_2, NameOf(StageId::kRefine)));
  }
  if (!c.run.val.empty()) {
    stages.push_back(PredictStage(NameOf(StageId::kPredictVal), c.predict_val,
                                  {.network = NameOf(StageId::kTrainSeg2)},
                                  ScoreOf(c, c.predict_val.out, {}, c.run.val)));
    if (!c.run.truth.empty()) stages.push_back(EvalStage(c.eval));
  }
  for (Stage& stage : stages) stage.is_result = FactsOf(*FindStage(stage.name)).is_result;
  return stages;
}

StageId StageOf(const std::string& name, const std::string& option) {
  const std::optional<StageId> id = FindStage(name);
  if (id) return *id;
  std::vector<std::string> names;
  for (const StageFacts& stage : kStages) names.emplace_back(stage.name);
  Fail("{}: '{}' is no stage; stages are {}", option, name, fmt::join(names, ", "));
}

bool IsAmong(const std::vector<Stage>& stages, StageId id) {
  return std::any_of(stages.begin(), stages.end(),
                     [&](const Stage& stage) { return stage.name == NameOf(id); });
}

void CheckSaliency(const RunConfiguration& c, const std::vector<Stage>& stages) {
  if (c.saliency.model.empty()) {
    if (c.run.saliency.empty())
      Fail(
          "[run] saliency names a folder of maps, or [saliency] model a detector: neither is "
          "given{}",
          c.is_practical() ? "; saliency = \"none\" does without" : "");
    if (IsNone(c.run.saliency)) {
      if (!c.is_practical()) Fail("[run] saliency = \"none\": the paper's rules need maps");
      return;
    }
    CheckFolder(c.run.saliency, "[run] saliency");
  } else if (IsAmong(stages, StageId::kSaliency)) {
    CheckDetector(c.saliency);
  }
}

// Every name, header and size. Under --on-error skip the stages leave such images out themselves.
void CheckListedImages(const RunConfiguration& c, Context& context) {
  const auto train = ReadImageList(c.run.train, ClassNames::ReadOrVoc(c.run.classes));
  const auto val = c.run.val.empty() ? std::vector<ListedImage>() : ReadImageIds(c.run.val);
  if (c.run.items.policy() == OnError::kSkip) return;
  const fs::path saliency =
      c.saliency.model.empty() && !IsNone(c.run.saliency) ? c.run.saliency : fs::path();
  CheckImages(train, {.images = c.run.images, .maps = saliency}, OnError::kStop, context);
  const auto check_truth = [&](const std::vector<ListedImage>& images) {
    CheckImages(images, {.images = c.run.images, .maps = c.run.truth, .map_kind = "true mask"},
                OnError::kStop, context);
  };
  // The training images are scored only where all of them have a truth.
  if (!c.run.truth.empty() && MissingTruths(c.run.truth, train) == 0) check_truth(train);
  if (val.empty()) return;
  if (!c.run.truth.empty()) {
    check_truth(val);
  } else {
    CheckImages(val, {.images = c.run.images}, OnError::kStop, context);
  }
}

void CheckCrf(const RunConfiguration& c, Context& context) {
  for (const PredictOptions* predict : {&c.predict_train, &c.predict_tagged, &c.predict_val}) {
    if (!predict->use_crf || (predict == &c.predict_tagged && !c.is_practical())) continue;
    const CrfSettings settings = Resolve(predict->crf);
    const CrfRunner on_this_machine(settings, 1, context);
    if (settings.labels == CrfLabels::kTags)
      CheckTagsAreThere(ReadImageList(c.run.train, ClassNames::ReadOrVoc(c.run.classes)),
                        c.run.train);
  }
}

void CheckNetworks(const RunConfiguration& c, const std::vector<Stage>& stages) {
  for (const ComputeOptions* compute :
       {&c.train_cls.compute, &c.cam.compute, &c.train_seg_1.compute, &c.train_seg_2.compute,
        &c.predict_train.compute, &c.predict_val.compute})
    CheckDevice(*compute);
  const int classes = ClassNames::ReadOrVoc(c.run.classes).count();
  if (IsAmong(stages, StageId::kTrainTags))
    CheckBackbone({.arch = c.train_tags.arch, .outputs = classes, .width = c.train_tags.width},
                  c.train_tags.weights);
  if (IsAmong(stages, StageId::kTrainCls))
    CheckBackbone(NetworkOf(c.train_cls, classes), c.train_cls.weights);
  // Both networks of recipe practical's first round are of one architecture.
  if (IsAmong(stages, StageId::kTrainSeg1) || IsAmong(stages, StageId::kTrainSeg1a) ||
      IsAmong(stages, StageId::kTrainSeg1b))
    CheckBackbone(NetworkOf(c.train_seg_1, classes), c.train_seg_1.weights);
  if (IsAmong(stages, StageId::kTrainSeg2))
    CheckBackbone(NetworkOf(c.train_seg_2, classes), c.train_seg_2.weights);
}

}  // namespace

std::vector<Stage> MakeStages(const RunConfiguration& configuration) {
  const RunOptions& run = configuration.run;
  const StageId first = run.from.empty() ? kStages.front().id : StageOf(run.from, "--from");
  const StageId last = run.to.empty() ? kStages.back().id : StageOf(run.to, "--to");
  if (first > last) Fail("--from {} comes after --to {}", run.from, run.to);
  if (run.clean && !run.to.empty())
    Fail("--clean is for a run to its end, and --to {} is not there yet", run.to);
  std::vector<Stage> kept;
  std::vector<Stage> stages = AllStages(configuration);
  for (Stage& stage : stages) {
    const StageId id = *FindStage(stage.name);
    if (id < first && !WasFinished(stage))
      Fail("--from {}: {} was not done to its end yet", run.from, stage.name);
    if (id < first && WasCleaned(stage))
      Fail(
          "--from {}: the files of {} were cleaned away; without --from they are made again where "
          "they are needed",
          run.from, stage.name);
    if (id >= first && id <= last) kept.push_back(std::move(stage));
  }
  return kept;
}

nlohmann::ordered_json DescribeRun(const RunConfiguration& c) {
  Json options = Json::object();
  const auto add = [&](const std::string& name, auto copy) {
    OptionSet set;
    Describe(copy, set);
    options[name] = set.ToJson();
  };
  add("run", c.run);
  if (!c.saliency.model.empty()) add("saliency", c.saliency);
  if (c.trains_tags()) add("train-tags", c.train_tags);
  if (c.attention_stage() == StageId::kTrainCls) add("train-cls", c.train_cls);
  add("cam", c.cam);
  if (c.grows_objects()) add("objects", c.objects);
  add("label", c.label);
  add("train-seg-1", c.train_seg_1);
  if (c.is_practical()) add("train-seg-1b", c.train_seg_1b);
  add("train-seg-2", c.train_seg_2);
  if (c.predict_train.use_crf) add("crf", c.predict_train.crf);
  if (c.is_practical()) {
    add("predict-train", c.predict_train);
    add("predict-tagged", c.predict_tagged);
    add("choose-labels", c.choose_labels);
    add("masks", c.choose_masks);
  }
  add("predict", c.predict_val);
  if (!c.is_practical()) add("refine", c.refine);
  add("eval", c.eval);
  Json checksums = Json::object();
  for (const auto& [name, path] :
       {std::pair{"train", c.run.train},
        {"val", c.run.val},
        {"classes", c.run.classes},
        {"saliency model", c.saliency.model},
        {"train-tags weights", c.trains_tags() ? c.train_tags.weights : fs::path()},
        {"train-cls weights", c.train_cls.weights},
        {"train-seg-1 weights", c.train_seg_1.weights},
        {"train-seg-2 weights", c.train_seg_2.weights}})
    if (!path.empty()) checksums[name] = FileChecksum(path);
  return {{"versions", Versions()},
          {"recipe", DescribeRecipe(c)},
          {"threads", ThreadCount(c.run.items.threads)},
          {"seed", c.run.seed},
          {"checksums", checksums},
          {"options", options}};
}

void CheckRun(const RunConfiguration& c, const std::vector<Stage>& stages, Context& context) {
  AllowImages(c.run.items);
  CheckFolder(c.run.images, "[run] images");
  if (!c.run.truth.empty()) CheckFolder(c.run.truth, "[run] truth");
  CheckOutFolder(c.run.out, {});
  CheckCrf(c, context);
  CheckSaliency(c, stages);
  CheckListedImages(c, context);
  CheckNetworks(c, stages);
  for (const Stage& stage : stages) CheckStageFolder(stage);
}

std::vector<StageOutcome> RunRun(const RunConfiguration& configuration,
                                 const std::vector<Stage>& stages, Context& context) {
  CheckRun(configuration, stages, context);
  const fs::path& out = configuration.run.out;
  const Json description = DescribeRun(configuration);
  const OutFolder folder(out, context);
  context.WorkBegins();
  WriteFileAtomically(out / "run.json", description.dump(1) + "\n");
  try {
    auto sinks = context.log().sinks();
    sinks.push_back(
        std::make_shared<spdlog::sinks::basic_file_sink_mt>((out / "run.log").string()));
    auto log = std::make_shared<spdlog::logger>("i2crc", sinks.begin(), sinks.end());
    log->set_level(context.log().level());
    log->flush_on(spdlog::level::info);
    context.SetLog(log);
  } catch (const spdlog::spdlog_ex& error) {
    Fail("{}: cannot write: {}", (out / "run.log").string(), error.what());
  }
  std::vector<StageOutcome> outcomes = RunStages(stages, out / "metrics.jsonl", context);
  if (configuration.run.clean)
    context.log().info("--clean: removed {:.0f} MB",
                       static_cast<double>(CleanStages(stages)) / 1e6);
  return outcomes;
}

}  // namespace i2crc
