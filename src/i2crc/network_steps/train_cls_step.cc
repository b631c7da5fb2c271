// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/train_cls_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>

#include "i2crc/core/checksum.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/resize.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/inputs/suspicions.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/train/sample_order.h"
#include "i2crc/train/schedule.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

constexpr uint64_t kJitterStream = 0x6a6974746572;  // "jitter"

class AttentionTask : public TrainingTask {
 public:
  AttentionTask(const TrainClsOptions& options, std::vector<CheckedImage> images, int classes)
      : options_(options),
        images_(std::move(images)),
        classes_(classes),
        relation_(IsNone(options.saliency) ? RelationLossWeights{0, 0, 0} : options.relation),
        normalisation_(ParseNormalisation(options.normalisation)),
        order_(static_cast<int64_t>(images_.size()), options.seed) {}

  // The last batch of an epoch is kept though short.
  int64_t StepsPerEpoch() const { return (order_.images() + options_.batch - 1) / options_.batch; }
  int64_t steps() const override { return StepsPerEpoch() * options_.epochs; }
  int64_t Epoch(int64_t step) const override { return step / StepsPerEpoch(); }

  std::pair<int64_t, int64_t> SamplesOfBatch(int64_t batch) const override {
    const int64_t epoch_begin = batch / StepsPerEpoch() * order_.images();
    const int64_t first = epoch_begin + batch % StepsPerEpoch() * options_.batch;
    return {first, std::min(first + options_.batch, epoch_begin + order_.images())};
  }

  Sample MakeSample(int64_t sample) const override {
    const auto& image = images_[static_cast<size_t>(order_.Image(sample))];
    return WithMemoryFor(image.photograph.native(), [&] { return MakeSample(image, sample); });
  }

  Sample MakeSample(const CheckedImage& image, int64_t sample) const {
    const ImageU8 rgb = ReadPhotograph(image.photograph);
    // Without maps the losses that read them have weight 0.
    const ImageU8 saliency =
        image.map.empty() ? ImageU8(rgb.height(), rgb.width(), 1, 0) : ReadGrey(image.map);
    Random random({options_.seed, kJitterStream, static_cast<uint64_t>(sample)});
    return {AttentionInput(rgb, options_.input_size, normalisation_, &options_.jitter, &random),
            ResizeOpenCvNearest(saliency, options_.input_size, options_.input_size), image.tags};
  }

  double Rate(int64_t step) const override {
    return StepRate(options_.lr, options_.lr_factor, options_.lr_milestones, Epoch(step));
  }

  LossReport Backward(Network& network, const at::Tensor& images, const std::vector<Sample>& batch,
                      double share) const override {
    const at::Tensor scores = network.Forward(images);
    const at::Tensor on_cpu = scores.detach().to(at::kCPU).contiguous();
    std::vector<uint8_t> saliency, tags;
    for (const Sample& sample : batch) {
      saliency.insert(saliency.end(), sample.map.values().begin(), sample.map.values().end());
      const size_t first = tags.size();
      tags.resize(first + static_cast<size_t>(classes_));
      for (const int tag : sample.tags) tags[first + static_cast<size_t>(tag)] = 1;
    }
    RelationLossInput input;
    input.images = static_cast<int>(batch.size());
    input.classes = classes_;
    input.height = static_cast<int>(scores.size(2));
    input.width = static_cast<int>(scores.size(3));
    input.saliency_height = input.saliency_width = options_.input_size;
    input.scores = {on_cpu.data_ptr<float>(), static_cast<size_t>(on_cpu.numel())};
    input.saliency = saliency;
    input.tags = tags;
    at::Tensor gradient = torch::empty_like(on_cpu);
    const RelationLossValues values = RelationLosses(
        input, relation_, {gradient.data_ptr<float>(), static_cast<size_t>(gradient.numel())});
    scores.backward((gradient * share).to(scores.device()));
    return {values.total,
            {{"classification", values.classification},
             {"intra_foreground", values.intra_foreground},
             {"intra_background", values.intra_background},
             {"inter", values.inter}}};
  }

