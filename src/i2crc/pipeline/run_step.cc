// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/run_step.h"

#include <spdlog/sinks/basic_file_sink.h>

#include <algorithm>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/data/image_list.h"
#include "i2crc/pipeline/crf_inference.h"
#include "i2crc/pipeline/crf_step.h"
#include "i2crc/pipeline/image_set.h"
#include "i2crc/pipeline/network_setup.h"
#include "i2crc/pipeline/run_stages.h"
#include "i2crc/pipeline/run_versions.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAutoPrecision = "auto";

// run.json of an earlier run in this directory, or null.
Json EarlierRun(const fs::path& out) {
  const fs::path path = out / "run.json";
  if (!fs::exists(path)) return nullptr;
  Json json = Json::parse(ReadWholeFile(path), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) Fail("{}: damaged; remove it to begin anew", path.string());
  return json;
}

// The recipe that an earlier run was made by; those before there were recipes were the paper's.
std::string RecipeOf(const Json& earlier) {
  if (earlier.is_null()) return "practical";
  if (!earlier.contains("recipe")) return "paper";
  return earlier["recipe"].value("name", "practical");
}

// What of the facts is the machine's, from the earlier run where its data were the same.
void KeepFacts(const Json& earlier, RecipeFacts& facts) {
  if (earlier.is_null() || !earlier.contains("recipe")) return;
  const Json kept = earlier["recipe"].value("facts", Json());
  if (!kept.is_object() || !kept.contains("has_fast_bf16")) return;
  RecipeFacts before = facts;
  before.has_fast_bf16 = kept["has_fast_bf16"] == true;
  if (ToJson(before) == kept) facts = before;
}

void ResolveRecipe(RunConfiguration& c, const TomlFile& file) {
  const Json earlier = EarlierRun(c.run.out);
  const std::string name = c.run.recipe == "auto" ? RecipeOf(earlier) : c.run.recipe;
  c.recipe = PaperRecipe();
  if (name == "paper") return;
  const ClassNames classes = ClassNames::ReadOrVoc(c.run.classes);
  // [train-cls] may name weights or the architecture itself.
  TrainClsOptions train_cls;
  OptionSet set;
  Describe(train_cls, set);
  train_cls.arch.clear();
  file.Apply("train-cls", set);
  const fs::path weights = train_cls.weights.empty() ? c.run.weights : train_cls.weights;
  c.facts.images = static_cast<int64_t>(ReadImageList(c.run.train, classes).size());
  c.facts.classes = classes.count();
  c.facts.has_saliency = !IsNone(c.run.saliency);
  c.facts.has_weights = !weights.empty();
  c.facts.backbone = !train_cls.arch.empty() ? train_cls.arch
                     : weights.empty()       ? "resnet18"
                                             : BackboneOf(weights);
  c.facts.has_fast_bf16 = HasFastBf16();
  KeepFacts(earlier, c.facts);
  c.recipe = PracticalRecipe(c.facts);
}

Json DescribeRecipe(const RunConfiguration& c) {
  Json json = {{"name", c.recipe.name}};
  if (c.recipe.values.empty()) return json;
  json["facts"] = ToJson(c.facts);
  json["values"] = Json::array();
  for (const RecipeValue& value : c.recipe.values)
    json["values"].push_back({{"section", value.section},
                              {"option", value.option},
                              {"value", value.value},
                              {"why", value.why}});
  return json;
}

// Fills one stage's options: the recipe's values first, then what [run] says for all, then each
// section in turn.
template <typename Options>
void Fill(Options& options, const TomlFile& file, const std::vector<std::string>& sections,
          const RunConfiguration& c, const std::vector<std::string>& own_paths = {}) {
  OptionSet set;
  Describe(options, set);
  for (const std::string& section : sections) c.recipe.Apply(section, set);
  const RunOptions& run = c.run;
  const auto take = [&](const char* name, const Json& value) {
    if (Option* option = set.Find(name)) option->SetFromJson(value, {});
  };
  take("seed", run.seed);
  take("threads", run.items.threads);
  take("on-error", run.items.on_error);
  take("device", run.compute.device);
  if (run.compute.precision != kAutoPrecision) take("precision", run.compute.precision);
  if (std::find(sections.begin(), sections.end(), "predict") != sections.end())
    take("crf", run.use_crf);
  take("loader-threads", run.compute.loader_threads);
  Json paths = Json::object();
  for (const Option& option : set.options())
    if (option.is_path()) paths[option.name()] = option.ToJson();
  for (const std::string& section : sections) {
    file.Apply(section, set);
    for (const Option& option : set.options())
      if (option.is_path() && option.ToJson() != paths[option.name()] &&
          std::find(own_paths.begin(), own_paths.end(), option.name()) == own_paths.end())
        Fail("{}: [{}] {} is decided by the run; set it under [run] or leave it out",
             file.path().string(), section, option.name());
  }
}

