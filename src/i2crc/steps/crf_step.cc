// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/crf_step.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "i2crc/core/atomic_file.h"
#include "i2crc/crf/unary.h"
#include "i2crc/image/image_file.h"
#include "i2crc/inputs/check_each.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/inputs/suspicions.h"
#include "i2crc/steps/crf_inference.h"
#include "i2crc/weights/tensor_file.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

constexpr const char* kTensor = "probability";
constexpr const char* kMask = "mask";
// Sums over the labels may be this far from 1: rounded, clipped and averaged probabilities are,
// logits and percentages are not.
constexpr double kSumTolerance = 0.1;

// An image whose files were found and agree in size.
struct CrfItem {
  std::string id;
  std::vector<int> tags;
  fs::path photograph;
  fs::path unary;  // probabilities or mask
  int labels = 0;
  int height = 0;
  int width = 0;
};

// The probabilities' tensor, with values or without. Throws Error where the file has none that fits
// the photograph.
const Tensor& CheckedTensor(const TensorMap& tensors, const fs::path& path, const SizedFile& size) {
  const Tensor* tensor = tensors.Find(kTensor);
  if (tensor == nullptr) Fail("{}: there is no tensor '{}' in it", path.string(), kTensor);
  if (tensor->dtype != DType::kF32 && tensor->dtype != DType::kF16)
    Fail("{}: '{}' is {}, must be F32 or F16", path.string(), kTensor, DTypeName(tensor->dtype));
  const auto& shape = tensor->shape;
  if (shape.size() != 3 || shape[0] < 1)
    Fail("{}: '{}' is of shape {}, must be [labels, height, width]", path.string(), kTensor,
         ShapeText(shape));
  if (shape[1] != size.height || shape[2] != size.width)
    Fail("{}: '{}' of shape {} is for {}x{} pixels, its {} {} is {}x{}", path.string(), kTensor,
         ShapeText(shape), shape[2], shape[1], size.kind, size.path.string(), size.width,
         size.height);
  return *tensor;
}

void CheckProbabilities(std::span<const float> values, const CrfItem& item) {
  const auto pixels = static_cast<size_t>(item.height) * static_cast<size_t>(item.width);
  const auto width = static_cast<size_t>(item.width);
  std::vector<double> sums(pixels, 0.0);
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t at = i % pixels;
    if (!(std::isfinite(values[i]) && values[i] >= 0))
      Fail("{}: the probability of label {} at column {}, row {} is {}", item.unary.string(),
           i / pixels, at % width, at / width, values[i]);
    sums[at] += double{values[i]};
  }
  const auto wrong = std::find_if(sums.begin(), sums.end(),
                                  [](double sum) { return std::abs(sum - 1) > kSumTolerance; });
  if (wrong == sums.end()) return;
  const auto at = static_cast<size_t>(wrong - sums.begin());
  Fail("{}: the probabilities at column {}, row {} sum to {:.4g}, must be near 1",
       item.unary.string(), at % width, at / width, *wrong);
}

std::vector<float> ReadProbabilities(const CrfItem& item) {
  const TensorMap tensors = ReadTensorFile(item.unary);
  const Tensor& tensor =
      CheckedTensor(tensors, item.unary, {item.photograph, "photograph", item.height, item.width});
  if (tensor.shape[0] != item.labels)
    Fail("{}: '{}' has {} labels now, had {} when checked; did something else write it?",
         item.unary.string(), kTensor, tensor.shape[0], item.labels);
  std::vector<float> values = tensor.ToF32();
  CheckProbabilities(values, item);
  return values;
}

std::vector<float> EnergiesOfMask(const ImageU8& mask, int label_count, double certainty) {
  // 0 is what UnaryFromLabels takes for unsure.
  std::vector<int32_t> labels(mask.size());
  std::transform(mask.values().begin(), mask.values().end(), labels.begin(),
                 [](uint8_t label) { return label == kIgnoreLabel ? 0 : int32_t{label} + 1; });
  return crf::UnaryFromLabels(labels, label_count, certainty);
}

class CrfMaker {
 public:
  CrfMaker(const CrfStepOptions& options, const CrfSettings& settings);

  const ClassNames& classes() const { return classes_; }

  // The images of the list whose files agree.
  std::vector<CrfItem> CheckItems(Context& context) const;
  CrfOutput Make(const CrfItem& item, CrfRunner& runner, Suspicions& suspicions) const;
  void Write(const CrfItem& item, const CrfOutput& output) const;

 private:
  bool from_masks() const { return !options_.labels.empty(); }
  CrfItem CheckItem(const ListedImage& listed) const;
  int LabelsOf(const fs::path& unary, const SizedFile& photograph) const;
  std::vector<float> UnaryOf(const CrfItem& item, Suspicions& suspicions) const;

