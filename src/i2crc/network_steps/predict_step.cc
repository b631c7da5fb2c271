// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/predict_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "i2crc/data/augment.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/inputs/suspicions.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/network_steps/prediction_writer.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/views.h"
#include "i2crc/steps/crf_inference.h"
#include "i2crc/steps/crf_step.h"

namespace i2crc {
namespace {

struct PredictInput {
  PhotographEvidence evidence;
  ImageF32 normalised;
  ImageF32 for_attention;  // where tags are guessed
};

// Each class weighed by how probable it is in the photograph. What is an object stays one,
// whichever class it goes to; but it counts for less where the photograph more likely than not
// holds none of them. probabilities: [1 + classes, H, W]; present: [classes].
at::Tensor WeighedByTags(const at::Tensor& probabilities, const at::Tensor& present) {
  const double none = (1 - present.to(at::kDouble)).prod().item<double>();
  const at::Tensor background = probabilities.slice(0, 0, 1), classes = probabilities.slice(0, 1);
  const at::Tensor object = (1 - background) * std::min(1.0, 2 * (1 - none));
  constexpr double kLeast = 1e-9;  // where no class is left
  const at::Tensor weighed = classes * present.view({-1, 1, 1}) + kLeast;
  return at::cat({1 - object, weighed * (object / weighed.sum(0, /*keepdim=*/true))});
}

// The networks' side: a photograph read and put through them.
class Predictor {
 public:
  Predictor(const PredictOptions& options, Context& context)
      : options_(options),
        segmentation_(LoadNetwork(options.checkpoint, NetworkKind::kSegmentation, options.classes,
                                  options.compute)) {
    if (!options.cross.empty())
      cross_.emplace(LoadOfSameClasses(options.cross, NetworkKind::kSegmentation, context));
    if (options.tags == "guessed")
      attention_.emplace(LoadOfSameClasses(options.attention, NetworkKind::kAttention, context));
  }

  const ClassNames& classes() const { return segmentation_.info.classes; }

  // Of the list's images: with two networks each is the business of the one that has not seen it.
  void SetImages(const std::vector<ListedImage>& images) {
    if (!cross_) return;
    for (const ListedImage& image : HalfOf(images, Half::kFirst)) first_half_.insert(image.id);
  }

  PredictInput Read(const CheckedImage& image, Suspicions& suspicions) const {
    PredictInput input;
    input.evidence.rgb = ReadPhotograph(image.photograph);
    input.normalised = ToFloat(input.evidence.rgb);
    Normalise(input.normalised, NetworkFor(image).info.normalisation);
    if (attention_)
      input.for_attention = AttentionInput(input.evidence.rgb, attention_->info.input_size,
                                           attention_->info.normalisation);
    if (!image.map.empty()) {
      input.evidence.saliency =
          ReadCheckedGrey({image.map, "saliency map", image.height, image.width});
      suspicions.AddSaliency(options_.saliency, image.id, input.evidence.saliency,
                             /*wants_object=*/options_.tags != "listed" || !image.tags.empty());
    }
    if (!options_.cams.empty()) {
      input.evidence.attention =
          ReadAttention(options_.cams, image.id, image.tags, image.height, image.width);
      suspicions.AddAttention(options_.cams, image.id, input.evidence.attention);
    }
    return input;
  }

  // [labels, H, W] f32.
  at::Tensor Probabilities(const CheckedImage& image, const PredictInput& input) const {
    at::Tensor probabilities =
        AveragedProbabilities(*NetworkFor(image).network, input.normalised, options_.scales,
                              options_.flip, options_.compute.device);
    if (!attention_) return probabilities;
    return WeighedByTags(probabilities, PresentTags(input.for_attention));
  }

 private:
  LoadedNetwork LoadOfSameClasses(const std::filesystem::path& path, NetworkKind kind,
                                  Context& context) const {
    LoadedNetwork loaded = LoadNetwork(path, kind, options_.classes, options_.compute);
    const ClassNames& names = loaded.info.classes;
    if (names.count() != classes().count())
      Fail("{}: {} classes, but {} has {}", path.string(), names.count(),
           options_.checkpoint.string(), classes().count());
    if (names.names() != classes().names())
      context.log().warn("{} and {} have other classes: their order is taken for the same",
                         options_.checkpoint.string(), path.string());
    return loaded;
  }
  // [classes]: how probable it is that the photograph has each tag.
  at::Tensor PresentTags(const ImageF32& photograph) const {
    const auto logits = [&](const at::Tensor& images) {
      return attention_->network->Forward(images).mean({2, 3});
    };
    return MeanOfViews(AsBatch(photograph).to(options_.compute.device), options_.flip, logits)[0]
        .sigmoid()
        .to(at::kCPU);
  }
  const LoadedNetwork& NetworkFor(const CheckedImage& image) const {
    return cross_ && first_half_.contains(image.id) ? *cross_ : segmentation_;
  }

