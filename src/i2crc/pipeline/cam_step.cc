// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/cam_step.h"

#include <torch/torch.h>

#include <cmath>
#include <cstring>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/prefetch.h"
#include "i2crc/data/augment.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/labels/label_rules.h"
#include "i2crc/nn/checkpoint.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/pipeline/image_set.h"
#include "i2crc/pipeline/mask_set.h"
#include "i2crc/pipeline/training_setup.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

// One image, resized to every scale on a loader thread.
struct CamInput {
  std::vector<ImageF32> scaled;
  std::string failure;  // under --on-error skip: why the image is left out
};

at::Tensor AsBatch(const ImageF32& image) {
  return torch::from_blob(const_cast<float*>(image.data()), {1, image.height(), image.width(), 3},
                          torch::kFloat)
      .permute({0, 3, 1, 2});
}

// Scores [C, h, w] of the first scale's size: the mean over scales and mirror images.
at::Tensor AveragedScores(Network& network, const CamInput& input, bool flip,
                          const std::string& device) {
  at::Tensor sum;
  for (const ImageF32& scaled : input.scaled) {
    const at::Tensor images = AsBatch(scaled).to(device);
    at::Tensor scores = network.Forward(images);
    if (flip) scores = (scores + network.Forward(images.flip({3})).flip({3})) / 2;
    if (!sum.defined()) {
      sum = scores;
    } else {
      sum = sum + at::upsample_bilinear2d(scores, sum.sizes().slice(2), /*align_corners=*/false);
    }
  }
  return (sum / static_cast<double>(input.scaled.size()))[0].to(at::kCPU).contiguous();
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
      WriteSafetensors(OutputPath(options_.out, image.id, ".safetensors"), stored);
    ++result_.images;
  }

 private:
  const CamOptions& options_;
  CamResult& result_;
};

}  // namespace

void Describe(CamOptions& o, OptionSet& set) {
  set.Add("checkpoint", &o.checkpoint, "Attention network: ours, or one of the authors'")
      .Required()
      .Value("FILE")
      .Group("Data");
  set.Add("images", &o.images, "Folder of photographs").Required().Value("DIR").Group("Data");
  set.Add("list", &o.list, "Lines of an ID and its tags").Required().Value("FILE").Group("Data");
  set.Add("out", &o.out, "Folder for ID_k.png").Required().Value("DIR").Group("Data");
  set.Add("classes", &o.classes, "Class names for a checkpoint that has none")
      .Value("FILE")
      .Group("Data");
  set.Add("scales", &o.scales, "Scales of the input whose scores are averaged")
      .Above(0)
      .Group("Input");
  set.Add("flip", &o.flip, "Average with the mirrored image").Group("Input");
  set.Add("input-size", &o.input_size,
          "Side of the square that images are resized to; 0: the checkpoint's")
      .Range(0, 4096)
      .Group("Input");
  set.Add("scores", &o.scores, "Also write ID.safetensors with the score maps").Group("Output");
  Describe(o.items, set);
  Describe(o.compute, set);
}

CamResult RunCam(const CamOptions& options, Context& context) {
  CheckFolder(options.images, "--images");
  CheckOutFolder(options.out, {{"--images", &options.images}});
  std::optional<ClassNames> classes;
  if (!options.classes.empty()) classes = ClassNames::Read(options.classes);
  PrepareCompute(options.compute, options.items.threads, context);
  LoadedNetwork loaded = LoadCheckpoint(options.checkpoint, NetworkKind::kAttention, classes);
  Network& network = *loaded.network;
  network.SetPrecision(options.compute.precision == "bf16" ? Precision::kBF16 : Precision::kF32);
  network.To(at::Device(options.compute.device));
  const auto images = CheckImages(ReadImageList(options.list, loaded.info.classes),
                                  {.images = options.images}, options.items.policy(), context);

  context.WorkBegins();
  MakeFolder(options.out);
  const torch::NoGradGuard no_grad;
  const int size = options.input_size > 0 ? options.input_size : loaded.info.input_size;
  Prefetcher<CamInput> inputs(
      0, static_cast<int64_t>(images.size()), options.compute.loader_threads,
      2 + 2 * options.compute.loader_threads, [&](int64_t i) {
        CamInput input;
        if (images[static_cast<size_t>(i)].tags.empty()) return input;
        try {
          const ImageU8 rgb = ReadPhotograph(images[static_cast<size_t>(i)].photograph);
          for (const double scale : options.scales)
            input.scaled.push_back(
                AttentionInput(rgb, std::max(1, static_cast<int>(std::lround(size * scale))),
                               loaded.info.normalisation));
        } catch (const Error& error) {
          if (options.items.policy() == OnError::kStop) throw;
          input.failure = error.what();
        }
        return input;
      });
  CamResult result;
  CamWriter writer(options, result);
  auto progress = context.StartProgress("cam", static_cast<int64_t>(images.size()), "images");
  for (const CheckedImage& image : images) {
    context.CheckInterrupted();
    const CamInput input = inputs.Next();
    if (!input.failure.empty()) {
      context.LeaveOut(input.failure);
    } else if (!image.tags.empty()) {
      writer.Write(image, AveragedScores(network, input, options.flip, options.compute.device));
    }
    progress->Advance();
  }
  return result;
}

}  // namespace i2crc
