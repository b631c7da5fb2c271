// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/data/image_list.h"
#include "i2crc/network_steps/cam_step.h"
#include "i2crc/network_steps/objects_step.h"
#include "i2crc/network_steps/predict_step.h"
#include "i2crc/network_steps/train_cls_step.h"
#include "i2crc/network_steps/train_seg_step.h"
#include "i2crc/network_steps/train_tags_step.h"
#include "i2crc/saliency/saliency_step.h"
#include "i2crc/stages/stage.h"
#include "i2crc/steps/choose_step.h"
#include "i2crc/steps/eval_step.h"
#include "i2crc/steps/label_step.h"
#include "i2crc/steps/refine_step.h"

namespace i2crc {

// Scores with these options where every image of the list has a truth, otherwise says that it does
// not.
StageScorer ScoreAgainstTruth(const EvalOptions& eval);
size_t MissingTruths(const std::filesystem::path& truth, const std::vector<ListedImage>& images);

// Every step of the pipeline as a stage of a run. The options name the stage's folder (out) and its
// inputs; X_by names the stage that makes an input, "" where it is the user's own.
Stage SaliencyStage(const SaliencyOptions& options);
Stage TrainClsStage(const std::string& name, const TrainClsOptions& options,
                    const std::string& saliency_by);
Stage CamStage(const std::string& name, const CamOptions& options, const std::string& network_by,
               StageScorer score);
Stage ObjectsStage(const ObjectsOptions& options, const std::string& saliency_by);
Stage LabelStage(const LabelOptions& options, const std::string& saliency_by, StageScorer score);
Stage TrainSegStage(const std::string& name, const TrainSegOptions& options,
                    const std::string& labels_by);
Stage TrainTagsStage(const TrainTagsOptions& options);
// Which stages make what a prediction reads.
struct PredictInputsBy {
  std::string network;
  std::string cross = "", saliency = "", cams = "";
};
struct ChooseInputsBy {
  std::string before, after, saliency, network_before, network_after, cams;
};
Stage PredictStage(const std::string& name, const PredictOptions& options,
                   const PredictInputsBy& by, StageScorer score);
Stage ChooseStage(const std::string& name, const ChooseOptions& options, const ChooseInputsBy& by,
                  StageScorer score);
Stage RefineStage(const RefineOptions& options, StageScorer score);
// The final score; its folder is that of options.json.
Stage EvalStage(const EvalOptions& options);

}  // namespace i2crc
