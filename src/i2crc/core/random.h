// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace i2crc {

// A stream of random numbers decided by a few keys, such as (seed, epoch, index): every sample
// draws from a stream of its own, so that the order and the number of loader threads do not matter.
// SplitMix64 over mixed keys; no std::distribution, whose results differ between standard
// libraries.
class Random {
 public:
  explicit Random(std::initializer_list<uint64_t> keys);

  uint64_t Next();
  double Uniform();                         // [0, 1)
  double Uniform(double low, double high);  // [low, high)
  int64_t Below(int64_t bound);             // 0 … bound − 1, unbiased; bound ≥ 1
  double Normal();                          // mean 0, standard deviation 1

  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<size_t>(Below(static_cast<int64_t>(i)))]);
  }

 private:
  uint64_t state_ = 0;
};

}  // namespace i2crc
