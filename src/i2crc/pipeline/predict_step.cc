// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/predict_step.h"

#include <torch/torch.h>

#include <cstring>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/overlay.h"
#include "i2crc/nn/checkpoint.h"
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

// The mask comes last: where it is, the rest is too.
void WritePrediction(const PredictOptions& options, const std::string& id, const ImageU8& rgb,
                     const at::Tensor& probabilities) {
  const ImageU8 mask = ArgMax(probabilities);
  if (options.probabilities)
    WriteProbabilities(OutputPath(options.out, id, ".safetensors"), probabilities);
  if (options.overlay)
    WriteJpeg(OutputPath(options.out, id, "_overlay.jpg"), Overlay(rgb, mask, VocPalette()));
  WriteMaskPng(OutputPath(options.out, id, ".png"), mask, VocPalette());
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
  PrepareCompute(options.compute, options.items.threads, context);
  const LoadedNetwork loaded =
      LoadNetwork(options.checkpoint, NetworkKind::kSegmentation, options.classes, options.compute);
  const auto list = options.list.empty() ? ListFolder(options.images) : ReadImageIds(options.list);
  const auto images =
      CheckImages(list, {.images = options.images}, options.items.policy(), context);

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
            WritePrediction(options, image.id, input.rgb, probabilities);
            ++result.images;
          }};
  ForEachItem("predict", static_cast<int64_t>(images.size()), options.compute.loader_threads,
              options.items.policy(), work, context);
  return result;
}

}  // namespace i2crc
