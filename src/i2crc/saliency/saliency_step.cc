// SPDX-License-Identifier: Apache-2.0
#include "i2crc/saliency/saliency_step.h"

#include <algorithm>
#include <vector>

#include "i2crc/core/error.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/inputs/image_set.h"
#include "i2crc/inputs/item_loop.h"
#include "i2crc/inputs/mask_set.h"
#include "i2crc/saliency/detector.h"

namespace i2crc {
namespace {

struct SaliencyInput {
  std::vector<float> planes;
  int height = 0;  // of the photograph
  int width = 0;
};

// OpenCV does not survive that a thread of its own cannot be started, so it gets those that can be
// beside the loader's.
DetectorOptions DetectorOf(const SaliencyOptions& options) {
  const int others = ThreadCount(options.items.threads) - 1;
  const int startable = StartableThreads(others + options.loader_threads);
  return {.model = options.model,
          .preset = options.preset,
          .input_size = options.input_size,
          .threads = 1 + std::clamp(startable - options.loader_threads, 0, others)};
}

}  // namespace

void CheckDetector(const SaliencyOptions& options) { SaliencyDetector{DetectorOf(options)}; }

namespace {

class SaliencyStep {
 public:
  SaliencyStep(const SaliencyOptions& options, Context& context)
      : options_(Checked(options, context)),
        detector_(DetectorOf(options_)),
        images_(CheckImages(
            options_.list.empty() ? ListFolder(options_.images) : ReadImageIds(options_.list),
            {.images = options_.images}, options_.items.policy(), context)) {}

  SaliencyResult Run(Context& context) {
    SaliencyResult result;
    const ItemWork<SaliencyInput> work{
        .name = [&](int64_t i) { return Image(i).photograph.string(); },
        .make =
            [&](int64_t i) {
              const ImageU8 rgb = ReadPhotograph(Image(i).photograph);
              return SaliencyInput{detector_.Input(rgb), rgb.height(), rgb.width()};
            },
        .write = {},
        .take =
            [&](int64_t i, const SaliencyInput& input) {
              const CheckedImage& image = Image(i);
              ImageU8 map;
              const bool made =
                  TryItem(context, options_.items.policy(), image.photograph.native(), [&] {
                    map = detector_.Detect(input.planes, input.height, input.width,
                                           image.photograph.string());
                  });
              if (!made) return;
              WriteGreyPng(OutputPath(options_.out, image.id, ".png"), map);
              ++result.images;
              if (std::all_of(map.values().begin(), map.values().end(),
                              [](uint8_t v) { return v == 0; }))
                ++result.blank;
            }};
    ForEachItem("saliency", static_cast<int64_t>(images_.size()), options_.loader_threads,
                options_.items.policy(), work, context);
    return result;
  }

 private:
  static SaliencyOptions Checked(const SaliencyOptions& options, Context& context) {
    AllowImages(options.items);
    CheckFolder(options.images, "--images");
    // A map has the name that a PNG photograph may have.
    CheckOutFolder(options.out, {{"--images", &options.images}});
    context.WarnOfFewThreads(DetectorOf(options).threads, ThreadCount(options.items.threads));
    return options;
  }
  const CheckedImage& Image(int64_t i) const { return images_[static_cast<size_t>(i)]; }

  SaliencyOptions options_;
  SaliencyDetector detector_;
  std::vector<CheckedImage> images_;
};

}  // namespace

Work<SaliencyResult> PrepareSaliency(const SaliencyOptions& options, Context& context) {
  return PrepareStep<SaliencyStep>(options, context);
}

}  // namespace i2crc
