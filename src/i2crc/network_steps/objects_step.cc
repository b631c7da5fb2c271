// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/objects_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <span>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/augment.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/resize.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/labels/object_maps.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/nn/views.h"
#include "i2crc/train/object_layer.h"
#include "i2crc/train/sample_order.h"

namespace i2crc {
namespace {

constexpr int kFolds = 5;
// Learned from so many photographs and pixels at most, evenly over the list and each photograph:
// 160,000 features of a ResNet-50 are a gigabyte in half precision.
constexpr size_t kMostPhotographs = 2000;
constexpr int64_t kMostPixels = 160'000;
// A detector that calls so many times more or less of the photographs objects than are grown from
// the tags shows something else than their objects.
constexpr double kMostApart = 3;

// `count` of 0 … of − 1, evenly.
std::vector<int64_t> Evenly(int64_t count, int64_t of) {
  std::vector<int64_t> places(static_cast<size_t>(std::min(count, of)));
  for (size_t i = 0; i < places.size(); ++i)
    places[i] = (2 * static_cast<int64_t>(i) + 1) * of / (2 * static_cast<int64_t>(places.size()));
  return places;
}

// The last two layers' features of an image as AsBatch has it, [h · w, D], pixel by pixel, and h
// and w.
struct FeatureMap {
  at::Tensor pixels;
  int height = 0, width = 0;
};
FeatureMap FeaturesOf(Network& network, const at::Tensor& image) {
  const std::vector<at::Tensor> layers = network.Features(image);
  const at::Tensor joined = at::cat({layers[2], layers[3]}, 1)[0];
  return {joined.flatten(1).t().to(at::kCPU).contiguous(), static_cast<int>(joined.size(1)),
          static_cast<int>(joined.size(2))};
}

struct Sample {
  ImageF32 input;
  std::vector<TagAttention> attention;
  ImageU8 saliency;  // of a detector; empty where there is none
};

// 0 … 1, at the pixels of a feature map.
at::Tensor Resized(const ImageU8& map, int height, int width) {
  const ImageU8 small = ResizePillowBilinear(map, height, width);
  const at::Tensor values = torch::empty({static_cast<int64_t>(small.pixels())});
  std::transform(small.values().begin(), small.values().end(), values.data_ptr<float>(),
                 [](uint8_t value) { return static_cast<float>(value) / 255; });
  return values;
}

// Of pixels [pixels, D], f32 [pixels].
at::Tensor Scores(const ObjectLayer& layer, const at::Tensor& features) {
  return at::mv(features.to(at::kFloat), layer.weight) + layer.bias;
}

// The pixels that are learned from, and what a detector's maps say there.
struct Collected {
  FeaturePixels pixels;
  at::Tensor saliency;  // f32 [pixels], 0 … 1; undefined where there is no detector
  double salient = 0;   // mean share of a tagged photograph that it calls objects
};

// How much of each tag's objects the grown maps see, and the detector's.
struct Seen {
  SeenOfTags grown, detector;
};
Seen SeenBy(const ObjectLayer& layer, const Collected& collected, int classes) {
  const FeaturePixels& pixels = collected.pixels;
  Seen seen{SeenOfTags(classes), SeenOfTags(classes)};
  for (size_t i = 0; i + 1 < pixels.begin.size(); ++i) {
    if (!pixels.tagged[i]) continue;
    const int64_t first = pixels.begin[i], count = pixels.begin[i + 1] - first;
    at::Tensor degree = Scores(layer, pixels.features.narrow(0, first, count));
    float* values = degree.data_ptr<float>();
    std::transform(values, values + count, values,
                   [&](float score) { return layer.Degree(score); });
    const auto span = [&](const at::Tensor& of) {
      return std::span<const float>(of.data_ptr<float>() + first, static_cast<size_t>(count));
    };
    const std::span<const int64_t> tags(pixels.tag.data_ptr<int64_t>() + first,
                                        static_cast<size_t>(count));
    const auto attention = span(pixels.attention);
    seen.grown.Add({values, static_cast<size_t>(count)}, attention, tags);
    seen.detector.Add(span(collected.saliency), attention, tags);
  }
  return seen;
}

// What a photograph's map is made from.
struct MapInput {
  ImageF32 photograph;
  ImageU8 saliency;  // empty where none is pooled
};

// The highest attention of each pixel of a feature map, 0 … 1, and whose it is.
struct HighestAttention {
  at::Tensor value, tag;
};
HighestAttention HighestOf(const std::vector<TagAttention>& maps, const std::vector<int>& tags,
                           int height, int width) {
  const int64_t pixels = int64_t{height} * width;
  HighestAttention highest{torch::zeros({pixels}), torch::zeros({pixels}, torch::kLong)};
  if (!tags.empty()) highest.tag.fill_(tags.front());
  float* value = highest.value.data_ptr<float>();
  int64_t* tag = highest.tag.data_ptr<int64_t>();
  for (const TagAttention& attention : maps) {
    const at::Tensor resized = Resized(attention.map, height, width);
    const float* here = resized.data_ptr<float>();
    for (int64_t p = 0; p < pixels; ++p) {
      if (here[p] <= value[p]) continue;
      value[p] = here[p];
      tag[p] = attention.tag;
    }
  }
  return highest;
}

ImageU8 ObjectMap(const ObjectLayer& layer, const FeatureMap& features, int height, int width) {
  const at::Tensor small =
      Scores(layer, features.pixels).view({1, 1, features.height, features.width});
  const at::Tensor score =
      at::upsample_bilinear2d(small, {height, width}, /*align_corners=*/false).contiguous();
  ImageU8 map(height, width, 1);
  const float* from = score.data_ptr<float>();
  for (size_t p = 0; p < map.pixels(); ++p)
    map.data()[p] = static_cast<uint8_t>(std::lround(255 * layer.Degree(from[p])));
  return map;
}

class ObjectsStep {
 public:
  ObjectsStep(const ObjectsOptions& options, Context& context)
      : options_(Checked(options, context)), loaded_(Load()), images_(Images(context)) {}

