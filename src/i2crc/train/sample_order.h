// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

namespace i2crc {

// Which image each sample is: every epoch in an order of its own, decided by (seed, epoch).
class SampleOrder {
 public:
  SampleOrder(int64_t images, uint64_t seed);
  int64_t images() const { return images_; }
  // Image of sample number `sample`, counted over all epochs. Safe to call from several threads.
  int64_t Image(int64_t sample) const;

 private:
  struct Cache;
  int64_t images_;
  uint64_t seed_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace i2crc