  const CrfStepOptions& options_;
  const ClassNames classes_;
  std::vector<ListedImage> listed_;
};

CrfMaker::CrfMaker(const CrfStepOptions& options, const CrfSettings& settings)
    : options_(options), classes_(ClassNames::ReadOrVoc(options.classes)) {
  if (settings.labels == CrfLabels::kTags) {
    listed_ = ReadImageList(options.list, classes_);
    CheckTagsAreThere(listed_, options.list);
  } else {
    listed_ = ReadImageIds(options.list);
  }
}

// Also checks that the file is there and fits the photograph.
int CrfMaker::LabelsOf(const fs::path& unary, const SizedFile& photograph) const {
  if (from_masks()) {
    CheckSameSize(CheckMask(unary, kMask), photograph);
    return options_.label_count > 0 ? options_.label_count : classes_.count() + 1;
  }
  if (!FileIsThere(unary)) Fail("{}: file of probabilities is missing", unary.string());
  const int64_t labels = CheckedTensor(ReadTensorHeaders(unary), unary, photograph).shape[0];
  if (!options_.classes.empty() && labels != classes_.count() + 1)
    Fail("{}: '{}' has {} labels, but background and the classes of {} are {}", unary.string(),
         kTensor, labels, options_.classes.string(), classes_.count() + 1);
  return static_cast<int>(std::min<int64_t>(labels, std::numeric_limits<int>::max()));
}

CrfItem CrfMaker::CheckItem(const ListedImage& listed) const {
  CrfItem item{listed.id, listed.tags, FindPhotograph(options_.images, listed.id), {}, 0, 0, 0};
  const SizedFile photograph = CheckMap(item.photograph, "photograph");
  item.unary = from_masks() ? options_.labels / (listed.id + ".png")
                            : options_.probabilities / (listed.id + ".safetensors");
  item.labels = LabelsOf(item.unary, photograph);
  item.height = photograph.height;
  item.width = photograph.width;
  CheckCrfSize(item.labels, item.height, item.width, item.unary.string());
  for (const int tag : listed.tags)
    if (tag + 1 >= item.labels)
      Fail("{}: {} labels, but {} gives {} the tag {}, whose label is {}", item.unary.string(),
           item.labels, options_.list.string(), listed.id, tag, tag + 1);
  return item;
}

std::vector<CrfItem> CrfMaker::CheckItems(Context& context) const {
  return CheckEach<CrfItem>(listed_, options_.list, options_.items.policy(), context,
                            [&](const ListedImage& listed) { return CheckItem(listed); });
}

std::vector<float> CrfMaker::UnaryOf(const CrfItem& item, Suspicions& suspicions) const {
  if (!from_masks()) return ReadProbabilities(item);
  const ImageU8 mask =
      ReadCheckedMask({item.unary, kMask, item.height, item.width}, item.labels - 1);
  suspicions.AddMask(options_.labels, mask);
  return EnergiesOfMask(mask, item.labels, options_.certainty);
}

CrfOutput CrfMaker::Make(const CrfItem& item, CrfRunner& runner, Suspicions& suspicions) const {
  const ImageU8 rgb = ReadPhotograph(item.photograph);
  if (rgb.height() != item.height || rgb.width() != item.width)
    Fail("{}: photograph is {}x{} now, was {}x{} when checked; did something else write it?",
         item.photograph.string(), rgb.width(), rgb.height(), item.width, item.height);
  const std::vector<float> values = UnaryOf(item, suspicions);
  const auto kind = from_masks() ? CrfUnary::Kind::kEnergy : CrfUnary::Kind::kProbability;
  return runner.Run({kind, values, item.labels}, rgb, item.tags, options_.marginals,
                    item.unary.string());
}

// The mask comes last: where it is, the rest is too.
void CrfMaker::Write(const CrfItem& item, const CrfOutput& output) const {
  if (options_.marginals) {
    TensorMap stored;
    stored.Add(kTensor,
               Tensor::F16FromF32({item.labels, item.height, item.width}, output.marginals));
    WriteSafetensors(OutputPath(options_.out, item.id, ".safetensors"), stored, Flush::kLater);
  }
  const fs::path path = OutputPath(options_.out, item.id, ".png");
  if (item.labels > 256) {
    WriteGreyPng(path, output.mask);
    return;
  }
  ImageU8 mask(item.height, item.width, 1);
  std::transform(output.mask.values().begin(), output.mask.values().end(), mask.values().begin(),
                 [](uint16_t label) { return static_cast<uint8_t>(label); });
  WriteMaskPng(path, mask, VocPalette());
}