  ObjectsResult Run(Context& context) {
    const torch::NoGradGuard no_grad;
    ObjectsResult result;
    const ObjectLayer layer = Learn(result, context);
    WriteMaps(layer, result, context);
    return result;
  }

 private:
  static ObjectsOptions Checked(const ObjectsOptions& options, Context& context) {
    AllowImages(options.items);
    CheckFolder(options.images, "--images");
    CheckFolder(options.cams, "--cams");
    if (!options.saliency.empty()) CheckFolder(options.saliency, "--saliency");
    CheckOutFolder(options.out, {{"--images", &options.images},
                                 {"--cams", &options.cams},
                                 {"--saliency", &options.saliency}});
    PrepareCompute(options.compute, options.items.threads, context);
    return options;
  }
  // At stride 16 whatever the checkpoint's is: names and shapes are the same, the maps finer. With
  // a dilation, else the features of layer4 are others than those that ImageNet made.
  LoadedNetwork Load() const {
    LoadedNetwork loaded = LoadNetwork(options_.checkpoint, NetworkKind::kAttention,
                                       options_.classes, options_.compute);
    NetworkSpec& spec = loaded.info.spec;
    if (!spec.arch.starts_with("resnet"))
      Fail("{}: a {}; objects are told by the features of a ResNet", options_.checkpoint.string(),
           spec.arch);
    const TensorMap state = SaveState(*loaded.network);
    spec.arch = WithoutStride(spec.arch) + "-stride16";
    loaded.network = MakeNetworkToLoad(spec);
    LoadState(*loaded.network, state, options_.checkpoint.string());
    loaded.network->Eval();
    SetPrecisionAndDevice(*loaded.network, options_.compute);
    return loaded;
  }
  std::vector<CheckedImage> Images(Context& context) {
    auto images = CheckImages(ReadImageList(options_.list, loaded_.info.classes),
                              {.images = options_.images,
                               .maps = options_.saliency,
                               .decode_photographs = options_.items.policy() == OnError::kSkip},
                              options_.items.policy(), context);
    bool has_map = false, has_tag = false;
    for (const CheckedImage& image : images) {
      has_tag = has_tag || !image.tags.empty();
      mapped_tags_.push_back(
          CheckAttention(options_.cams, {image.id, image.tags},
                         {image.photograph, "photograph", image.height, image.width}));
      has_map = has_map || !mapped_tags_.back().empty();
    }
    if (!has_tag) Fail("{}: no image has a tag", options_.list.string());
    if (!has_map)
      Fail("{}: no map of any tag of the list is there; are they called ID_k.png?",
           options_.cams.string());
    return images;
  }
  int input_size() const {
    return options_.input_size > 0 ? options_.input_size : loaded_.info.input_size * 3 / 2;
  }
  ImageF32 Input(const CheckedImage& image) const {
    return AttentionInput(ReadPhotograph(image.photograph), input_size(),
                          loaded_.info.normalisation);
  }
  FeatureMap FeaturesOn(const CheckedImage& image, const ImageF32& input) {
    FeatureMap map;
    OnPhotograph(image, [&] {
      map = FeaturesOf(*loaded_.network, AsBatch(input).to(options_.compute.device));
      return map.pixels;
    });
    return map;
  }