// [crf] holds for all predictions, [predict] overrides it.
void FillPredictions(RunConfiguration& c, const TomlFile& file) {
  OptionSet set;
  Describe(c.crf, set);
  c.recipe.Apply("crf", set);
  file.Apply("crf", set);
  for (PredictOptions* predict : {&c.predict_train, &c.masks, &c.predict_val}) {
    predict->crf = c.crf;
    Fill(*predict, file, {"predict"}, c);
    // Without it its settings decide nothing, and are nothing to do the stage over for.
    if (!predict->use_crf) predict->crf = {};
  }
  // The tags of the images to be scored at the end are what a network does not know.
  if (c.predict_val.crf.labels == "tags") c.predict_val.crf.labels = "all";
  if (!c.is_practical()) return;
  for (PredictOptions* predict : {&c.predict_train, &c.masks}) predict->tags = "listed";
}

void FillWeights(RunConfiguration& c) {
  if (c.train_cls.weights.empty()) c.train_cls.weights = c.run.weights;
  for (TrainSegOptions* seg : {&c.train_seg_1, &c.train_seg_2}) {
    if (!seg->weights.empty()) continue;
    seg->weights = c.run.weights;
    // One file serves both networks where both are of its architecture.
    if (c.is_practical() && c.run.weights.empty() && seg->arch.ends_with(c.facts.backbone))
      seg->weights = c.train_cls.weights;
  }
}

// The stages' inputs and folders that both recipes have.
void JoinFolders(RunConfiguration& c) {
  const RunOptions& run = c.run;
  const bool makes_saliency = !c.saliency.model.empty();
  const fs::path saliency = makes_saliency ? run.out / "saliency" : run.saliency;
  c.saliency.images = c.train_cls.images = c.cam.images = run.images;
  c.saliency.list = c.train_cls.list = c.cam.list = c.label.list = c.refine.list = run.train;
  c.saliency.out = run.out / "saliency";
  c.train_cls.saliency = c.label.saliency = saliency;
  c.train_cls.classes = c.label.classes = c.refine.classes = c.eval.classes = run.classes;
  c.train_cls.out = run.out / "train-cls";
  c.cam.checkpoint = c.train_cls.out / "checkpoint.safetensors";
  c.cam.out = c.label.cams = run.out / "cam";
  c.label.out = run.out / "label";
  for (auto* seg : {&c.train_seg_1, &c.train_seg_2}) {
    seg->images = run.images;
    seg->list = run.train;
    seg->classes = run.classes;
  }
  c.train_seg_1.labels = c.refine.labels = c.label.out;
  c.train_seg_1.out = run.out / "train-seg-1";
  c.predict_train.images = c.masks.images = c.predict_val.images = run.images;
  c.predict_train.list = c.masks.list = run.train;
  c.predict_train.checkpoint = c.train_seg_1.out / "checkpoint.safetensors";
  c.predict_train.out = c.refine.predictions = run.out / "predict-train";
  c.refine.out = c.train_seg_2.labels = run.out / "refine";
  c.train_seg_2.out = run.out / "train-seg-2";
  c.predict_val.list = c.eval.list = run.val;
  c.predict_val.checkpoint = c.masks.checkpoint = c.train_seg_2.out / "checkpoint.safetensors";
  c.masks.out = run.out / "masks";
  c.predict_val.out = c.eval.predictions = run.out / "predict-val";
  c.eval.truth = run.truth;
  c.eval.json = run.out / "eval" / "report.json";
  if (!c.is_practical()) return;
  // Predictions of tagged photographs need no refinement: their tags and saliency are in them.
  c.train_seg_2.labels = c.predict_train.out;
  c.train_seg_2.start = c.train_seg_1.out / "checkpoint.safetensors";
  if (!IsNone(saliency)) c.predict_train.saliency = c.masks.saliency = saliency;
  if (IsNone(saliency)) c.label.images = run.images;
}

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
  const std::string saliency_by = c.saliency.model.empty() ? "" : "saliency";
  const auto score = [&](const fs::path& predictions) {
    return ScoreOf(c, predictions, {}, c.run.train);
  };
  std::vector<Stage> stages;
  if (!saliency_by.empty()) stages.push_back(SaliencyStage(c.saliency));
  stages.push_back(TrainClsStage("train-cls", c.train_cls, saliency_by));
  stages.push_back(CamStage("cam", c.cam, "train-cls", ScoreOf(c, {}, c.cam.out, c.run.train)));
  stages.push_back(LabelStage(c.label, saliency_by, score(c.label.out)));
  stages.push_back(TrainSegStage("train-seg-1", c.train_seg_1, "label"));
  stages.push_back(
      PredictStage("predict-train", c.predict_train, "train-seg-1", score(c.predict_train.out)));
  if (c.is_practical()) {
    stages.push_back(TrainSegStage("train-seg-2", c.train_seg_2, "predict-train", "train-seg-1"));
    stages.push_back(PredictStage("masks", c.masks, "train-seg-2", score(c.masks.out)));
  } else {
    stages.push_back(RefineStage(c.refine, score(c.refine.out)));
    stages.push_back(TrainSegStage("train-seg-2", c.train_seg_2, "refine"));
  }
  if (!c.run.val.empty()) {
    stages.push_back(PredictStage("predict-val", c.predict_val, "train-seg-2",
                                  ScoreOf(c, c.predict_val.out, {}, c.run.val)));
    if (!c.run.truth.empty()) stages.push_back(EvalStage(c.eval));
  }
  return stages;
}

