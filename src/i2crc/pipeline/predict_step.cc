// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/predict_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "i2crc/core/atomic_file.h"
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
};

// Probabilities f32 [C+1, H, W] in the photograph's size.
at::Tensor Probabilities(Network& network, const ImageF32& normalised, const std::string& device) {
  const at::Tensor image = AsBatch(normalised).to(device);
  const at::Tensor logits = network.Forward(image);
  return at::upsample_bilinear2d(logits, image.sizes().slice(2), /*align_corners=*/false)
      .softmax(1)[0]
      .to(at::kCPU)
      .contiguous();
}

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

// The mask comes last: where it is, the rest is too.
void WritePrediction(const PredictOptions& options, const std::string& id, const ImageU8& rgb,
                     const ImageU8& mask, const std::vector<int64_t>& shape,
                     std::span<const float> probabilities) {
  if (options.probabilities)
    WriteProbabilities(OutputPath(options.out, id, ".safetensors"), shape, probabilities);
  if (options.overlay)
    WriteJpeg(OutputPath(options.out, id, "_overlay.jpg"), Overlay(rgb, mask, VocPalette()));
  WriteMaskPng(OutputPath(options.out, id, ".png"), mask, VocPalette());
}

// What is made of a photograph's probabilities: files, after the CRF where it is asked for.
class PredictionWriter {
 public:
  // images: how many there will be.
  PredictionWriter(const PredictOptions& options, size_t images)
      : options_(options),
        threads_(static_cast<int>(
            std::min<size_t>(static_cast<size_t>(ThreadCount(options.items.threads)), images))),
        queue_(options.use_crf && threads_ > 1 ? threads_ : 0, threads_ + 1) {
    // Threads that no image is left for help with the others.
    if (options.use_crf)
      runner_.emplace(Resolve(options.crf), ThreadCount(options.items.threads) / threads_);
  }

  void Write(const CheckedImage& image, const ImageU8& rgb, const at::Tensor& probabilities) {
    if (!runner_) {
      WritePrediction(options_, image.id, rgb, ArgMax(probabilities), probabilities.sizes().vec(),
                      Values(probabilities));
      return;
    }
    queue_.Submit([this, &image, rgb, probabilities] { WriteRefined(image, rgb, probabilities); });
  }
  // Everything that was given to Write is written.
  void Finish() { queue_.Finish(); }

 private:
  void WriteRefined(const CheckedImage& image, const ImageU8& rgb,
                    const at::Tensor& probabilities) {
    const CrfUnary unary{CrfUnary::Kind::kProbability, Values(probabilities),
                         static_cast<int>(probabilities.size(0))};
    const CrfOutput output =
        runner_->Run(unary, rgb, image.tags, options_.probabilities, image.photograph.string());
    ImageU8 mask(rgb.height(), rgb.width(), 1);
    std::transform(output.mask.values().begin(), output.mask.values().end(), mask.values().begin(),
                   [](uint16_t label) { return static_cast<uint8_t>(label); });
    WritePrediction(options_, image.id, rgb, mask, probabilities.sizes().vec(), output.marginals);
  }

  const PredictOptions& options_;
  const int threads_;
  std::optional<CrfRunner> runner_;
  FinishQueue queue_;  // last, so that its threads end first
};

std::vector<ListedImage> ImagesOf(const PredictOptions& options, const ClassNames& classes) {
  if (options.list.empty()) return ListFolder(options.images);
  if (!options.use_crf || Resolve(options.crf).labels != CrfLabels::kTags)
    return ReadImageIds(options.list);
  const std::vector<ListedImage> images = ReadImageList(options.list, classes);
  CheckTagsAreThere(images, options.list);
  return images;
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
  CheckOutFolder(options.out, {{"--images", &options.images}});
  CheckCrfOptions(options, context);
  PrepareCompute(options.compute, options.items.threads, context);
  const LoadedNetwork loaded =
      LoadNetwork(options.checkpoint, NetworkKind::kSegmentation, options.classes, options.compute);
  auto images = CheckImages(ImagesOf(options, loaded.info.classes), {.images = options.images},
                            options.items.policy(), context);
  if (options.use_crf)
    images = CheckCrfSizes(std::move(images), loaded.info.classes.count() + 1,
                           options.items.policy(), context);
  PredictionWriter writer(options, images.size());

  context.WorkBegins();
  MakeFolder(options.out);
  const torch::NoGradGuard no_grad;
  PredictResult result;
  const ItemWork<PredictInput> work{
      .make =
          [&](int64_t i) {
            PredictInput input;
            input.rgb = ReadPhotograph(images[static_cast<size_t>(i)].photograph);
            input.normalised = ToFloat(input.rgb);
            Normalise(input.normalised, loaded.info.normalisation);
            return input;
          },
      .write = {},
      .take =
          [&](int64_t i, const PredictInput& input) {
            const CheckedImage& image = images[static_cast<size_t>(i)];
            at::Tensor probabilities;
            const bool made = TryItem(context, options.items.policy(), [&] {
              probabilities = OnPhotograph(image, [&] {
                return Probabilities(*loaded.network, input.normalised, options.compute.device);
              });
            });
            if (!made) return;
            writer.Write(image, input.rgb, probabilities);
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
