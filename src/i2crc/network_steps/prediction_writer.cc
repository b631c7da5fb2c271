// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/prediction_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "i2crc/core/atomic_file.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/overlay.h"
#include "i2crc/labels/evidence.h"
#include "i2crc/labels/objects_first.h"
#include "i2crc/steps/crf_step.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

std::span<const float> Values(const at::Tensor& probabilities) {
  return {probabilities.data_ptr<float>(), static_cast<size_t>(probabilities.numel())};
}

ImageU8 ArgMax(const at::Tensor& probabilities) {
  // uint8 is enough: a network has at most 255 labels, and 255 itself means ignored.
  const at::Tensor labels = probabilities.argmax(0).to(at::kByte).contiguous();
  ImageU8 mask(static_cast<int>(labels.size(0)), static_cast<int>(labels.size(1)), 1);
  std::memcpy(mask.data(), labels.data_ptr<uint8_t>(), mask.size());
  return mask;
}

// Probabilities of background and `classes` in the labels of the network, [labels, H, W]; those
// that are passed over have 0.
std::vector<float> OverAllLabels(std::span<const float> values, const std::vector<int>& classes,
                                 int labels) {
  const size_t pixels = values.size() / (classes.size() + 1);
  std::vector<float> all(static_cast<size_t>(labels) * pixels, 0.0F);
  std::copy_n(values.begin(), pixels, all.begin());
  for (size_t k = 0; k < classes.size(); ++k)
    std::copy_n(&values[(k + 1) * pixels], pixels,
                &all[static_cast<size_t>(classes[k] + 1) * pixels]);
  return all;
}

// One minus the background, 0…255.
ImageU8 ObjectMap(const at::Tensor& probabilities) {
  const at::Tensor object =
      (255 * (1 - probabilities[0])).round().clamp(0, 255).to(at::kByte).contiguous();
  ImageU8 map(static_cast<int>(object.size(0)), static_cast<int>(object.size(1)), 1);
  std::memcpy(map.data(), object.data_ptr<uint8_t>(), map.size());
  return map;
}

// The share of the mask's tag in what the probabilities give to all tags, 0…255; 255 where there is
// no other.
ImageU8 OwnerMap(std::span<const float> probabilities, const std::vector<int>& classes,
                 const ImageU8& mask) {
  ImageU8 map(mask.height(), mask.width(), 1, 255);
  if (classes.size() < 2) return map;
  const size_t pixels = mask.pixels();
  for (size_t k = 0; k < classes.size(); ++k)
    for (size_t p = 0; p < pixels; ++p)
      if (mask.data()[p] == classes[k] + 1) {
        const float share = probabilities[(k + 1) * pixels + p] / (1 - probabilities[p]);
        map.data()[p] = static_cast<uint8_t>(std::lround(255 * std::clamp(share, 0.0F, 1.0F)));
      }
  return map;
}

// What is more than an argmax goes to threads beside the network's.
bool NeedsWork(const PredictOptions& options) {
  return options.use_crf || options.tags == "listed" || options.objects_first ||
         options.min_certain > 0;
}

}  // namespace

PredictionWriter::PredictionWriter(const PredictOptions& options, size_t images, Context& context)
    : options_(options),
      context_(context),
      threads_(static_cast<int>(
          std::min<size_t>(static_cast<size_t>(ThreadCount(options.items.threads)), images))),
      queue_(NeedsWork(options) && threads_ > 1 ? threads_ : 0, threads_ + 1) {
  if (NeedsWork(options) && threads_ > 1) context.WarnOfFewThreads(queue_.threads(), threads_);
  // Threads that no image is left for help with the others.
  if (options.use_crf)
    runner_.emplace(Resolve(options.crf), ThreadCount(options.items.threads) / threads_, context);
}

void PredictionWriter::Write(const CheckedImage& image, PhotographEvidence evidence,
                             const at::Tensor& network) {
  if (options_.objects)
    WriteGreyPng(OutputPath(options_.out, image.id, "_object.png"), ObjectMap(network));
  if (!NeedsWork(options_)) {
    WriteFiles(image, evidence.rgb, ArgMax(network), network.sizes().vec(), Values(network));
    return;
  }
  queue_.Submit([this, &image, evidence = std::move(evidence), network] {
    TryMemory(context_, options_.items.policy(), image.photograph.native(),
              [&] { WriteRefined(image, evidence, network); });
  });
}

