// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/train_seg_step.h"

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
#include "i2crc/losses/segmentation_loss.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/train/sample_order.h"
#include "i2crc/train/schedule.h"

namespace i2crc {
namespace {

constexpr uint64_t kCropStream = 0x63726f70;        // "crop"
constexpr uint64_t kJitterStream = 0x6a6974746572;  // "jitter"

std::filesystem::path OwnersPath(const TrainSegOptions& options, const CheckedImage& image) {
  return options.owners / (image.id + "_owner.png");
}

// An object that may belong to another tag becomes one of the tags'.
void OpenDoubtfulOwners(const ImageU8& owners, double min_owner, ImageU8& mask) {
  for (size_t p = 0; p < mask.pixels(); ++p) {
    uint8_t& label = mask.data()[p];
    const bool is_object = label != 0 && label < kTagOrBackgroundLabel;
    if (is_object && owners.data()[p] < 255 * min_owner) label = kAnyTagLabel;
  }
}

class SegmentationTask : public TrainingTask {
 public:
  SegmentationTask(const TrainSegOptions& options, std::vector<CheckedImage> images)
      : options_(options),
        images_(std::move(images)),
        normalisation_(ParseNormalisation(options.normalisation)),
        order_(static_cast<int64_t>(images_.size()), options.seed) {
    std::vector<std::vector<int>> tags;
    for (const CheckedImage& image : images_) tags.push_back(image.tags);
    met_alone_ = TagsMetAlone(tags, options.min_alone);
  }

  int64_t steps() const override { return options_.iterations; }
  int accumulate() const override { return options_.accumulate; }
  // Batches run on over the end of an epoch, so that every one is full: batch norm is in training
  // mode.
  std::pair<int64_t, int64_t> SamplesOfBatch(int64_t batch) const override {
    return {batch * options_.batch, (batch + 1) * options_.batch};
  }
  int64_t Epoch(int64_t step) const override {
    return step * options_.accumulate * options_.batch / order_.images();
  }
  double Rate(int64_t step) const override {
    const int64_t end = options_.polynomial_end > 0 ? options_.polynomial_end : options_.iterations;
    return WarmUp(step, options_.warm_up) * PolynomialRate(options_.lr, options_.polynomial_power,
                                                           end, options_.polynomial_every, step);
  }

  Sample MakeSample(int64_t sample) const override {
    const auto& image = images_[static_cast<size_t>(order_.Image(sample))];
    return WithMemoryFor(image.photograph.native(), [&] { return MakeSample(image, sample); });
  }

  Sample MakeSample(const CheckedImage& image, int64_t sample) const {
    ImageU8 rgb = ReadPhotograph(image.photograph);
    Random jitter({options_.seed, kJitterStream, static_cast<uint64_t>(sample)});
    Jitter(rgb, options_.jitter, jitter);
    Random random({options_.seed, kCropStream, static_cast<uint64_t>(sample)});
    ImageU8 mask = ReadMask(image.map);
    if (options_.min_owner > 0 && MayBeOpen(image))
      OpenDoubtfulOwners(
          ReadCheckedGrey({OwnersPath(options_, image), "owner map", image.height, image.width}),
          options_.min_owner, mask);
    // Before the crop is padded with what is truly ignored.
    if (options_.partial_labels)
      std::replace(mask.values().begin(), mask.values().end(), kIgnoreLabel, kTagOrBackgroundLabel);
    SegmentationSample made =
        AugmentForSegmentation(rgb, mask, options_.crop, normalisation_, random);
    return {std::move(made.image), std::move(made.labels), image.tags};
  }

  LossReport Backward(Network& network, const at::Tensor& images, const std::vector<Sample>& batch,
                      double share) const override {
    const std::vector<at::Tensor> levels = network.ForwardLevels(images);
    LossReport report;
    const std::vector<uint8_t> tags = TagsOf(batch, levels.front().size(1));
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& logits : levels) {
      const at::Tensor on_cpu = logits.detach().to(at::kCPU).contiguous();
      const auto height = static_cast<int>(logits.size(2)),
                 width = static_cast<int>(logits.size(3));
      std::vector<uint8_t> labels;
      for (const Sample& sample : batch) {
        const ImageU8 shrunk = ResizePillowNearest(sample.map, height, width);
        labels.insert(labels.end(), shrunk.values().begin(), shrunk.values().end());
      }
      at::Tensor gradient = torch::empty_like(on_cpu);
      const double loss = CrossEntropy(
          {on_cpu.data_ptr<float>(), static_cast<size_t>(on_cpu.numel())}, labels,
          static_cast<int>(batch.size()), static_cast<int>(logits.size(1)), height, width, share,
          {gradient.data_ptr<float>(), static_cast<size_t>(gradient.numel())}, tags);
      gradients.push_back(gradient.to(logits.device()));
      report.total += loss;
      if (levels.size() > 1)
        report.parts.emplace_back(fmt::format("level_{}", report.parts.size()), loss);
    }
    torch::autograd::backward(levels, gradients);
    return report;
  }

 private:
  // [N, labels], 1 where a label is one of the image's tags; empty where labels are certain.
  std::vector<uint8_t> TagsOf(const std::vector<Sample>& batch, int64_t labels) const {
    std::vector<uint8_t> tags;
    if (!options_.partial_labels) return tags;
    for (const Sample& sample : batch) {
      const size_t first = tags.size();
      tags.resize(first + static_cast<size_t>(labels));
      for (const int tag : sample.tags) tags[first + static_cast<size_t>(tag) + 1] = 1;
    }
    return tags;
  }

