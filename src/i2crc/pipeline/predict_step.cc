// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/predict_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/augment.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/overlay.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/pipeline/crf_inference.h"
#include "i2crc/pipeline/crf_step.h"
#include "i2crc/pipeline/finish_queue.h"
#include "i2crc/pipeline/image_set.h"
#include "i2crc/pipeline/inference.h"
#include "i2crc/pipeline/item_loop.h"
#include "i2crc/pipeline/mask_set.h"
#include "i2crc/pipeline/network_setup.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

struct PredictInput {
  ImageU8 rgb;
  ImageF32 normalised;
  ImageF32 for_attention;  // where tags are guessed
  ImageU8 saliency;        // where it is used
};

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

void WriteProbabilities(const std::filesystem::path& path, const std::vector<int64_t>& shape,
                        std::span<const float> values) {
  TensorMap stored;
  stored.Add("probability", Tensor::F16FromF32(shape, values));
  WriteSafetensors(path, stored);
}

// What a photograph's labels may be and how probable each is: all labels of the network, or
// background and the image's tags.
struct Belief {
  std::vector<int> classes;          // of label 1, 2, …
  std::vector<float> probabilities;  // [1 + classes, H, W]
};

// In the labels of the network, [labels, H, W]; those that a belief passes over have 0.
std::vector<float> OverAllLabels(Belief belief, int labels) {
  std::vector<float>& values = belief.probabilities;
  if (belief.classes.size() + 1 == static_cast<size_t>(labels)) return std::move(values);
  const size_t pixels = values.size() / (belief.classes.size() + 1);
  std::vector<float> all(static_cast<size_t>(labels) * pixels, 0.0F);
  std::copy_n(values.begin(), pixels, all.begin());
  for (size_t k = 0; k < belief.classes.size(); ++k)
    std::copy_n(&values[(k + 1) * pixels], pixels,
                &all[static_cast<size_t>(belief.classes[k] + 1) * pixels]);
  return all;
}

// What is made of a photograph's probabilities: files, after the CRF where it is asked for.
class PredictionWriter {
 public:
  // images: how many there will be.
  PredictionWriter(const PredictOptions& options, size_t images)
      : options_(options),
        threads_(static_cast<int>(
            std::min<size_t>(static_cast<size_t>(ThreadCount(options.items.threads)), images))),
        queue_(NeedsWork(options) && threads_ > 1 ? threads_ : 0, threads_ + 1) {
    // Threads that no image is left for help with the others.
    if (options.use_crf)
      runner_.emplace(Resolve(options.crf), ThreadCount(options.items.threads) / threads_);
  }

  // network: [labels, H, W].
  void Write(const CheckedImage& image, const PredictInput& input, const at::Tensor& network) {
    if (!NeedsWork(options_)) {
      WriteFiles(image, input.rgb, ArgMax(network), network.sizes().vec(), Values(network));
      return;
    }
    queue_.Submit([this, &image, rgb = input.rgb, saliency = input.saliency, network] {
      WriteRefined(image, rgb, saliency, network);
    });
  }
  // Everything that was given to Write is written.
  void Finish() { queue_.Finish(); }

 private:
  // What is more than an argmax goes to threads beside the network's.
  static bool NeedsWork(const PredictOptions& options) {
    return options.use_crf || options.tags == "listed" || options.min_certain > 0;
  }

  Belief BeliefOf(const CheckedImage& image, const ImageU8& saliency,
                  const at::Tensor& network) const {
    const auto labels = static_cast<int>(network.size(0));
    if (options_.tags != "listed") {
      Belief belief{std::vector<int>(static_cast<size_t>(labels - 1)),
                    {Values(network).begin(), Values(network).end()}};
      std::iota(belief.classes.begin(), belief.classes.end(), 0);
      return belief;
    }
    const Evidence evidence{.saliency = options_.saliency.empty() ? nullptr : &saliency,
                            .network = Values(network),
                            .labels = labels,
                            .height = image.height,
                            .width = image.width};
    return {image.tags, ProbabilitiesOfTags(evidence, image.tags, options_.evidence)};
  }

  // The mask; the probabilities become marginals where anything asks for them.
  ImageU8 AfterCrf(const CheckedImage& image, const ImageU8& rgb, Belief& belief) {
    const CrfUnary unary{CrfUnary::Kind::kProbability, belief.probabilities,
                         static_cast<int>(belief.classes.size()) + 1};
    CrfOutput output =
        runner_->Run(unary, rgb, image.tags, options_.probabilities || options_.min_certain > 0,
                     image.photograph.string());
    if (!output.marginals.empty()) belief.probabilities = std::move(output.marginals);
    ImageU8 mask(rgb.height(), rgb.width(), 1);
    std::transform(output.mask.values().begin(), output.mask.values().end(), mask.values().begin(),
                   [&](uint16_t label) {
                     return static_cast<uint8_t>(label == 0 ? 0 : belief.classes[label - 1U] + 1);
                   });
    return mask;
  }

