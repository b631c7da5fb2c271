// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/run_configuration.h"

#include <algorithm>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/image_list.h"
#include "i2crc/nn/initial_weights.h"
#include "i2crc/options/command_line.h"
#include "i2crc/run/stage_names.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;

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

// What of the facts is the machine's, from the earlier run where its data were the same. The effort
// too, unless another number of minutes is asked for now; returns whether it was.
bool KeepFacts(const Json& earlier, RecipeFacts& facts) {
  if (earlier.is_null() || !earlier.contains("recipe")) return false;
  const Json kept = earlier["recipe"].value("facts", Json());
  if (!kept.is_object() || !kept.contains("has_fast_bf16")) return false;
  RecipeFacts before = facts;
  before.has_fast_bf16 = kept["has_fast_bf16"] == true;
  const Json effort = kept.value("effort", Json(1)), minutes = kept.value("minutes", Json(0));
  if (!effort.is_number() || !minutes.is_number()) return false;
  before.effort = effort;
  before.minutes = minutes;
  if (ToJson(before) != kept) return false;
  facts.has_fast_bf16 = before.has_fast_bf16;
  if (facts.minutes > 0 && facts.minutes != before.minutes) return false;
  facts = before;
  return true;
}

// effort: another one than the earlier run's.
void ResolveRecipe(RunConfiguration& c, const TomlFile& file, std::optional<double> effort) {
  const Json earlier = EarlierRun(c.run.out);
  const std::string name = c.run.recipe == "auto" ? RecipeOf(earlier) : c.run.recipe;
  c.recipe = PaperRecipe();
  if (name == "paper") {
    if (c.run.minutes > 0)
      Fail("--minutes: recipe paper takes as long as it takes; --recipe practical can be fitted");
    return;
  }
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
  c.facts.backbone = !train_cls.arch.empty() ? WithoutStride(train_cls.arch)
                     : weights.empty()       ? "resnet18"
                                             : BackboneOf(weights);
  c.facts.has_fast_bf16 = HasFastBf16();
  c.facts.minutes = c.run.minutes;
  c.effort_is_fitted = KeepFacts(earlier, c.facts) || effort.has_value();
  if (effort) c.facts.effort = *effort;
  c.recipe = PracticalRecipe(c.facts);
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
  take("max-pixels", run.items.max_pixels);
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
  for (PredictOptions* predict : {&c.predict_train, &c.predict_tagged, &c.predict_val}) {
    predict->crf = c.crf;
    Fill(*predict, file, {"predict"}, c);
    // Without it its settings decide nothing, and are nothing to do the stage over for.
    if (!predict->use_crf) predict->crf = {};
  }
  // The tags of the images to be scored at the end are what a network does not know.
  if (c.predict_val.crf.labels == "tags") c.predict_val.crf.labels = "all";
  if (c.predict_val.tags == "listed" || (c.predict_val.tags == "guessed" && !c.is_practical()))
    Fail("{}: [predict] tags = \"{}\": a run has unknown{}", file.path().string(),
         c.predict_val.tags, c.is_practical() ? " and guessed" : " only in recipe paper");
}

void FillWeights(RunConfiguration& c) {
  if (c.train_cls.weights.empty()) c.train_cls.weights = c.run.weights;
  if (c.train_tags.weights.empty()) c.train_tags.weights = c.train_cls.weights;
  for (TrainSegOptions* seg : {&c.train_seg_1, &c.train_seg_1b, &c.train_seg_2}) {
    if (!seg->weights.empty()) continue;
    seg->weights = c.run.weights;
    // One file serves both networks where both are of its architecture.
    if (c.is_practical() && c.run.weights.empty() && seg->arch.ends_with(c.facts.backbone))
      seg->weights = c.train_cls.weights;
  }
}

