// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/train_tags_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/augment.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/views.h"
#include "i2crc/train/logistic_regression.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

constexpr int kFolds = 5;

// Mean features of a photograph and its mirror image, f32 [channels].
at::Tensor MeanFeatures(Network& network, const ImageF32& input, const std::string& device) {
  const auto features = [&](const at::Tensor& images) {
    return network.Features(images).back().mean({2, 3});
  };
  return MeanOfViews(AsBatch(input).to(device), /*flip=*/true, features)[0].to(at::kCPU);
}

// f32 [images, channels].
at::Tensor FeaturesOf(const std::vector<CheckedImage>& images, Network& network,
                      const Normalisation& normalisation, int input_size,
                      const TrainTagsOptions& options, Context& context) {
  std::vector<at::Tensor> rows;
  const ItemWork<ImageF32> work{
      .name = [&](int64_t i) { return images[static_cast<size_t>(i)].photograph.string(); },
      .make =
          [&](int64_t i) {
            return AttentionInput(ReadPhotograph(images[static_cast<size_t>(i)].photograph),
                                  input_size, normalisation);
          },
      .write = {},
      .take =
          [&](int64_t i, const ImageF32& input) {
            rows.push_back(OnPhotograph(images[static_cast<size_t>(i)], [&] {
              return MeanFeatures(network, input, options.compute.device);
            }));
          }};
  ForEachItem("train-tags", static_cast<int64_t>(images.size()), options.compute.loader_threads,
              OnError::kStop, work, context);
  return at::stack(rows);
}

// f32 [images, classes], 1 where the image has the tag.
at::Tensor TagMatrix(const std::vector<CheckedImage>& images, int classes) {
  at::Tensor present = torch::zeros({static_cast<int64_t>(images.size()), classes});
  for (size_t i = 0; i < images.size(); ++i)
    for (const int tag : images[i].tags) present[static_cast<int64_t>(i)][tag] = 1;
  return present;
}

std::vector<int> Folds(const std::vector<CheckedImage>& images) {
  std::vector<std::vector<int>> tags;
  for (const CheckedImage& image : images) tags.push_back(image.tags);
  return DealOutByTags(tags, kFolds);
}

nlohmann::ordered_json Report(const CrossValidation& judged, int input_size,
                              const ClassNames& classes, size_t images) {
  nlohmann::ordered_json json = {{"images", images},
                                 {"input_size", input_size},
                                 {"penalty", judged.penalty},
                                 {"loss", judged.loss},
                                 {"loss_of_frequencies", judged.loss_of_frequencies},
                                 {"mean_average_precision", judged.mean_precision}};
  for (size_t k = 0; k < judged.precision.size(); ++k)
    if (!std::isnan(judged.precision[k]))
      json["average_precision"][classes.names()[k]] = judged.precision[k];
  return json;
}

void SetHead(Network& network, const LogisticRegression& layer) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : network.State()) {
    if (name == "head.weight") tensor.copy_(layer.weight.view_as(tensor));
    if (name == "head.bias") tensor.copy_(layer.bias);
  }
}

class TrainTagsStep {
 public:
  TrainTagsStep(const TrainTagsOptions& options, Context& context)
      : options_(Checked(options)),
        classes_(ClassNames::ReadOrVoc(options_.classes)),
        images_(Images(context)) {
    PrepareCompute(options_.compute, options_.items.threads, context);
    training_ =
        MakeTraining("train-tags", options_,
                     {.arch = options_.arch, .outputs = classes_.count(), .width = options_.width},
                     classes_, images_, SettingsOf(options_));
    training_.network->Eval();
  }

  TrainTagsResult Run(Context& context) {
    const torch::NoGradGuard no_grad;
    Network& network = *training_.network;
    const at::Tensor present = TagMatrix(images_, classes_.count());
    const auto look_at = [&](int input_size) {
      Look look{
          input_size,
          FeaturesOf(images_, network, training_.info.normalisation, input_size, options_, context),
          {}};
      look.judged = ChoosePenalty(look.features, present, Folds(images_),
                                  {1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 0.3, 1});
      return look;
    };
    Look best = look_at(options_.input_size);
    nlohmann::ordered_json tried;
    if (options_.try_input_size > 0) {
      // A closer look takes longer for all that comes after.
      constexpr double kClearlyBetter = 0.01;
      Look other = look_at(options_.try_input_size);
      for (const Look* each : {&best, &other})
        tried.push_back({{"input_size", each->input_size},
                         {"mean_average_precision", each->judged.mean_precision}});
      if (other.judged.mean_precision > best.judged.mean_precision + kClearlyBetter)
        best = std::move(other);
    }
    const CrossValidation& judged = best.judged;
    training_.info.input_size = best.input_size;
    SetHead(network, FitLogisticRegression(best.features, present, judged.penalty));
    if (judged.loss >= judged.loss_of_frequencies)
      context.log().warn(
          "train-tags: photographs that were not learned from are told no better than by the tags' "
          "frequencies; guessed tags will not help");
    nlohmann::ordered_json report = Report(judged, best.input_size, classes_, images_.size());
    if (!tried.empty()) report["tried"] = tried;
    WriteFileAtomically(options_.out / "report.json", report.dump(1) + "\n");
    WriteSafetensors(options_.out / "checkpoint.safetensors",
                     MakeCheckpoint(network, training_.info));
    return {static_cast<int64_t>(images_.size()), judged.mean_precision};
  }

 private:
  struct Look {
    int input_size = 0;
    at::Tensor features;
    CrossValidation judged;
  };
  static TrainTagsOptions Checked(const TrainTagsOptions& options) {
    AllowImages(options.items);
    CheckFolder(options.images, "--images");
    CheckOutFolder(options.out, {{"--images", &options.images}});
    return options;
  }
  std::vector<CheckedImage> Images(Context& context) const {
    auto images = CheckImages(ReadImageList(options_.list, classes_),
                              {.images = options_.images,
                               .decode_photographs = options_.items.policy() == OnError::kSkip},
                              options_.items.policy(), context);
    if (images.size() < 2)
      Fail("{}: one image is not enough to learn from", options_.list.string());
    if (std::all_of(images.begin(), images.end(),
                    [](const CheckedImage& image) { return image.tags.empty(); }))
      context.log().warn(
          "no image of the list has a tag: the network will say that nothing is there");
    if (options_.weights.empty())
      context.log().warn(
          "train-tags: without --weights the features are accidental and tell little");
    return images;
  }

  TrainTagsOptions options_;
  ClassNames classes_;
  std::vector<CheckedImage> images_;
  Training training_;
};

}  // namespace

Work<TrainTagsResult> PrepareTrainTags(const TrainTagsOptions& options, Context& context) {
  return PrepareStep<TrainTagsStep>(options, context);
}

}  // namespace i2crc