 private:
  const TrainClsOptions& options_;
  std::vector<CheckedImage> images_;
  int classes_;
  RelationLossWeights relation_;
  Normalisation normalisation_;
  SampleOrder order_;
};

bool FreezeBatchNorm(const TrainClsOptions& options) {
  if (options.freeze_bn != "auto") return options.freeze_bn == "on";
  return options.arch != "vgg16" && (!options.weights.empty() || !options.start.empty());
}

void WarnOfTags(const std::vector<CheckedImage>& images, Context& context) {
  const auto tagged = [&](auto condition) {
    return std::any_of(images.begin(), images.end(),
                       [&](const CheckedImage& image) { return condition(image.tags.size()); });
  };
  if (!tagged([](size_t tags) { return tags > 0; }))
    context.log().warn(
        "no image of the list has a tag: the network will learn that nothing is there");
  else if (!tagged([](size_t tags) { return tags == 1; }))
    context.log().warn("no image of the list has exactly one tag: the relation losses are 0");
}

}  // namespace

NetworkSpec NetworkOf(const TrainClsOptions& options, int classes) {
  return {.arch = options.arch, .outputs = classes, .width = options.width};
}

namespace {

class TrainClsStep {
 public:
  TrainClsStep(const TrainClsOptions& options, Context& context)
      : options_(Checked(options)),
        classes_(ClassNames::ReadOrVoc(options_.classes)),
        suspicions_(classes_),
        images_(Images(context)) {
    if (!has_saliency()) context.log().info("train-cls: no saliency, so no relation losses");
    PrepareCompute(options_.compute, options_.items.threads, context);
    training_ = MakeTraining("train-cls", options_, NetworkOf(options_, classes_.count()), classes_,
                             images_, SettingsOf(options_));
    training_.info.input_size = options_.input_size;
    Network& network = *training_.network;
    StartTraining(training_, options_.start);
    if (FreezeBatchNorm(options_)) network.FreezeBatchNorm();
    network.Train();
    SayIfFinished(training_, context);
  }

  TrainingResult Run(Context& context) {
    suspicions_.Warn(context);
    Network& network = *training_.network;
    const AttentionTask task(options_, images_, classes_.count());
    Sgd sgd(
        network.Parameters(),
        {.momentum = options_.momentum, .nesterov = true, .weight_decay = options_.weight_decay},
        [&](const NamedParameter& p) {
          return (p.is_head ? options_.head_factor : 1.0) *
                 (p.is_bias ? options_.bias_factor : 1.0);
        });
    return RunTraining(network, sgd, task, training_.info, training_.loop, context);
  }

 private:
  bool has_saliency() const { return !IsNone(options_.saliency); }
  static TrainClsOptions Checked(const TrainClsOptions& options) {
    AllowImages(options.items);
    CheckFolder(options.images, "--images");
    if (!IsNone(options.saliency)) CheckFolder(options.saliency, "--saliency");
    CheckOutFolder(options.out, {});
    return options;
  }
  std::vector<CheckedImage> Images(Context& context) {
    ImageSetRequest request{.images = options_.images,
                            .decode_photographs = options_.items.policy() == OnError::kSkip};
    if (has_saliency()) {
      request.maps = options_.saliency;
      // Reading them all takes seconds, a training on maps that tell nothing hours.
      request.see_map = [&](const CheckedImage& image, const ImageU8& map) {
        suspicions_.AddSaliency(options_.saliency, image.id, map, !image.tags.empty());
      };
    }
    auto images = CheckImages(ReadImageList(options_.list, classes_), request,
                              options_.items.policy(), context);
    WarnOfTags(images, context);
    return images;
  }

  TrainClsOptions options_;
  ClassNames classes_;
  Suspicions suspicions_;
  std::vector<CheckedImage> images_;
  Training training_;
};

}  // namespace

Work<TrainingResult> PrepareTrainCls(const TrainClsOptions& options, Context& context) {
  return PrepareStep<TrainClsStep>(options, context);
}

}  // namespace i2crc