// The stages' inputs and folders as the paper's recipe has them; most are the practical's too.
void JoinFolders(RunConfiguration& c) {
  const RunOptions& run = c.run;
  const auto maps_by = [&](std::optional<StageId> stage) {
    return stage ? FolderOf(run.out, *stage) : run.saliency;
  };
  c.saliency.images = c.train_cls.images = c.cam.images = run.images;
  c.saliency.list = c.train_cls.list = c.cam.list = c.label.list = c.refine.list = run.train;
  c.saliency.out = FolderOf(run.out, StageId::kSaliency);
  c.train_cls.saliency = maps_by(c.detector_stage());
  c.label.saliency = maps_by(c.object_stage());
  c.train_cls.classes = c.label.classes = c.refine.classes = c.eval.classes = run.classes;
  c.train_cls.out = FolderOf(run.out, StageId::kTrainCls);
  c.cam.checkpoint = FolderOf(run.out, c.attention_stage()) / "checkpoint.safetensors";
  c.cam.out = c.label.cams = FolderOf(run.out, StageId::kCam);
  c.label.out = FolderOf(run.out, StageId::kLabel);
  for (auto* seg : {&c.train_seg_1, &c.train_seg_1b, &c.train_seg_2}) {
    seg->images = run.images;
    seg->list = run.train;
    seg->classes = run.classes;
  }
  c.train_seg_1.labels = c.train_seg_1b.labels = c.refine.labels = c.label.out;
  c.train_seg_1.out = FolderOf(run.out, StageId::kTrainSeg1);
  c.predict_train.images = c.predict_tagged.images = c.predict_val.images = run.images;
  c.predict_train.list = c.predict_tagged.list = run.train;
  c.predict_train.checkpoint = c.train_seg_1.out / "checkpoint.safetensors";
  c.predict_train.out = c.refine.predictions = FolderOf(run.out, StageId::kPredictTrain);
  c.refine.out = c.train_seg_2.labels = FolderOf(run.out, StageId::kRefine);
  c.train_seg_2.out = FolderOf(run.out, StageId::kTrainSeg2);
  c.predict_val.list = c.eval.list = run.val;
  c.predict_val.checkpoint = c.predict_tagged.checkpoint =
      c.train_seg_2.out / "checkpoint.safetensors";
  c.predict_val.out = c.eval.predictions = FolderOf(run.out, StageId::kPredictVal);
  c.eval.truth = run.truth;
  c.eval.json = FolderOf(run.out, StageId::kEval) / "report.json";
}

// Whether the attention network can start from the one that train-tags makes, whatever the sections
// make of both.
bool CanStart(const RunConfiguration& c) {
  return CanTellTags(c.facts) &&
         WithoutStride(c.train_tags.arch) == WithoutStride(c.train_cls.arch) &&
         c.train_tags.width == c.train_cls.width &&
         c.train_tags.normalisation == c.train_cls.normalisation;
}

// What the practical recipe joins otherwise: a first round of two networks, each of half of the
// photographs, that label each other's half with what is known of it; and no refinement.
void JoinRounds(RunConfiguration& c) {
  const fs::path& out = c.run.out;
  c.train_seg_1.half = "first";
  c.train_seg_1.out = FolderOf(out, StageId::kTrainSeg1a);
  c.train_seg_1b.half = "second";
  c.train_seg_1b.out = FolderOf(out, StageId::kTrainSeg1b);
  c.predict_train.checkpoint = c.train_seg_1.out / "checkpoint.safetensors";
  c.predict_train.cross = c.train_seg_1b.out / "checkpoint.safetensors";
  c.predict_train.objects = c.predict_tagged.objects = true;
  if (c.train_seg_2.min_owner > 0) {
    c.predict_train.owners = true;
    c.train_seg_2.owners = c.predict_train.out;
  }
  for (ChooseOptions* choose : {&c.choose_labels, &c.choose_masks}) {
    // The judge needs sources that do not know of one another, and grown maps come of the
    // attention.
    choose->saliency = c.train_cls.saliency;
    choose->network_before = choose->network_after = c.predict_train.out;
    choose->cams = c.cam.out;
    choose->list = c.run.train;
    choose->classes = c.run.classes;
    choose->items = c.run.items;
  }
  c.choose_labels.before = c.label.out;
  c.choose_labels.after = c.predict_train.out;
  // The initial labels are named by attention alone.
  c.choose_labels.margin = 0.02;
  c.choose_labels.out = c.train_seg_2.labels = c.choose_masks.before =
      FolderOf(out, StageId::kChooseLabels);
  c.predict_tagged.out = c.choose_masks.after = FolderOf(out, StageId::kPredictTagged);
  c.choose_masks.network_after = c.predict_tagged.out;
  c.choose_masks.out = FolderOf(out, StageId::kMasks);
  c.choose_masks.decide_ignored = true;
  for (PredictOptions* predict : {&c.predict_train, &c.predict_tagged}) {
    predict->tags = "listed";
    predict->cams = c.cam.out;
    predict->classes = c.run.classes;  // of the list's tags
    if (!IsNone(c.label.saliency)) predict->saliency = c.label.saliency;
  }
  if (IsNone(c.label.saliency)) c.label.images = c.run.images;
  c.train_tags.images = c.run.images;
  c.train_tags.list = c.run.train;
  c.train_tags.classes = c.run.classes;
  c.train_tags.out = FolderOf(out, StageId::kTrainTags);
  const auto checkpoint = c.train_tags.out / "checkpoint.safetensors";
  c.train_cls.start = CanStart(c) ? checkpoint : fs::path();
  if (c.predict_val.tags == "guessed") c.predict_val.attention = checkpoint;
  if (c.grows_objects()) {
    c.objects.checkpoint = checkpoint;
    c.objects.cams = c.cam.out;
    c.objects.images = c.run.images;
    c.objects.list = c.run.train;
    c.objects.classes = c.run.classes;
    if (c.has_detector()) c.objects.saliency = c.train_cls.saliency;
    c.objects.out = FolderOf(out, StageId::kObjects);
  }
}

