// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/run_stages.h"

#include <algorithm>

#include "i2crc/data/image_list.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/run/stage_names.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

// Files of an input that are there, for the IDs of a list.
StageInput FilesOf(const std::string& name, const fs::path& folder,
                   const std::vector<ListedImage>& ids, const std::string& suffix,
                   const std::string& made_by) {
  StageInput input{name, {}, folder, made_by};
  for (const ListedImage& listed : ids) {
    const fs::path file = folder / (listed.id + suffix);
    if (fs::exists(file)) input.files.push_back(file);
  }
  return input;
}

StageInput Photographs(const fs::path& folder, const std::vector<ListedImage>& ids) {
  StageInput input{"images", {}, folder, ""};
  for (const ListedImage& listed : ids) {
    try {
      input.files.push_back(FindPhotograph(folder, listed.id));
    } catch (const Error&) {
      // What is missing is the stage's to say, or to skip.
    }
  }
  return input;
}

// Every ID_k.png of the listed tags.
StageInput AttentionMaps(const fs::path& folder, const std::vector<ListedImage>& images,
                         const std::string& made_by) {
  StageInput input{"cams", {}, folder, made_by};
  for (const ListedImage& image : images)
    for (const int tag : image.tags) {
      const fs::path file = AttentionPath(folder, image.id, tag);
      if (fs::exists(file)) input.files.push_back(file);
    }
  return input;
}

StageInput File(const std::string& name, const fs::path& path, const std::string& made_by = "") {
  StageInput input{name, {}, {}, made_by};
  if (!path.empty() && fs::exists(path)) input.files.push_back(path);
  return input;
}

}  // namespace

StageScorer ScoreAgainstTruth(const EvalOptions& eval) {
  const auto inputs = [eval] {
    if (eval.truth.empty()) return std::vector<StageInput>();
    return std::vector<StageInput>{
        File("list", eval.list), File("classes", eval.classes),
        FilesOf("truth", eval.truth, ReadImageIds(eval.list), ".png", "")};
  };
  const auto score = [eval](Context& context) -> std::optional<ScoreReport> {
    if (eval.truth.empty()) return std::nullopt;
    const size_t missing = MissingTruths(eval.truth, ReadImageIds(eval.list));
    if (missing == 0) return PrepareEval(eval, context).Run(context).report;
    context.log().info("not scored: {} images have no truth", missing);
    return std::nullopt;
  };
  return {SettingsOf(eval), inputs, score};
}

size_t MissingTruths(const fs::path& truth, const std::vector<ListedImage>& images) {
  return static_cast<size_t>(std::count_if(
      images.begin(), images.end(),
      [&](const ListedImage& listed) { return !fs::exists(truth / (listed.id + ".png")); }));
}

Stage SaliencyStage(const SaliencyOptions& options) {
  return {NameOf(StageId::kSaliency),
          options.out,
          SettingsOf(options),
          [options] {
            return std::vector<StageInput>{File("model", options.model), File("list", options.list),
                                           Photographs(options.images, ReadImageIds(options.list))};
          },
          [options](Context& context) { PrepareSaliency(options, context).Run(context); },
          {}};
}

Stage TrainTagsStage(const TrainTagsOptions& options) {
  return {NameOf(StageId::kTrainTags),
          options.out,
          SettingsOf(options),
          [options] {
            return std::vector<StageInput>{File("list", options.list),
                                           File("classes", options.classes),
                                           File("weights", options.weights),
                                           Photographs(options.images, ReadImageIds(options.list))};
          },
          [options](Context& context) { PrepareTrainTags(options, context).Run(context); },
          {}};
}

Stage TrainClsStage(const std::string& name, const TrainClsOptions& options,
                    const std::string& saliency_by) {
  return {name,
          options.out,
          SettingsOf(options),
          [options, saliency_by] {
            const auto ids = ReadImageIds(options.list);
            std::vector<StageInput> inputs = {
                File("list", options.list), File("classes", options.classes),
                File("weights", options.weights), Photographs(options.images, ids),
                FilesOf("saliency", options.saliency, ids, ".png", saliency_by)};
            if (!options.start.empty())
              inputs.push_back(File("start", options.start, NameOf(StageId::kTrainTags)));
            return inputs;
          },
          [options](Context& context) { PrepareTrainCls(options, context).Run(context); },
          {},
          /*is_result=*/false,
          kTrainingState};
}

Stage CamStage(const std::string& name, const CamOptions& options, const std::string& network_by,
               StageScorer score) {
  return {name,
          options.out,
          SettingsOf(options),
          [options, network_by] {
            return std::vector<StageInput>{File("list", options.list),
                                           File("checkpoint", options.checkpoint, network_by),
                                           Photographs(options.images, ReadImageIds(options.list))};
          },
          [options](Context& context) { PrepareCam(options, context).Run(context); },
          std::move(score)};
}

Stage ObjectsStage(const ObjectsOptions& options, const std::string& saliency_by) {
  return {NameOf(StageId::kObjects),
          options.out,
          SettingsOf(options),
          [options, saliency_by] {
            const auto images = ReadImageList(options.list, ClassNames::ReadOrVoc(options.classes));
            std::vector<StageInput> inputs = {
                File("list", options.list),
                File("checkpoint", options.checkpoint, NameOf(StageId::kTrainTags)),
                AttentionMaps(options.cams, images, NameOf(StageId::kCam)),
                Photographs(options.images, images)};
            if (!options.saliency.empty())
              inputs.push_back(FilesOf("saliency", options.saliency, images, ".png", saliency_by));
            return inputs;
          },
          [options](Context& context) { PrepareObjects(options, context).Run(context); },
          {}};
}