void CheckOptions(const CrfStepOptions& o) {
  CheckFolder(o.images, "--images");
  if (o.probabilities.empty() == o.labels.empty())
    Fail("one of --probabilities and --labels is needed, {}",
         o.labels.empty() ? "neither is given" : "not both");
  if (o.labels.empty()) {
    CheckFolder(o.probabilities, "--probabilities");
    const CrfStepOptions defaults;
    if (o.label_count != defaults.label_count)
      Fail("--label-count: probabilities have their own, it goes with --labels alone");
    if (o.certainty != defaults.certainty)
      Fail("--certainty: probabilities have their own, it goes with --labels alone");
  } else {
    CheckFolder(o.labels, "--labels");
    if (o.label_count == 1) Fail("--label-count: 1 is out of range (at least 2, or 0)");
    if (o.certainty >= 1) Fail("--certainty: {} is out of range (below 1)", o.certainty);
  }
  CheckOutFolder(
      o.out,
      {{"--images", &o.images}, {"--probabilities", &o.probabilities}, {"--labels", &o.labels}});
}

}  // namespace

void Describe(CrfStepOptions& o, OptionSet& set) {
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("probabilities", &o.probabilities,
          "Folder of ID.safetensors with the tensor 'probability', [labels, height, width] in F32 "
          "or F16, as predict writes them")
      .Value("DIR")
      .Group("Data");
  set.Add("labels", &o.labels, "Instead: folder of masks ID.png; 255 is a pixel without a label")
      .Value("DIR")
      .Group("Data");
  set.Add("list", &o.list, "Lines of an ID, and its tags where --crf-labels needs them")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("out", &o.out, "Folder for ID.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's")
      .Value("FILE")
      .Group("Data");
  set.Add("label-count", &o.label_count,
          "Labels that masks may have, background included; 0: background and the classes")
      .Range(0, 255)
      .Group("Masks");
  set.Add("certainty", &o.certainty, "Probability that a mask's label is right")
      .Range(0, 1)
      .Above(0)
      .Group("Masks");
  set.Add("marginals", &o.marginals,
          "Also write ID.safetensors with every label's marginal, in F16")
      .Group("Output");
  Describe(o.crf, set);
  Describe(o.items, set);
}

namespace {

class CrfStep {
 public:
  CrfStep(const CrfStepOptions& options, Context& context)
      : options_(Checked(options)),
        settings_(Resolve(options_.crf)),
        maker_(options_, settings_),
        items_(maker_.CheckItems(context)),
        suspicions_(maker_.classes()),
        runner_(settings_, ThreadCount(options_.items.threads) / workers(), context) {
    if (!options_.labels.empty() && options_.label_count == 0)
      suspicions_.AddTags(options_.labels, TagsOfList(options_.list, maker_.classes()));
  }

  CrfResult Run(Context& context) {
    CrfResult result;
    const auto item = [&](int64_t i) -> const CrfItem& { return items_[static_cast<size_t>(i)]; };
    ForEachItem<CrfOutput>(
        "crf", static_cast<int64_t>(items_.size()), workers() > 1 ? workers() : 0,
        options_.items.policy(),
        {.name = [&](int64_t i) { return item(i).id; },
         .make = [&](int64_t i) { return maker_.Make(item(i), runner_, suspicions_); },
         .write = [&](int64_t i, const CrfOutput& output) { maker_.Write(item(i), output); },
         .take = [&](int64_t, const CrfOutput&) { ++result.images; }},
        context);
    suspicions_.Warn(context);
    return result;
  }

 private:
  static CrfStepOptions Checked(const CrfStepOptions& options) {
    AllowImages(options.items);
    CheckOptions(options);
    return options;
  }
  // Threads that no image is left for help with the others.
  int workers() const {
    return static_cast<int>(std::min<int64_t>(ThreadCount(options_.items.threads),
                                              static_cast<int64_t>(items_.size())));
  }

  CrfStepOptions options_;
  CrfSettings settings_;
  CrfMaker maker_;
  std::vector<CrfItem> items_;
  Suspicions suspicions_;
  CrfRunner runner_;
};

}  // namespace

Work<CrfResult> PrepareCrf(const CrfStepOptions& options, Context& context) {
  return PrepareStep<CrfStep>(options, context);
}

void CheckTagsAreThere(const std::vector<ListedImage>& images, const fs::path& list,
                       const char* option) {
  if (std::all_of(images.begin(), images.end(),
                  [](const ListedImage& image) { return image.tags.empty(); }))
    Fail("{}: no image has a tag, and {} goes by them", list.string(), option);
}

}  // namespace i2crc