size_t StageIndex(const std::string& name, const std::string& option) {
  const auto& names = StageNames();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    Fail("{}: '{}' is no stage; stages are {}", option, name, fmt::join(names, ", "));
  return static_cast<size_t>(found - names.begin());
}

bool IsAmong(const std::vector<Stage>& stages, const std::string& name) {
  return std::any_of(stages.begin(), stages.end(),
                     [&](const Stage& stage) { return stage.name == name; });
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
  } else if (IsAmong(stages, "saliency")) {
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

void CheckCrf(const RunConfiguration& c) {
  for (const PredictOptions* predict : {&c.predict_train, &c.masks, &c.predict_val}) {
    if (!predict->use_crf || (predict == &c.masks && !c.is_practical())) continue;
    const CrfSettings settings = Resolve(predict->crf);
    const CrfRunner on_this_machine(settings, 1);
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
  if (IsAmong(stages, "train-cls"))
    CheckBackbone(NetworkOf(c.train_cls, classes), c.train_cls.weights);
  for (const auto* seg : {&c.train_seg_1, &c.train_seg_2})
    if (IsAmong(stages, seg == &c.train_seg_1 ? "train-seg-1" : "train-seg-2"))
      CheckBackbone(NetworkOf(*seg, classes), seg->weights);
}

}  // namespace

void Describe(RunOptions& o, OptionSet& set) {
  set.Add(
         "recipe", &o.recipe,
         "The values of all stages that no section gives: practical or the paper's; auto: what OUT "
         "was made by, else practical")
      .OneOf({"auto", "practical", "paper"})
      .Group("Stages");
  set.Add("out", &o.out, "The run directory").Required().Value("DIR").Group("Data");
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("saliency", &o.saliency,
          "Folder of saliency maps; or [saliency] model makes them; none: do without")
      .Value("DIR")
      .Keyword(kNone)
      .Group("Data");
  set.Add("train", &o.train, "Lines of an ID and its tags, to train on")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("val", &o.val, "Lines of an ID, to predict at the end").Value("FILE").Group("Data");
  set.Add("truth", &o.truth, "Folder of true masks, for scoring only").Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's twenty")
      .Value("FILE")
      .Group("Data");
  set.Add("weights", &o.weights,
          "ImageNet weights, .pth or .safetensors, of every network whose section names no others")
      .Value("FILE")
      .Group("Data");
  set.Add("crf", &o.use_crf, "The dense CRF over the predictions of both networks; [crf] sets it")
      .Group("Stages");
  set.Add("from", &o.from, "First stage to look at; those before it must be done")
      .Value("STAGE")
      .Group("Stages");
  set.Add("to", &o.to, "Last stage to do").Value("STAGE").Group("Stages");
  set.Add("dry-run", &o.dry_run, "Print what would be done and why, and do nothing")
      .Group("Stages");
  set.Add("seed", &o.seed, "Of every stage that draws").Group("General");
  Describe(o.items, set);
  Describe(o.compute, set);
  set.Find("precision")->OneOf({kAutoPrecision, "fp32", "bf16"});
}

const std::vector<std::string>& StageNames() {
  static const std::vector<std::string> names = {
      "saliency", "train-cls",   "cam",   "label",       "train-seg-1", "predict-train",
      "refine",   "train-seg-2", "masks", "predict-val", "eval"};
  return names;
}

RunConfiguration ReadRunConfiguration(const TomlFile& file, const RunOptions& run) {
  RunConfiguration c;
  c.run = run;
  ResolveRecipe(c, file);
  Fill(c.saliency, file, {"saliency"}, c, {"model"});
  Fill(c.train_cls, file, {"train-cls"}, c, {"weights"});
  Fill(c.cam, file, {"cam"}, c);
  Fill(c.label, file, {"label"}, c);
  Fill(c.train_seg_1, file, {"train-seg", "train-seg-1"}, c, {"weights"});
  Fill(c.train_seg_2, file, {"train-seg", "train-seg-2"}, c, {"weights"});
  FillPredictions(c, file);
  Fill(c.refine, file, {"refine"}, c);
  Fill(c.eval, file, {"eval"}, c);
  FillWeights(c);
  JoinFolders(c);
  return c;
}

std::vector<Stage> MakeStages(const RunConfiguration& configuration) {
  const RunOptions& run = configuration.run;
  const size_t first = run.from.empty() ? 0 : StageIndex(run.from, "--from");
  const size_t last = run.to.empty() ? StageNames().size() - 1 : StageIndex(run.to, "--to");
  if (first > last) Fail("--from {} comes after --to {}", run.from, run.to);
  std::vector<Stage> kept;
  std::vector<Stage> stages = AllStages(configuration);
  for (Stage& stage : stages) {
    const size_t index = StageIndex(stage.name, "stage");
    if (index < first && !WasFinished(stage))
      Fail("--from {}: {} was not done to its end yet", run.from, stage.name);
    if (index >= first && index <= last) kept.push_back(std::move(stage));
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
  add("train-cls", c.train_cls);
  add("cam", c.cam);
  add("label", c.label);
  add("train-seg-1", c.train_seg_1);
  add("train-seg-2", c.train_seg_2);
  if (c.predict_train.use_crf) add("crf", c.predict_train.crf);
  if (c.is_practical()) add("masks", c.masks);
  add("predict", c.predict_val);
  if (!c.is_practical()) add("refine", c.refine);
  add("eval", c.eval);
  Json checksums = Json::object();
  for (const auto& [name, path] : {std::pair{"train", c.run.train},
                                   {"val", c.run.val},
                                   {"classes", c.run.classes},
                                   {"saliency model", c.saliency.model},
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
  CheckFolder(c.run.images, "[run] images");
  if (!c.run.truth.empty()) CheckFolder(c.run.truth, "[run] truth");
  CheckOutFolder(c.run.out, {});
  CheckCrf(c);
  CheckSaliency(c, stages);
  CheckListedImages(c, context);
  CheckNetworks(c, stages);
  for (const Stage& stage : stages) RefuseForeignFiles(stage);
}

std::vector<StageOutcome> RunRun(const RunConfiguration& configuration,
                                 const std::vector<Stage>& stages, Context& context) {
  CheckRun(configuration, stages, context);
  const fs::path& out = configuration.run.out;
  const Json description = DescribeRun(configuration);
  context.WorkBegins();
  MakeFolder(out);
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
  return RunStages(stages, out / "metrics.jsonl", context);
}

}  // namespace i2crc
