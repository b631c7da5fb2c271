// SPDX-License-Identifier: Apache-2.0
// The limits that other figures are held to: peak of a convolution (oneDNN, 256 channels, 3×3, 64²)
// in f32 and bf16, and copy bandwidth.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include "i2crc/threads/threads.h"

namespace {

double Fastest(const std::function<void()>& work, int rounds) {
  double fastest = 1e9;
  for (int i = 0; i < rounds; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    work();
    fastest = std::min(
        fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  }
  return fastest;
}

}  // namespace

int main() {
  const torch::NoGradGuard no_grad;
  at::set_num_threads(i2crc::ThreadCount(0));
  std::printf("%d threads\n", at::get_num_threads());
  for (const auto type : {torch::kFloat, torch::kBFloat16}) {
    const at::Tensor x =
        torch::randn({4, 256, 64, 64}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor w =
        torch::randn({256, 256, 3, 3}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    const double flops = 2.0 * 4 * 256 * 256 * 9 * 64 * 64;
    const double seconds = Fastest([&] { at::conv2d(x, w, {}, 1, 1); }, 12);
    std::printf("convolution peak %s  %7.1f GFLOP/s\n", type == torch::kFloat ? "f32 " : "bf16",
                flops / seconds * 1e-9);
  }
  std::vector<char> from(256 << 20, 1), to(from.size());
  const double seconds = Fastest([&] { std::memcpy(to.data(), from.data(), from.size()); }, 8);
  std::printf("copy, one thread       %7.1f GB/s (read + written)\n",
              2.0 * static_cast<double>(from.size()) / seconds * 1e-9);
  return 0;
}
