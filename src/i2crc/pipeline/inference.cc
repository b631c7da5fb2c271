// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/inference.h"

#include <torch/torch.h>

namespace i2crc {

LoadedNetwork LoadNetwork(const std::filesystem::path& checkpoint, NetworkKind kind,
                          const std::filesystem::path& classes, const ComputeOptions& compute) {
  std::optional<ClassNames> names;
  if (!classes.empty()) names = ClassNames::Read(classes);
  LoadedNetwork loaded = LoadCheckpoint(checkpoint, kind, names);
  SetPrecisionAndDevice(*loaded.network, compute);
  return loaded;
}

void SetPrecisionAndDevice(Network& network, const ComputeOptions& compute) {
  network.SetPrecision(compute.precision == "bf16" ? Precision::kBF16 : Precision::kF32);
  network.To(at::Device(compute.device));
}

at::Tensor AsBatch(const ImageF32& image) {
  return torch::from_blob(const_cast<float*>(image.data()), {1, image.height(), image.width(), 3},
                          torch::kFloat)
      .permute({0, 3, 1, 2});
}

at::Tensor OnPhotograph(const CheckedImage& image, const std::function<at::Tensor()>& run) {
  at::Tensor output;
  std::string cause;
  try {
    output = run();
    if (!output.isfinite().all().item<bool>())
      cause = "the network's output is not finite: its weights are no good";
  } catch (const Error& error) {
    cause = error.what();
  } catch (const c10::Error& error) {
    cause = error.what_without_backtrace();
    cause = cause.substr(0, cause.find('\n'));
  }
  if (!cause.empty()) Fail("{}: {}", image.photograph.string(), cause);
  return output;
}

}  // namespace i2crc
