// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace i2crc {

// The stages of a run in their order. Of recipe paper alone are kTrainSeg1 and kRefine; of
// practical kObjects (with a ResNet's weights; where there is no saliency without kTrainCls),
// kTrainSeg1a and 1b (the first round's networks, each of half of the photographs), kChooseLabels,
// kPredictTagged and kMasks.
enum class StageId {
  kSaliency,
  kTrainTags,
  kTrainCls,
  kCam,
  kObjects,
  kLabel,
  kTrainSeg1,
  kTrainSeg1a,
  kTrainSeg1b,
  kPredictTrain,
  kChooseLabels,
  kRefine,
  kTrainSeg2,
  kPredictTagged,
  kMasks,
  kPredictVal,
  kEval
};

struct StageFacts {
  StageId id;
  const char* name;        // also of its folder
  bool is_training;        // step by step, to be gone on with
  bool is_of_val = false;  // its images are those of val, not of train
  bool is_result = false;  // what the run is for: kept by --clean
};

inline constexpr std::array<StageFacts, 17> kStages = {{
    {StageId::kSaliency, "saliency", false},
    {StageId::kTrainTags, "train-tags", false, false, true},
    {StageId::kTrainCls, "train-cls", true},
    {StageId::kCam, "cam", false},
    {StageId::kObjects, "objects", false},
    {StageId::kLabel, "label", false},
    {StageId::kTrainSeg1, "train-seg-1", true},
    {StageId::kTrainSeg1a, "train-seg-1a", true},
    {StageId::kTrainSeg1b, "train-seg-1b", true},
    {StageId::kPredictTrain, "predict-train", false},
    {StageId::kChooseLabels, "choose-labels", false},
    {StageId::kRefine, "refine", false},
    {StageId::kTrainSeg2, "train-seg-2", true, false, true},
    {StageId::kPredictTagged, "predict-tagged", false},
    {StageId::kMasks, "masks", false, false, true},
    {StageId::kPredictVal, "predict-val", false, true, true},
    {StageId::kEval, "eval", false, true, true},
}};

constexpr bool StagesStandInTheirOrder() {
  for (size_t i = 0; i < kStages.size(); ++i)
    if (static_cast<size_t>(kStages[i].id) != i) return false;
  return true;
}
static_assert(StagesStandInTheirOrder());

constexpr const StageFacts& FactsOf(StageId id) { return kStages[static_cast<size_t>(id)]; }
inline std::string NameOf(StageId id) { return FactsOf(id).name; }
// Of a stage of a run into this directory.
inline std::filesystem::path FolderOf(const std::filesystem::path& run, StageId id) {
  return run / FactsOf(id).name;
}
// Nothing for the name of another stage, as the demo has some.
inline std::optional<StageId> FindStage(std::string_view name) {
  for (const StageFacts& stage : kStages)
    if (stage.name == name) return stage.id;
  return std::nullopt;
}

}  // namespace i2crc
