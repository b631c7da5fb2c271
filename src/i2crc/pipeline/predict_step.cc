// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/predict_step.h"

#include <torch/torch.h>

#include <cstring>
#include <optional>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/prefetch.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/overlay.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/pipeline/image_set.h"
#include "i2crc/pipeline/mask_set.h"
#include "i2crc/pipeline/training_setup.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

struct PredictInput {
  ImageU8 rgb;
  ImageF32 normalised;
  std::string failure;  // under --on-error skip: why the image is left out
};

// Probabilities f32 [C+1, H, W] in the photograph's size.
at::Tensor Probabilities(Network& network, const ImageF32& normalised, const std::string& device) {
  const at::Tensor image =
      torch::from_blob(const_cast<float*>(normalised.data()),
                       {1, normalised.height(), normalised.width(), 3}, torch::kFloat)
          .permute({0, 3, 1, 2})
          .to(device);
  const at::Tensor logits = network.Forward(image);
  return at::upsample_bilinear2d(logits, image.sizes().slice(2), /*align_corners=*/false)
      .softmax(1)[0]
      .to(at::kCPU)
      .contiguous();
}

ImageU8 ArgMax(const at::Tensor& probabilities) {
  // uint8 is enough: a network has at most 255 labels, and 255 itself means ignored.
  const at::Tensor labels = probabilities.argmax(0).to(at::kByte).contiguous();
  ImageU8 mask(static_cast<int>(labels.size(0)), static_cast<int>(labels.size(1)), 1);
  std::memcpy(mask.data(), labels.data_ptr<uint8_t>(), mask.size());
  return mask;
}

void WriteProbabilities(const std::filesystem::path& path, const at::Tensor& probabilities) {
  TensorMap stored;
  stored.Add("probability", Tensor::F16FromF32(probabilities.sizes().vec(),
                                               {probabilities.data_ptr<float>(),
                                                static_cast<size_t>(probabilities.numel())}));
  WriteSafetensors(path, stored);
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
          "Also write ID.safetensors with every label's probability")
      .Group("Output");
  set.Add("overlay", &o.overlay, "Also write ID_overlay.jpg, the mask over the photograph")
      .Group("Output");
  Describe(o.items, set);
  Describe(o.compute, set);
}

PredictResult RunPredict(const PredictOptions& options, Context& context) {
  CheckFolder(options.images, "--images");
  CheckOutFolder(options.out, {{"--images", &options.images}});
  std::optional<ClassNames> classes;
  if (!options.classes.empty()) classes = ClassNames::Read(options.classes);
  PrepareCompute(options.compute, options.items.threads, context);
  LoadedNetwork loaded = LoadCheckpoint(options.checkpoint, NetworkKind::kSegmentation, classes);
  Network& network = *loaded.network;
  network.SetPrecision(options.compute.precision == "bf16" ? Precision::kBF16 : Precision::kF32);
  network.To(at::Device(options.compute.device));
  const auto list = options.list.empty() ? ListFolder(options.images) : ReadImageIds(options.list);
  const auto images =
      CheckImages(list, {.images = options.images}, options.items.policy(), context);

  context.WorkBegins();
  MakeFolder(options.out);
  const torch::NoGradGuard no_grad;
  Prefetcher<PredictInput> inputs(
      0, static_cast<int64_t>(images.size()), options.compute.loader_threads,
      2 + options.compute.loader_threads, [&](int64_t i) {
        PredictInput input;
        try {
          input.rgb = ReadPhotograph(images[static_cast<size_t>(i)].photograph);
          input.normalised = ToFloat(input.rgb);
          Normalise(input.normalised, loaded.info.normalisation);
        } catch (const Error& error) {
          if (options.items.policy() == OnError::kStop) throw;
          input.failure = error.what();
        }
        return input;
      });
  PredictResult result;
  auto progress = context.StartProgress("predict", static_cast<int64_t>(images.size()), "images");
  for (const CheckedImage& image : images) {
    context.CheckInterrupted();
    const PredictInput input = inputs.Next();
    progress->Advance();
    if (!input.failure.empty()) {
      context.LeaveOut(input.failure);
      continue;
    }
    const at::Tensor probabilities =
        Probabilities(network, input.normalised, options.compute.device);
    const ImageU8 mask = ArgMax(probabilities);
    if (options.probabilities)
      WriteProbabilities(OutputPath(options.out, image.id, ".safetensors"), probabilities);
    if (options.overlay)
      WriteJpeg(OutputPath(options.out, image.id, "_overlay.jpg"),
                Overlay(input.rgb, mask, VocPalette()));
    WriteMaskPng(OutputPath(options.out, image.id, ".png"), mask, VocPalette());
    ++result.images;
  }
  return result;
}

}  // namespace i2crc