Stage LabelStage(const LabelOptions& options, const std::string& saliency_by, StageScorer score) {
  return {NameOf(StageId::kLabel),
          options.out,
          SettingsOf(options),
          [options, saliency_by] {
            const auto images = ReadImageList(options.list, ClassNames::ReadOrVoc(options.classes));
            std::vector<StageInput> inputs = {
                File("list", options.list),
                AttentionMaps(options.cams, images, NameOf(StageId::kCam)),
                FilesOf("saliency", options.saliency, images, ".png", saliency_by)};
            if (!options.images.empty()) inputs.push_back(Photographs(options.images, images));
            return inputs;
          },
          [options](Context& context) { PrepareLabel(options, context).Run(context); },
          std::move(score)};
}

Stage TrainSegStage(const std::string& name, const TrainSegOptions& options,
                    const std::string& labels_by) {
  return {name,
          options.out,
          SettingsOf(options),
          [options, labels_by] {
            const auto ids = ReadImageIds(options.list);
            std::vector<StageInput> inputs = {
                File("list", options.list), File("classes", options.classes),
                File("weights", options.weights), Photographs(options.images, ids),
                FilesOf("labels", options.labels, ids, ".png", labels_by)};
            if (!options.owners.empty())
              inputs.push_back(FilesOf("owners", options.owners, ids, "_owner.png",
                                       NameOf(StageId::kPredictTrain)));
            return inputs;
          },
          [options](Context& context) { PrepareTrainSeg(options, context).Run(context); },
          {},
          /*is_result=*/false,
          kTrainingState};
}

Stage PredictStage(const std::string& name, const PredictOptions& options,
                   const PredictInputsBy& by, StageScorer score) {
  return {name,
          options.out,
          SettingsOf(options),
          [options, by] {
            const auto ids = ReadImageIds(options.list);
            std::vector<StageInput> inputs = {File("list", options.list),
                                              File("checkpoint", options.checkpoint, by.network),
                                              Photographs(options.images, ids)};
            // Only where there are some: records of before they were possible have no such inputs.
            if (!options.cross.empty()) inputs.push_back(File("cross", options.cross, by.cross));
            if (!options.saliency.empty())
              inputs.push_back(FilesOf("saliency", options.saliency, ids, ".png", by.saliency));
            if (!options.cams.empty())
              inputs.push_back(AttentionMaps(
                  options.cams, ReadImageList(options.list, ClassNames::ReadOrVoc(options.classes)),
                  by.cams));
            if (!options.attention.empty())
              inputs.push_back(File("attention", options.attention, NameOf(StageId::kTrainTags)));
            return inputs;
          },
          [options](Context& context) { PreparePredict(options, context).Run(context); },
          std::move(score)};
}

Stage ChooseStage(const std::string& name, const ChooseOptions& options, const ChooseInputsBy& by,
                  StageScorer score) {
  return {name,
          options.out,
          SettingsOf(options),
          [options, by] {
            const auto images = ReadImageList(options.list, ClassNames::ReadOrVoc(options.classes));
            std::vector<StageInput> inputs = {
                File("list", options.list),
                FilesOf("before", options.before, images, ".png", by.before),
                FilesOf("after", options.after, images, ".png", by.after)};
            if (IsNone(options.saliency)) return inputs;
            inputs.push_back(FilesOf("saliency", options.saliency, images, ".png", by.saliency));
            inputs.push_back(FilesOf("network-before", options.network_before, images,
                                     "_object.png", by.network_before));
            inputs.push_back(FilesOf("network-after", options.network_after, images, "_object.png",
                                     by.network_after));
            inputs.push_back(AttentionMaps(options.cams, images, by.cams));
            return inputs;
          },
          [options](Context& context) {
            LogChoice(options, PrepareChoose(options, context).Run(context), context);
          },
          std::move(score)};
}

Stage RefineStage(const RefineOptions& options, StageScorer score) {
  return {NameOf(StageId::kRefine),
          options.out,
          SettingsOf(options),
          [options] {
            const auto ids = ReadImageIds(options.list);
            return std::vector<StageInput>{
                File("list", options.list),
                FilesOf("predictions", options.predictions, ids, ".png",
                        NameOf(StageId::kPredictTrain)),
                FilesOf("labels", options.labels, ids, ".png", NameOf(StageId::kLabel))};
          },
          [options](Context& context) { PrepareRefine(options, context).Run(context); },
          std::move(score)};
}

Stage EvalStage(const EvalOptions& options) {
  return {
      NameOf(StageId::kEval),
      options.json.parent_path(),
      SettingsOf(options),
      [options] {
        const auto ids = ReadImageIds(options.list);
        return std::vector<StageInput>{
            File("list", options.list), File("classes", options.classes),
            FilesOf("predictions", options.predictions, ids, ".png", NameOf(StageId::kPredictVal)),
            FilesOf("truth", options.truth, ids, ".png", "")};
      },
      [](Context&) {},
      {{}, {}, [options](Context& context) {
         return PrepareEval(options, context).Run(context).report;
       }}};
}

}  // namespace i2crc