RunConfiguration Read(const TomlFile& file, const RunOptions& run, std::optional<double> effort) {
  RunConfiguration c;
  c.run = run;
  ResolveRecipe(c, file, effort);
  Fill(c.saliency, file, {"saliency"}, c, {"model"});
  Fill(c.train_tags, file, {"train-tags"}, c, {"weights"});
  Fill(c.train_cls, file, {"train-cls"}, c, {"weights"});
  Fill(c.cam, file, {"cam"}, c);
  Fill(c.objects, file, {"objects"}, c);
  Fill(c.label, file, {"label"}, c);
  Fill(c.train_seg_1, file, {"train-seg", "train-seg-1"}, c, {"weights"});
  Fill(c.train_seg_1b, file, {"train-seg", "train-seg-1"}, c, {"weights"});
  Fill(c.train_seg_2, file, {"train-seg", "train-seg-2"}, c, {"weights"});
  FillPredictions(c, file);
  Fill(c.refine, file, {"refine"}, c);
  Fill(c.eval, file, {"eval"}, c);
  FillWeights(c);
  JoinStages(c);
  return c;
}

}  // namespace

RunConfiguration ReadRunConfiguration(const TomlFile& file, const RunOptions& run) {
  return Read(file, run, std::nullopt);
}

RunConfiguration WithEffort(const TomlFile& file, const RunOptions& run, double effort) {
  return Read(file, run, effort);
}

void JoinStages(RunConfiguration& configuration) {
  JoinFolders(configuration);
  if (configuration.is_practical()) JoinRounds(configuration);
}

std::string ToToml(const RunConfiguration& configuration) {
  std::string text;
  // own_paths: those that the run does not decide.
  const auto add = [&](const std::string& section, auto options,
                       const std::vector<std::string>& own_paths = {},
                       const std::vector<std::string>& decided = {}) {
    OptionSet set;
    Describe(options, set);
    std::erase_if(set.options(), [&](const Option& option) {
      const auto is_in = [&](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), option.name()) != names.end();
      };
      static const std::vector<std::string> of_the_run = {
          "seed", "threads", "on-error", "max-pixels", "device", "loader-threads"};
      return (option.is_path() && !is_in(own_paths)) || is_in(of_the_run) || is_in(decided);
    });
    text += (text.empty() ? "" : "\n") + ToToml(section, set);
  };
  const RunConfiguration& c = configuration;
  RunOptions run = c.run;
  run.recipe = c.recipe.name;
  run.dry_run = false;
  run.minutes = 0;  // what came of them stands in the sections
  for (fs::path* path : {&run.out, &run.images, &run.train, &run.val, &run.truth, &run.classes,
                         &run.weights, &run.saliency})
    if (!path->empty() && !IsNone(*path)) *path = fs::absolute(*path).lexically_normal();
  OptionSet set;
  Describe(run, set);
  text = ToToml("run", set);
  // [predict] as it was read: the run takes some of the CRF's settings back for val, or all of them
  // where there is no CRF.
  PredictOptions predict = c.predict_val;
  predict.crf = predict.use_crf ? c.predict_train.crf : c.crf;
  std::vector<std::string> half;
  if (c.is_practical()) half.push_back("half");
  if (!c.saliency.model.empty()) add("saliency", c.saliency, {"model"});
  if (c.trains_tags()) add("train-tags", c.train_tags, {"weights"});
  add("train-cls", c.train_cls, {"weights"});
  add("cam", c.cam);
  if (c.grows_objects()) add("objects", c.objects);
  add("label", c.label);
  add("train-seg-1", c.train_seg_1, {"weights"}, half);
  add("train-seg-2", c.train_seg_2, {"weights"});
  add("crf", c.crf);
  add("predict", predict);
  if (!c.is_practical()) add("refine", c.refine);
  add("eval", c.eval);
  return text;
}

nlohmann::ordered_json DescribeRecipe(const RunConfiguration& c) {
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

}  // namespace i2crc