PredictionWriter::Belief PredictionWriter::BeliefOf(const CheckedImage& image,
                                                    const PhotographEvidence& evidence,
                                                    const at::Tensor& network) const {
  const auto labels = static_cast<int>(network.size(0));
  Belief belief;
  if (options_.tags != "listed") {
    belief.classes.resize(static_cast<size_t>(labels - 1));
    std::iota(belief.classes.begin(), belief.classes.end(), 0);
    belief.probabilities = Values(network);
    return belief;
  }
  belief.classes = image.tags;
  belief.own =
      ProbabilitiesOfTags({.saliency = options_.saliency.empty() ? nullptr : &evidence.saliency,
                           .attention = evidence.attention,
                           .network = Values(network),
                           .labels = labels,
                           .height = image.height,
                           .width = image.width},
                          image.tags, options_.evidence);
  belief.probabilities = belief.own;
  return belief;
}

ImageU8 PredictionWriter::AfterCrf(const CheckedImage& image, const ImageU8& rgb, Belief& belief) {
  const CrfUnary unary{CrfUnary::Kind::kProbability, belief.probabilities,
                       static_cast<int>(belief.classes.size()) + 1};
  CrfOutput output =
      runner_->Run(unary, rgb, image.tags, options_.probabilities || options_.min_certain > 0,
                   image.photograph.string());
  if (!output.marginals.empty()) {
    belief.own = std::move(output.marginals);
    belief.probabilities = belief.own;
  }
  if (options_.min_certain > 0) return Decide(image, belief);
  ImageU8 mask(rgb.height(), rgb.width(), 1);
  std::transform(output.mask.values().begin(), output.mask.values().end(), mask.values().begin(),
                 [&](uint16_t label) {
                   return static_cast<uint8_t>(label == 0 ? 0 : belief.classes[label - 1U] + 1);
                 });
  return mask;
}

ImageU8 PredictionWriter::AfterCrfs(const CheckedImage& image, const ImageU8& rgb, Belief& belief) {
  const auto marginals = [&](std::vector<float> values) {
    const auto labels = static_cast<int>(values.size() / rgb.pixels());
    if (labels == 1) return values;
    return runner_
        ->Run({CrfUnary::Kind::kProbability, values, labels}, rgb, {}, /*want_marginals=*/true,
              image.photograph.string())
        .marginals;
  };
  const std::vector<float> object = marginals(ObjectOrNot(belief.probabilities, rgb.pixels()));
  belief.own = ObjectTimesOwners(
      object, marginals(OwnersOfObjects(belief.probabilities, rgb.pixels())), rgb.pixels());
  belief.probabilities = belief.own;
  return Decide(image, belief);
}

ImageU8 PredictionWriter::Decide(const CheckedImage& image, const Belief& belief) const {
  return (options_.objects_first ? DecideObjectsFirst : DecideLabels)(
      belief.probabilities, belief.classes, image.height, image.width, options_.min_certain);
}

void PredictionWriter::WriteRefined(const CheckedImage& image, const PhotographEvidence& evidence,
                                    const at::Tensor& network) {
  Belief belief = BeliefOf(image, evidence, network);
  const std::vector<float> before_crf = options_.owners ? belief.own : std::vector<float>();
  // Nothing but background can win without a tag.
  const bool uses_crf = runner_ && !belief.classes.empty();
  ImageU8 mask;
  if (uses_crf && options_.objects_first)
    mask = AfterCrfs(image, evidence.rgb, belief);
  else if (uses_crf)
    mask = AfterCrf(image, evidence.rgb, belief);
  else
    mask = Decide(image, belief);
  if (options_.owners)
    WriteGreyPng(OutputPath(options_.out, image.id, "_owner.png"),
                 OwnerMap(before_crf, belief.classes, mask));
  std::vector<float> all;
  if (options_.probabilities)
    all = OverAllLabels(belief.probabilities, belief.classes, static_cast<int>(network.size(0)));
  WriteFiles(image, evidence.rgb, mask, network.sizes().vec(), all);
}

void PredictionWriter::WriteFiles(const CheckedImage& image, const ImageU8& rgb,
                                  const ImageU8& mask, const std::vector<int64_t>& shape,
                                  std::span<const float> probabilities) {
  if (options_.probabilities) {
    TensorMap stored;
    stored.Add("probability", Tensor::F16FromF32(shape, probabilities));
    WriteSafetensors(OutputPath(options_.out, image.id, ".safetensors"), stored, Flush::kLater);
  }
  if (options_.overlay)
    WriteJpeg(OutputPath(options_.out, image.id, "_overlay.jpg"), Overlay(rgb, mask, VocPalette()));
  WriteMaskPng(OutputPath(options_.out, image.id, ".png"), mask, VocPalette());
  ++images_;
}

}  // namespace i2crc
