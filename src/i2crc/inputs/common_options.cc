// SPDX-License-Identifier: Apache-2.0
#include "i2crc/inputs/common_options.h"

namespace i2crc {

void Describe(ItemOptions& options, OptionSet& set) {
  set.Add("on-error", &options.on_error,
          "What to do about an image that cannot be used: stop, or skip it and end with status 1")
      .OneOf({"stop", "skip"})
      .Group("General")
      .KeepsResult();
  set.Add("threads", &options.threads, "Threads to compute with; 0: all cores")
      .Range(0, kMostThreads)
      .Group("General")
      .KeepsResult();
  set.Add("max-pixels", &options.max_pixels,
          "Largest image to read; one that takes more memory to decode than usual counts as larger")
      .Range(1, 1e12)
      .Value("N")
      .Group("General")
      .KeepsResult();
}

void AllowImages(const ItemOptions& options) {
  SetMaxPixels(static_cast<int64_t>(options.max_pixels));
}

void Describe(ComputeOptions& options, OptionSet& set) {
  set.Add("device", &options.device, "cpu, cuda or cuda:N")
      .Value("NAME")
      .Group("General")
      .KeepsResult();
  set.Add("precision", &options.precision, "Arithmetic of the network")
      .OneOf({"fp32", "bf16"})
      .Group("General");
  set.Add("loader-threads", &options.loader_threads,
          "Threads that decode and augment images ahead; the result does not depend on them")
      .Range(0, 256)
      .Group("General")
      .KeepsResult();
}

void DescribeFolders(TrainingOptions& o, OptionSet& set) {
  set.Add("images", &o.images, "Folder of photographs, ID.jpg, .jpeg or .png")
      .Required()
      .Value("DIR")
      .Group("Data");
  set.Add("classes", &o.classes, "Class names, one a line; default: VOC's twenty")
      .Value("FILE")
      .Group("Data");
  set.Add("out", &o.out, "Folder for checkpoint, training state and metrics")
      .Required()
      .Value("DIR")
      .Group("Data");
}

void DescribeNetwork(TrainingOptions& o, OptionSet& set) {
  set.Add("weights", &o.weights,
          "ImageNet weights of the backbone, .pth or .safetensors; default: from scratch")
      .Value("FILE")
      .Group("Network");
  set.Add("width", &o.width, "Multiplies the channels of every layer (for training from scratch)")
      .Range(1.0 / 64, 8)
      .Group("Network");
  set.Add("normalisation", &o.normalisation,
          "Of the input: RGB as torchvision has it, or the authors' BGR minus the mean")
      .OneOf({"rgb", "bgr"})
      .Group("Network");
}

void DescribeOptimiser(TrainingOptions& o, OptionSet& set) {
  set.Add("batch", &o.batch, "Images a batch").Range(1, 4096).Group("Optimiser");
  set.Add("momentum", &o.momentum, "Momentum; Nesterov's in train-cls")
      .Range(0, 1)
      .Group("Optimiser");
  set.Add("weight-decay", &o.weight_decay, "On every parameter").Range(0, 1).Group("Optimiser");
  set.Add("seed", &o.seed, "Decides start, order and augmentation").Group("Optimiser");
  set.Add("checkpoint-every", &o.checkpoint_every,
          "Steps between saved training states; 0: at the end only")
      .Range(0, 1e9)
      .Value("STEPS")
      .Group("Optimiser")
      .KeepsResult();
  set.Add(
         "max-bad-steps", &o.max_bad_steps,
         "Steps in a row to pass over because their loss or gradient is not finite; one more stops")
      .Range(0, 1e9)
      .Group("Optimiser")
      .KeepsResult();
}

void DescribeJitter(JitterOptions& o, OptionSet& set) {
  set.Add("jitter-brightness", &o.brightness, "Factor uniform in 1 ± this")
      .Range(0, 1)
      .Group("Input");
  set.Add("jitter-contrast", &o.contrast, "Factor uniform in 1 ± this").Range(0, 1).Group("Input");
  set.Add("jitter-saturation", &o.saturation, "Factor uniform in 1 ± this")
      .Range(0, 1)
      .Group("Input");
  set.Add("jitter-hue", &o.hue, "Shift uniform in ± this, as a share of the colour circle")
      .Range(0, 0.5)
      .Group("Input");
}

nlohmann::ordered_json Settings(const OptionSet& set) {
  nlohmann::ordered_json settings;
  for (const Option& option : set.options())
    if (!option.is_path() && !option.IsAsAbsent() && !option.keeps_result())
      settings[option.name()] = option.ToJson();
  return settings;
}

}  // namespace i2crc
