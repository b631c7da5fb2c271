// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/cam_step.h"

#include <torch/torch.h>

#include <cmath>
#include <cstring>

#include "i2crc/core/atomic_file.h"
#include "i2crc/data/augment.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/labels/label_rules.h"
#include "i2crc/network_steps/network_setup.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/nn/views.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

using CamInput = std::vector<ImageF32>;  // one image, resized to every scale

// Scores [C, h, w] of the first scale's size: the mean over scales and mirror images.
at::Tensor AveragedScores(Network& network, const CamInput& input, bool flip,
                          const std::string& device) {
  at::Tensor sum;
  for (const ImageF32& scaled : input) {
    const at::Tensor images = AsBatch(scaled).to(device);
    at::Tensor scores = network.Forward(images);
    if (flip) scores = (scores + network.Forward(images.flip({3})).flip({3})) / 2;
    if (!sum.defined()) {
      sum = scores;
    } else {
      sum = sum + at::upsample_bilinear2d(scores, sum.sizes().slice(2), /*align_corners=*/false);
    }
  }
  return (sum / static_cast<double>(input.size()))[0].to(at::kCPU).contiguous();
}

class CamWriter {
 public:
  CamWriter(const CamOptions& options, CamResult& result) : options_(options), result_(result) {}

  void Write(const CheckedImage& image, const at::Tensor& scores) {
    const auto height = static_cast<int>(scores.size(1)), width = static_cast<int>(scores.size(2));
    const size_t nodes = static_cast<size_t>(height) * static_cast<size_t>(width);
    TensorMap stored;
    for (const int tag : image.tags) {
      const std::span<const float> map(scores.data_ptr<float>() + static_cast<size_t>(tag) * nodes,
                                       nodes);
      const ImageU8 attention =
          EnlargeAttention(AttentionFromScores(map, height, width), image.height, image.width);
      WriteGreyPng(OutputPath(options_.out, image.id, fmt::format("_{}.png", tag)), attention);
      stored.Add(std::to_string(tag), Tensor::FromF32({height, width}, map));
      ++result_.maps;
    }
    if (options_.scores)
      WriteSafetensors(OutputPath(options_.out, image.id, ".safetensors"), stored, Flush::kLater);
    ++result_.images;
  }

 private:
  const CamOptions& options_;
  CamResult& result_;
};

class CamStep {
 public:
  CamStep(const CamOptions& options, Context& context)
      : options_(Checked(options, context)),
        loaded_(LoadNetwork(options_.checkpoint, NetworkKind::kAttention, options_.classes,
                            options_.compute)),
        images_(CheckImages(ReadImageList(options_.list, loaded_.info.classes),
                            {.images = options_.images}, options_.items.policy(), context)) {}

  CamResult Run(Context& context) {
    const torch::NoGradGuard no_grad;
    CamResult result;
    CamWriter writer(options_, result);
    const ItemWork<CamInput> work{
        .name = [&](int64_t i) { return Image(i).photograph.string(); },
        .make = [&](int64_t i) { return Read(Image(i)); },
        .write = {},
        .take =
            [&](int64_t i, const CamInput& input) {
              if (input.empty()) return;
              const CheckedImage& image = Image(i);
              at::Tensor scores;
              const bool made =
                  TryItem(context, options_.items.policy(), image.photograph.native(), [&] {
                    scores = OnPhotograph(image, [&] {
                      return AveragedScores(*loaded_.network, input, options_.flip,
                                            options_.compute.device);
                    });
                  });
              if (made) writer.Write(image, scores);
            }};
    ForEachItem("cam", static_cast<int64_t>(images_.size()), options_.compute.loader_threads,
                options_.items.policy(), work, context);
    return result;
  }

 private:
  static CamOptions Checked(const CamOptions& options, Context& context) {
    AllowImages(options.items);
    CheckFolder(options.images, "--images");
    CheckOutFolder(options.out, {{"--images", &options.images}});
    PrepareCompute(options.compute, options.items.threads, context);
    return options;
  }
  // At every scale; nothing where no tag wants a map.
  CamInput Read(const CheckedImage& image) const {
    CamInput input;
    if (image.tags.empty()) return input;
    const int size = options_.input_size > 0 ? options_.input_size : loaded_.info.input_size;
    const ImageU8 rgb = ReadPhotograph(image.photograph);
    for (const double scale : options_.scales)
      input.push_back(AttentionInput(rgb, std::max(1, static_cast<int>(std::lround(size * scale))),
                                     loaded_.info.normalisation));
    return input;
  }
  const CheckedImage& Image(int64_t i) const { return images_[static_cast<size_t>(i)]; }

  CamOptions options_;
  LoadedNetwork loaded_;
  std::vector<CheckedImage> images_;
};

}  // namespace

Work<CamResult> PrepareCam(const CamOptions& options, Context& context) {
  return PrepareStep<CamStep>(options, context);
}

}  // namespace i2crc
