// SPDX-License-Identifier: Apache-2.0
// The layers that all networks here are made of. Includes all of libtorch: for nn/'s own sources
// only.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

namespace i2crc {

struct ConvShape {
  int64_t in;
  int64_t out;
  int64_t kernel;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  bool bias = false;
};

// A convolution that computes in the precision of its input; its parameters stay f32.
class ConvImpl : public torch::nn::Module {
 public:
  explicit ConvImpl(const ConvShape& shape);
  at::Tensor forward(const at::Tensor& x);
  // The convolution with its output channels scaled and shifted: a batch norm with fixed statistics
  // folded in.
  at::Tensor ForwardFolded(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift);

  at::Tensor weight;  // [out, in, k, k]
  at::Tensor bias;    // [out] or undefined

 private:
  ConvShape shape_;
};
TORCH_MODULE(Conv);

// Batch norm (eps 1e-5, momentum 0.1) with torchvision's names.
class BatchNormImpl : public torch::nn::Module {
 public:
  explicit BatchNormImpl(int64_t channels);

  at::Tensor weight, bias, running_mean, running_var, num_batches_tracked;

  // Statistics and affine parameters fixed, also in training.
  bool frozen = false;
};
TORCH_MODULE(BatchNorm);

// norm(conv(x)). With fixed statistics the norm costs nothing: it is folded into the convolution's
// weights, and gradients flow through the fold. Without them throws Error where conv(x) has a
// single value per channel, which has no variance.
at::Tensor ConvNorm(Conv& conv, BatchNorm& norm, const at::Tensor& x);

// Dropout whose masks depend only on its seed and on how many passes came since it was given, not
// on a global generator.
class SeededDropoutImpl : public torch::nn::Module {
 public:
  explicit SeededDropoutImpl(double probability) : probability_(probability) {}
  at::Tensor forward(const at::Tensor& x);
  void Seed(uint64_t seed) {
    seed_ = seed;
    pass_ = 0;
  }

 private:
  double probability_;
  uint64_t seed_ = 0;
  uint64_t pass_ = 0;
};
TORCH_MODULE(SeededDropout);

// max(1, round(channels · width))
int64_t Scaled(int64_t channels, double width);

}  // namespace i2crc