  void WriteRefined(const CheckedImage& image, const ImageU8& rgb, const ImageU8& saliency,
                    const at::Tensor& network) {
    Belief belief = BeliefOf(image, saliency, network);
    // Nothing but background can win without a tag.
    const bool uses_crf = runner_ && !belief.classes.empty();
    ImageU8 mask = uses_crf ? AfterCrf(image, rgb, belief) : ImageU8();
    if (!uses_crf || options_.min_certain > 0)
      mask = DecideLabels(belief.probabilities, belief.classes, image.height, image.width,
                          options_.min_certain);
    const auto labels = static_cast<int>(network.size(0));
    const std::vector<float> all =
        options_.probabilities ? OverAllLabels(std::move(belief), labels) : std::vector<float>();
    WriteFiles(image, rgb, mask, network.sizes().vec(), all);
  }

  // The mask comes last: where it is, the rest is too.
  void WriteFiles(const CheckedImage& image, const ImageU8& rgb, const ImageU8& mask,
                  const std::vector<int64_t>& shape, std::span<const float> probabilities) const {
    if (options_.probabilities)
      WriteProbabilities(OutputPath(options_.out, image.id, ".safetensors"), shape, probabilities);
    if (options_.overlay)
      WriteJpeg(OutputPath(options_.out, image.id, "_overlay.jpg"),
                Overlay(rgb, mask, VocPalette()));
    WriteMaskPng(OutputPath(options_.out, image.id, ".png"), mask, VocPalette());
  }

  const PredictOptions& options_;
  const int threads_;
  std::optional<CrfRunner> runner_;
  FinishQueue queue_;  // last, so that its threads end first
};

// The networks' side: a photograph read and put through them.
class Predictor {
 public:
  Predictor(const PredictOptions& options, Context& context)
      : options_(options),
        segmentation_(LoadNetwork(options.checkpoint, NetworkKind::kSegmentation, options.classes,
                                  options.compute)) {
    if (options.tags != "guessed") return;
    attention_.emplace(
        LoadNetwork(options.attention, NetworkKind::kAttention, options.classes, options.compute));
    if (attention_->info.classes.names() != segmentation_.info.classes.names())
      context.log().warn("{} and {} have other classes: their order is taken for the same",
                         options.checkpoint.string(), options.attention.string());
    if (attention_->info.classes.count() != segmentation_.info.classes.count())
      Fail("{}: {} classes, but {} has {}", options.attention.string(),
           attention_->info.classes.count(), options.checkpoint.string(),
           segmentation_.info.classes.count());
  }

  const ClassNames& classes() const { return segmentation_.info.classes; }

  PredictInput Read(const CheckedImage& image) const {
    PredictInput input;
    input.rgb = ReadPhotograph(image.photograph);
    input.normalised = ToFloat(input.rgb);
    Normalise(input.normalised, segmentation_.info.normalisation);
    if (attention_)
      input.for_attention =
          AttentionInput(input.rgb, attention_->info.input_size, attention_->info.normalisation);
    if (!image.map.empty())
      input.saliency = ReadCheckedGrey({image.map, "saliency map", image.height, image.width});
    return input;
  }

  // [labels, H, W] f32.
  at::Tensor Probabilities(const PredictInput& input) const {
    at::Tensor probabilities =
        AveragedProbabilities(*segmentation_.network, input.normalised, options_.scales,
                              options_.flip, options_.compute.device);
    if (!attention_) return probabilities;
    // What the photograph is thought to hold weighs its classes; background stays as it is.
    const at::Tensor present =
        attention_->network->Forward(AsBatch(input.for_attention).to(options_.compute.device))
            .mean({2, 3})[0]
            .sigmoid()
            .to(at::kCPU);
    probabilities.slice(0, 1).mul_(present.view({-1, 1, 1}));
    return probabilities / probabilities.sum(0, /*keepdim=*/true);
  }

 private:
  const PredictOptions& options_;
  LoadedNetwork segmentation_;
  std::optional<LoadedNetwork> attention_;
};

std::vector<ListedImage> ImagesOf(const PredictOptions& options, const ClassNames& classes) {
  if (options.list.empty()) return ListFolder(options.images);
  const bool by_tags = options.tags == "listed" ||
                       (options.use_crf && Resolve(options.crf).labels == CrfLabels::kTags);
  if (!by_tags) return ReadImageIds(options.list);
  const std::vector<ListedImage> images = ReadImageList(options.list, classes);
  CheckTagsAreThere(images, options.list,
                    options.tags == "listed" ? "--tags listed" : "--crf-labels tags");
  return images;
}

// What can be told of the tags before the networks are loaded.
void CheckTagOptions(const PredictOptions& options) {
  if (options.tags == "listed" && options.list.empty())
    Fail("--tags listed goes by the tags of --list, which is missing");
  if (options.tags != "listed" && !options.saliency.empty())
    Fail("--saliency is used with --tags listed only");
  if ((options.tags == "guessed") != !options.attention.empty())
    Fail("--tags guessed and --attention FILE go together");
  if (!options.saliency.empty()) CheckFolder(options.saliency, "--saliency");
  if (options.tags == "listed" && options.use_crf && Resolve(options.crf).labels != CrfLabels::kAll)
    Fail("--crf-labels {}: with --tags listed none but the tags can win already",
         options.crf.labels);
}