  const PredictOptions& options_;
  LoadedNetwork segmentation_;
  std::optional<LoadedNetwork> cross_;  // learned from the second half
  std::optional<LoadedNetwork> attention_;
  std::unordered_set<std::string> first_half_;  // IDs; with cross_
};

std::vector<ListedImage> ImagesOf(const PredictOptions& options, const ClassNames& classes) {
  if (options.list.empty()) return ListFolder(options.images);
  const bool by_tags = options.tags == "listed" || !options.cross.empty() ||
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
  if (options.tags != "listed" && !options.cams.empty())
    Fail("--cams is used with --tags listed only");
  if (options.tags != "listed" && options.owners) Fail("--owners is used with --tags listed only");
  if (!options.cross.empty() && options.list.empty())
    Fail("--cross goes by the halves of --list, which is missing");
  if ((options.tags == "guessed") != !options.attention.empty())
    Fail("--tags guessed and --attention FILE go together");
  if (!options.saliency.empty()) CheckFolder(options.saliency, "--saliency");
  if (!options.cams.empty()) CheckFolder(options.cams, "--cams");
  if (options.tags == "listed" && options.use_crf && Resolve(options.crf).labels != CrfLabels::kAll)
    Fail("--crf-labels {}: with --tags listed none but the tags can win already",
         options.crf.labels);
}

// ID_object.png of one image may be the mask of another.
void CheckNames(const std::vector<ListedImage>& images, const std::string& option,
                const std::string& suffix) {
  std::unordered_set<std::string> ids;
  for (const ListedImage& image : images) ids.insert(image.id);
  for (const ListedImage& image : images)
    if (ids.contains(image.id + suffix))
      Fail("{1}: {0}{2}.png would be both a map of {0} and the mask of {0}{2}", image.id, option,
           suffix);
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
  if (options.objects_first && Resolve(options.crf).labels != CrfLabels::kAll)
    Fail("--crf-labels {}: with --objects-first the CRF decides on objects, and any can win",
         options.crf.labels);
}

// Headers and sizes of the attention maps, before hours of work. An image or a tag without one is
// legal; none at all is suspicious.
std::vector<CheckedImage> CheckCams(std::vector<CheckedImage> images, const PredictOptions& options,
                                    Context& context) {
  std::vector<CheckedImage> fit;
  size_t maps = 0;
  for (CheckedImage& image : images)
    TryItem(context, options.items.policy(), image.id, [&] {
      maps += CheckAttention(options.cams, {image.id, image.tags},
                             {image.photograph, "photograph", image.height, image.width})
                  .size();
      fit.push_back(std::move(image));
    });
  if (fit.empty()) Fail("{}: no image of the list can be used", options.list.string());
  if (maps == 0)
    context.log().warn("{}: no map of any tag of the list is there; are they called ID_k.png?",
                       options.cams.string());
  return fit;
}

std::vector<CheckedImage> CheckCrfSizes(std::vector<CheckedImage> images, int labels,
                                        OnError on_error, Context& context) {
  std::vector<CheckedImage> fit;
  for (CheckedImage& image : images)
    TryItem(context, on_error, image.id, [&] {
      CheckCrfSize(labels, image.height, image.width, image.photograph.string());
      fit.push_back(std::move(image));
    });
  if (fit.empty()) Fail("no image is small enough for the CRF");
  return fit;
}

class PredictStep {
 public:
  PredictStep(const PredictOptions& options, Context& context)
      : options_(Checked(options, context)),
        predictor_(options_, context),
        images_(Images(context)),
        writer_(options_, images_.size(), context) {}

  PredictResult Run(Context& context) {
    const torch::NoGradGuard no_grad;
    PredictResult result;
    Suspicions suspicions(predictor_.classes());
    const ItemWork<PredictInput> work{
        .name = [&](int64_t i) { return Image(i).photograph.string(); },
        .make = [&](int64_t i) { return predictor_.Read(Image(i), suspicions); },
        .write = {},
        .take =
            [&](int64_t i, const PredictInput& input) {
              const CheckedImage& image = Image(i);
              at::Tensor probabilities;
              const bool made =
                  TryItem(context, options_.items.policy(), image.photograph.native(), [&] {
                    probabilities =
                        OnPhotograph(image, [&] { return predictor_.Probabilities(image, input); });
                  });
              if (made) writer_.Write(image, input.evidence, probabilities);
            }};
    try {
      ForEachItem("predict", static_cast<int64_t>(images_.size()), options_.compute.loader_threads,
                  options_.items.policy(), work, context);
    } catch (...) {
      // What was predicted before is written, and where that fails it is what comes up.
      writer_.Finish();
      throw;
    }
    writer_.Finish();
    suspicions.Warn(context);
    result.images = writer_.images();
    return result;
  }

 private:
  static PredictOptions Checked(const PredictOptions& options, Context& context) {
    AllowImages(options.items);
    CheckFolder(options.images, "--images");
    CheckOutFolder(options.out, {{"--images", &options.images},
                                 {"--saliency", &options.saliency},
                                 {"--cams", &options.cams}});
    CheckTagOptions(options);
    CheckCrfOptions(options, context);
    PrepareCompute(options.compute, options.items.threads, context);
    return options;
  }
  std::vector<CheckedImage> Images(Context& context) {
    const std::vector<ListedImage> listed = ImagesOf(options_, predictor_.classes());
    predictor_.SetImages(listed);
    if (options_.objects) CheckNames(listed, "--objects", "_object");
    if (options_.owners) CheckNames(listed, "--owners", "_owner");
    auto images = CheckImages(listed, {.images = options_.images, .maps = options_.saliency},
                              options_.items.policy(), context);
    if (options_.use_crf)
      images = CheckCrfSizes(std::move(images), predictor_.classes().count() + 1,
                             options_.items.policy(), context);
    if (!options_.cams.empty()) images = CheckCams(std::move(images), options_, context);
    return images;
  }
  const CheckedImage& Image(int64_t i) const { return images_[static_cast<size_t>(i)]; }

  PredictOptions options_;
  Predictor predictor_;
  std::vector<CheckedImage> images_;
  PredictionWriter writer_;
};

}  // namespace

Work<PredictResult> PreparePredict(const PredictOptions& options, Context& context) {
  return PrepareStep<PredictStep>(options, context);
}

}  // namespace i2crc