  bool MayBeOpen(const CheckedImage& image) const {
    return std::includes(met_alone_.begin(), met_alone_.end(), image.tags.begin(),
                         image.tags.end());
  }

  const TrainSegOptions& options_;
  std::vector<CheckedImage> images_;
  std::set<int> met_alone_;
  Normalisation normalisation_;
  SampleOrder order_;
};

// Those with a label to learn from. Masks are read once before training: a value that the network
// has no label for is found before work begins, and an image whose mask is ignored as a whole would
// only make batches smaller.
std::vector<CheckedImage> WithLabels(const std::vector<CheckedImage>& images, int classes,
                                     const TrainSegOptions& options, Suspicions& suspicions,
                                     Context& context) {
  std::vector<CheckedImage> usable;
  for (const CheckedImage& image : images) {
    context.CheckInterrupted();
    TryItem(context, options.items.policy(), image.map.native(), [&] {
      const ImageU8 mask =
          ReadCheckedMask({image.map, "mask", image.height, image.width}, classes,
                          options.partial_labels ? AnyTag::kTaken : AnyTag::kRefused);
      suspicions.AddMask(options.labels, mask, image.tags);
      if (options.min_owner > 0)
        CheckSameSize(CheckMask(OwnersPath(options, image), "owner map"),
                      {image.map, "mask", image.height, image.width});
      if (std::any_of(mask.values().begin(), mask.values().end(),
                      [](uint8_t label) { return label != kIgnoreLabel; }))
        usable.push_back(image);
    });
  }
  if (usable.empty())
    Fail("{}: every mask of the list is ignored as a whole: nothing to train on",
         options.labels.string());
  const size_t dropped = images.size() - usable.size();
  if (dropped > 0)
    context.log().info("train-seg: {} of {} images have no label and are passed over", dropped,
                       images.size());
  return usable;
}

// Whether the list's tags are read.
bool IsByTags(const TrainSegOptions& options) {
  return options.partial_labels || options.half != "both";
}

std::vector<ListedImage> ImagesOf(const TrainSegOptions& options, const ClassNames& classes) {
  const auto images =
      IsByTags(options) ? ReadImageList(options.list, classes) : ReadImageIds(options.list);
  const Half half = options.half == "first"    ? Half::kFirst
                    : options.half == "second" ? Half::kSecond
                                               : Half::kBoth;
  return HalfOf(images, half);
}

}  // namespace

NetworkSpec NetworkOf(const TrainSegOptions& options, int classes) {
  return {.arch = options.arch,
          .outputs = classes + 1,
          .width = options.width,
          .multi_scale = options.msc};
}

namespace {

class TrainSegStep {
 public:
  TrainSegStep(const TrainSegOptions& options, Context& context)
      : options_(Checked(options)),
        classes_(ClassNames::ReadOrVoc(options_.classes)),
        suspicions_(classes_),
        images_(Images(context)) {
    PrepareCompute(options_.compute, options_.items.threads, context);
    training_ = MakeTraining("train-seg", options_, NetworkOf(options_, classes_.count()), classes_,
                             images_, SettingsOf(options_));
    Network& network = *training_.network;
    StartTraining(training_, options_.start);
    if (options_.freeze_bn) network.FreezeBatchNorm();
    network.FreezeStages(options_.freeze_stages);
    training_.loop.average = options_.average;
    network.Train();
    SayIfFinished(training_, context);
  }

  TrainingResult Run(Context& context) {
    suspicions_.Warn(context);
    Network& network = *training_.network;
    const SegmentationTask task(options_, images_);
    Sgd sgd(
        network.Parameters(),
        {.momentum = options_.momentum, .nesterov = false, .weight_decay = options_.weight_decay},
        [&](const NamedParameter& p) { return p.is_head ? options_.head_factor : 1.0; });
    return RunTraining(network, sgd, task, training_.info, training_.loop, context);
  }

 private:
  static TrainSegOptions Checked(const TrainSegOptions& options) {
    AllowImages(options.items);
    CheckFolder(options.images, "--images");
    CheckFolder(options.labels, "--labels");
    CheckOutFolder(options.out, {});
    return options;
  }
  void CheckOpenLabels() const {
    if (options_.partial_labels && !HasAnyTagLabel(classes_.count()))
      Fail("--partial-labels: at most {} classes, here are {}", kMaxClassesWithAnyTag,
           classes_.count());
    if (options_.min_owner > 0 && (options_.owners.empty() || !options_.partial_labels))
      Fail("--min-owner goes with --owners DIR and --partial-labels");
    if (options_.min_owner > 0) CheckFolder(options_.owners, "--owners");
  }
  std::vector<CheckedImage> Images(Context& context) {
    CheckOpenLabels();
    const auto checked =
        CheckImages(ImagesOf(options_, classes_),
                    {.images = options_.images,
                     .maps = options_.labels,
                     .map_kind = "mask",
                     .decode_photographs = options_.items.policy() == OnError::kSkip},
                    options_.items.policy(), context);
    // Else each image has its own.
    if (!IsByTags(options_))
      suspicions_.AddTags(options_.labels, TagsOfList(options_.list, classes_));
    return WithLabels(checked, classes_.count(), options_, suspicions_, context);
  }

  TrainSegOptions options_;
  ClassNames classes_;
  Suspicions suspicions_;
  std::vector<CheckedImage> images_;
  Training training_;
};

}  // namespace

Work<TrainingResult> PrepareTrainSeg(const TrainSegOptions& options, Context& context) {
  return PrepareStep<TrainSegStep>(options, context);
}

}  // namespace i2crc
