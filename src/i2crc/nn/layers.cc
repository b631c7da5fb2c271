// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/layers.h"

#include <cmath>

#include "i2crc/core/error.h"
#include "i2crc/weights/tensor.h"

namespace i2crc {
namespace {

at::Tensor Convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const ConvShape& shape) {
  // oneDNN 2.6 with AVX-512 writes past its buffers in the weight gradient of a strided 1×1
  // convolution whose input channels do not fill its blocks of 16, so what the stride passes over
  // is cut away first.
  if (shape.kernel == 1 && shape.stride > 1 && shape.padding == 0 && shape.in % 16 != 0)
    return at::conv2d(x.slice(2, 0, c10::nullopt, shape.stride)
                          .slice(3, 0, c10::nullopt, shape.stride)
                          .contiguous(at::MemoryFormat::ChannelsLast),
                      weight, bias);
  return at::conv2d(x, weight, bias, shape.stride, shape.padding, shape.dilation);
}

}  // namespace

ConvImpl::ConvImpl(const ConvShape& shape) : shape_(shape) {
  weight =
      register_parameter("weight", torch::zeros({shape.out, shape.in, shape.kernel, shape.kernel})
                                       .contiguous(at::MemoryFormat::ChannelsLast));
  if (shape.bias) bias = register_parameter("bias", torch::zeros({shape.out}));
}

at::Tensor ConvImpl::forward(const at::Tensor& x) {
  return Convolve(x, weight.to(x.scalar_type()), bias.defined() ? bias.to(x.scalar_type()) : bias,
                  shape_);
}

at::Tensor ConvImpl::ForwardFolded(const at::Tensor& x, const at::Tensor& scale,
                                   const at::Tensor& shift) {
  ENSURE(!bias.defined(), "a folded convolution has no bias of its own");
  const at::Tensor folded = weight * scale.view({-1, 1, 1, 1});
  return Convolve(x, folded.to(x.scalar_type()), shift.to(x.scalar_type()), shape_);
}

namespace {
constexpr double kEpsilon = 1e-5;
constexpr double kMomentum = 0.1;
}  // namespace

BatchNormImpl::BatchNormImpl(int64_t channels) {
  weight = register_parameter("weight", torch::ones({channels}));
  bias = register_parameter("bias", torch::zeros({channels}));
  running_mean = register_buffer("running_mean", torch::zeros({channels}));
  running_var = register_buffer("running_var", torch::ones({channels}));
  num_batches_tracked = register_buffer("num_batches_tracked", torch::zeros({}, torch::kLong));
}

at::Tensor ConvNorm(Conv& conv, BatchNorm& norm, const at::Tensor& x) {
  if (norm->is_training() && !norm->frozen) {
    const at::Tensor y = conv->forward(x);
    // The running variance would become 0/0.
    if (y.numel() == y.size(1))
      Fail(
          "batch norm needs more than one value per channel in training, its input is {}; larger "
          "--batch, --crop or --freeze-bn",
          ShapeText({y.sizes().data(), y.sizes().size()}));
    norm->num_batches_tracked += 1;
    return at::batch_norm(y, norm->weight, norm->bias, norm->running_mean, norm->running_var,
                          /*training=*/true, kMomentum, kEpsilon, /*cudnn_enabled=*/true);
  }
  const at::Tensor scale = norm->weight / (norm->running_var + kEpsilon).sqrt();
  return conv->ForwardFolded(x, scale, norm->bias - norm->running_mean * scale);
}

at::Tensor SeededDropoutImpl::forward(const at::Tensor& x) {
  if (!is_training()) return x;
  // A seed for every pass: the passes of the multi-scale wrapper would else share their masks'
  // begin.
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed_ + pass_++);
  // Drawn on the CPU in f32 whatever x is, so that precision and device do not change the mask.
  const at::Tensor keep =
      torch::empty(x.sizes(), torch::kFloat).bernoulli_(1 - probability_, generator);
  return x * (keep / (1 - probability_)).to(x.options());
}

int64_t Scaled(int64_t channels, double width) {
  return std::max<int64_t>(1, std::llround(static_cast<double>(channels) * width));
}

}  // namespace i2crc