  Collected Collect(Context& context) {
    const std::vector<int64_t> chosen =
        Evenly(static_cast<int64_t>(kMostPhotographs), static_cast<int64_t>(images_.size()));
    const auto photographs = static_cast<int64_t>(chosen.size());
    const int64_t pixels_each = std::max<int64_t>(1, kMostPixels / photographs);
    const auto place = [&](int64_t i) {
      return static_cast<size_t>(chosen[static_cast<size_t>(i)]);
    };
    const auto image = [&](int64_t i) -> const CheckedImage& { return images_[place(i)]; };
    Collected collected;
    FeaturePixels& pixels = collected.pixels;
    pixels.begin.push_back(0);
    std::vector<at::Tensor> attention, tag, saliency;
    std::vector<std::vector<int>> tags;
    const ItemWork<Sample> work{
        .name = [&](int64_t i) { return image(i).photograph.string(); },
        .make =
            [&](int64_t i) {
              return Sample{Input(image(i)),
                            ReadAttention(options_.cams, image(i).id, mapped_tags_[place(i)],
                                          image(i).height, image(i).width),
                            has_detector() ? Saliency(image(i)) : ImageU8()};
            },
        .write = {},
        .take =
            [&](int64_t i, const Sample& sample) {
              const FeatureMap map = FeaturesOn(image(i), sample.input);
              const HighestAttention highest =
                  HighestOf(sample.attention, image(i).tags, map.height, map.width);
              const at::Tensor taken = torch::tensor(Evenly(pixels_each, map.pixels.size(0)));
              // The features are most of the memory: joined from a list they would take it twice.
              if (!pixels.features.defined())
                pixels.features =
                    torch::empty({taken.size(0) * photographs, map.pixels.size(1)}, torch::kHalf);
              pixels.features.narrow(0, pixels.begin.back(), taken.size(0))
                  .copy_(map.pixels.index_select(0, taken));
              attention.push_back(highest.value.index_select(0, taken));
              tag.push_back(highest.tag.index_select(0, taken));
              pixels.begin.push_back(pixels.begin.back() + taken.size(0));
              pixels.tagged.push_back(!image(i).tags.empty());
              tags.push_back(image(i).tags);
              if (!has_detector()) return;
              saliency.push_back(
                  Resized(sample.saliency, map.height, map.width).index_select(0, taken));
              if (!image(i).tags.empty()) collected.salient += SalientShare(sample.saliency);
            }};
    ForEachItem("objects: features", photographs, options_.compute.loader_threads, OnError::kStop,
                work, context);
    pixels.attention = at::cat(attention);
    pixels.tag = at::cat(tag);
    pixels.fold = DealOutByTags(tags, kFolds);
    if (has_detector()) {
      collected.saliency = at::cat(saliency);
      collected.salient /=
          static_cast<double>(std::count(pixels.tagged.begin(), pixels.tagged.end(), true));
    }
    return collected;
  }

