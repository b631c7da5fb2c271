// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/views.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

namespace i2crc {

at::Tensor AsBatch(const ImageF32& image) {
  return torch::from_blob(const_cast<float*>(image.data()), {1, image.height(), image.width(), 3},
                          torch::kFloat)
      .permute({0, 3, 1, 2});
}

at::Tensor MeanOfViews(const at::Tensor& images, bool flip,
                       const std::function<at::Tensor(const at::Tensor&)>& run) {
  const at::Tensor seen = run(images);
  return flip ? (seen + run(images.flip({3}))) / 2 : seen;
}

at::Tensor AveragedProbabilities(Network& network, const ImageF32& normalised,
                                 const std::vector<double>& scales, bool flip,
                                 const std::string& device) {
  const at::Tensor image = AsBatch(normalised).to(device);
  const at::IntArrayRef size = image.sizes().slice(2);
  const auto enlarged = [&](const at::Tensor& logits) {
    return at::upsample_bilinear2d(logits, size, /*align_corners=*/false).softmax(1);
  };
  at::Tensor sum;
  for (const double scale : scales) {
    const auto side = [&](int64_t full) {
      return std::max<int64_t>(1, std::llround(static_cast<double>(full) * scale));
    };
    const at::Tensor scaled = scale == 1
                                  ? image
                                  : at::upsample_bilinear2d(image, {side(size[0]), side(size[1])},
                                                            /*align_corners=*/false);
    at::Tensor probabilities = enlarged(network.Forward(scaled));
    if (flip)
      probabilities = (probabilities + enlarged(network.Forward(scaled.flip({3}))).flip({3})) / 2;
    sum = sum.defined() ? sum + probabilities : probabilities;
  }
  if (scales.size() > 1) sum = sum / static_cast<double>(scales.size());
  return sum[0].to(at::kCPU).contiguous();
}

}  // namespace i2crc