// What can be told of the CRF's options before the network is loaded.
void CheckCrfOptions(const PredictOptions& options, Context& context) {
  if (!options.use_crf) {
    if (options.crf != CrfOptions())
      context.log().warn("options of the CRF have no effect without --crf");
    return;
  }
  if (Resolve(options.crf).labels == CrfLabels::kTags && options.list.empty())
    Fail("--crf-labels tags goes by the tags of --list, which is missing");
}

std::vector<CheckedImage> CheckCrfSizes(std::vector<CheckedImage> images, int labels,
                                        OnError on_error, Context& context) {
  std::vector<CheckedImage> fit;
  for (CheckedImage& image : images)
    TryItem(context, on_error, [&] {
      CheckCrfSize(labels, image.height, image.width, image.photograph.string());
      fit.push_back(std::move(image));
    });
  if (fit.empty()) Fail("no image is small enough for the CRF");
  return fit;
}

}  // namespace

void Describe(PredictOptions& o, OptionSet& set) {
  set.Add("checkpoint", &o.checkpoint, "Segmentation network: ours, or one of the authors'")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("list", &o.list, "Lines of an ID; default: the whole folder").Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for ID.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names for a checkpoint that has none")
      .Value("FILE")
      .Group("Data");
  set.Add("scales", &o.scales, "Scales of the photograph whose probabilities are averaged")
      .Range(0.05, 16)
      .Group("Input")
      .AbsentMeans({1});
  set.Add("flip", &o.flip, "Average with the mirrored photograph")
      .Group("Input")
      .AbsentMeans(false);
  set.Add("tags", &o.tags,
          "What is known of a photograph's tags: nothing, those of --list, or what the attention "
          "network thinks of it")
      .OneOf({"unknown", "listed", "guessed"})
      .Group("Tags")
      .AbsentMeans("unknown");
  set.Add("saliency", &o.saliency, "Folder of saliency maps that have a say, with --tags listed")
      .Value("DIR")
      .Group("Tags");
  set.Add("attention", &o.attention, "The attention network, with --tags guessed")
      .Value("FILE")
      .Group("Tags");
  set.Add("network-share", &o.evidence.network_share,
          "The network's share in what is an object; the rest is the saliency's")
      .Range(0, 1)
      .Group("Tags")
      .AbsentMeans(0.5);
  set.Add("min-certain", &o.min_certain, "A pixel whose label is less probable is ignored (255)")
      .Range(0, 1)
      .Group("Output")
      .AbsentMeans(0);
  set.Add("probabilities", &o.probabilities,
          "Also write ID.safetensors with every label's probability, or with --crf its marginal")
      .Group("Output");
  set.Add("overlay", &o.overlay, "Also write ID_overlay.jpg, the mask over the photograph")
      .Group("Output");
  set.Add("crf", &o.use_crf, "Refine the probabilities on the photograph by the dense CRF")
      .Group("CRF");
  Describe(o.crf, set);
  Describe(o.items, set);
  Describe(o.compute, set);
}

PredictResult RunPredict(const PredictOptions& options, Context& context) {
  CheckFolder(options.images, "--images");
  CheckOutFolder(options.out, {{"--images", &options.images}, {"--saliency", &options.saliency}});
  CheckTagOptions(options);
  CheckCrfOptions(options, context);
  PrepareCompute(options.compute, options.items.threads, context);
  const Predictor predictor(options, context);
  auto images = CheckImages(ImagesOf(options, predictor.classes()),
                            {.images = options.images, .maps = options.saliency},
                            options.items.policy(), context);
  if (options.use_crf)
    images = CheckCrfSizes(std::move(images), predictor.classes().count() + 1,
                           options.items.policy(), context);
  PredictionWriter writer(options, images.size());

  context.WorkBegins();
  MakeFolder(options.out);
  const torch::NoGradGuard no_grad;
  PredictResult result;
  const ItemWork<PredictInput> work{
      .make = [&](int64_t i) { return predictor.Read(images[static_cast<size_t>(i)]); },
      .write = {},
      .take =
          [&](int64_t i, const PredictInput& input) {
            const CheckedImage& image = images[static_cast<size_t>(i)];
            at::Tensor probabilities;
            const bool made = TryItem(context, options.items.policy(), [&] {
              probabilities = OnPhotograph(image, [&] { return predictor.Probabilities(input); });
            });
            if (!made) return;
            writer.Write(image, input, probabilities);
            ++result.images;
          }};
  try {
    ForEachItem("predict", static_cast<int64_t>(images.size()), options.compute.loader_threads,
                options.items.policy(), work, context);
  } catch (...) {
    // What was predicted before is written, and where that fails it is what comes up.
    writer.Finish();
    throw;
  }
  writer.Finish();
  return result;
}

}  // namespace i2crc