  ObjectLayer Learn(ObjectsResult& result, Context& context) {
    const Collected collected = Collect(context);
    const ObjectLearner learner(collected.pixels);
    nlohmann::ordered_json report;
    result.share = options_.share;
    if (options_.share == 0) {
      const ShareChoice choice = ChooseObjectShare(learner, [&] { context.CheckInterrupted(); });
      result.share = choice.share;
      report["explained"] = nlohmann::ordered_json::array();
      bool can_be_named = false;
      for (const JudgedShare& judged : choice.judged) {
        can_be_named = can_be_named || judged.even.name > 0;
        nlohmann::ordered_json row = {
            {"share", judged.share},
            {"even", {{"object", judged.even.object}, {"name", judged.even.name}}}};
        if (judged.free)
          row["free"] = {{"object", judged.free->object}, {"name", judged.free->name}};
        report["explained"].push_back(row);
      }
      if (!can_be_named)
        context.log().warn(
            "objects: nothing tells whose an object is on photographs that were not learned from; "
            "these maps may show anything");
    }
    report["share"] = result.share;
    const ObjectLayer layer = learner.Fit(result.share);
    if (has_detector()) report["detector"] = LookAtDetector(collected, layer, result, context);
    WriteFileAtomically(options_.out / "report.json", report.dump(1) + "\n");
    return layer;
  }

  // Whether its maps are of the tags' objects, and how much it sees of them.
  nlohmann::ordered_json LookAtDetector(const Collected& collected, const ObjectLayer& layer,
                                        const ObjectsResult& result, Context& context) {
    const bool pools = collected.salient < kMostApart * result.share &&
                       collected.salient > result.share / kMostApart;
    nlohmann::ordered_json report = {{"share", collected.salient}, {"pooled", pools}};
    if (!pools) {
      context.log().warn(
          "{}: {:.1f} % of the tagged photographs stand out, of which {:.1f} % are objects by "
          "their tags: these maps show something else, and are left out",
          options_.saliency.string(), 100 * collected.salient, 100 * result.share);
      return report;
    }
    const ClassNames& classes = loaded_.info.classes;
    seen_ = SeenBy(layer, collected, classes.count());
    std::set<int> tags;
    for (const CheckedImage& image : images_) tags.insert(image.tags.begin(), image.tags.end());
    for (const int k : tags)
      report["seen"][classes.name(k)] = {{"grown", seen_->grown.Of(k)},
                                         {"detector", seen_->detector.Of(k)}};
    return report;
  }

  void WriteMaps(const ObjectLayer& layer, ObjectsResult& result, Context& context) {
    const ItemWork<MapInput> work{
        .name = [&](int64_t i) { return Image(i).photograph.string(); },
        .make =
            [&](int64_t i) {
              if (Image(i).tags.empty()) return MapInput();
              return MapInput{Input(Image(i)), seen_ ? Saliency(Image(i)) : ImageU8()};
            },
        .write = {},
        .take =
            [&](int64_t i, const MapInput& input) {
              const CheckedImage& image = Image(i);
              ImageU8 map(image.height, image.width, 1, 0);
              if (!image.tags.empty())
                map = ObjectMap(layer, FeaturesOn(image, input.photograph), image.height,
                                image.width);
              if (!input.saliency.empty())
                map = PoolObjectMaps(map, input.saliency,
                                     DenialsOf(seen_->grown, seen_->detector, image.tags));
              WriteGreyPng(OutputPath(options_.out, image.id, ".png"), map);
              ++result.images;
            }};
    ForEachItem("objects", static_cast<int64_t>(images_.size()), options_.compute.loader_threads,
                OnError::kStop, work, context);
  }
  bool has_detector() const { return !options_.saliency.empty(); }
  ImageU8 Saliency(const CheckedImage& image) const {
    return ReadCheckedGrey({image.map, "saliency map", image.height, image.width});
  }
  const CheckedImage& Image(int64_t i) const { return images_[static_cast<size_t>(i)]; }

  ObjectsOptions options_;
  LoadedNetwork loaded_;
  std::vector<std::vector<int>> mapped_tags_;  // of each image, those that have a map
  std::vector<CheckedImage> images_;
  std::optional<Seen> seen_;  // where a detector's maps are pooled
};

}  // namespace

Work<ObjectsResult> PrepareObjects(const ObjectsOptions& options, Context& context) {
  return PrepareStep<ObjectsStep>(options, context);
}

}  // namespace i2crc
