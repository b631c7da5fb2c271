// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/sample_order.h"

#include <map>
#include <mutex>
#include <numeric>
#include <vector>

#include "i2crc/core/random.h"

namespace i2crc {
namespace {

constexpr uint64_t kOrderStream = 0x6f72646572;  // "order"

}  // namespace

struct SampleOrder::Cache {
  std::mutex mutex;
  std::map<int64_t, std::vector<int64_t>> epochs;
};

SampleOrder::SampleOrder(int64_t images, uint64_t seed)
    : images_(images), seed_(seed), cache_(std::make_shared<Cache>()) {}

int64_t SampleOrder::Image(int64_t sample) const {
  const int64_t epoch = sample / images_;
  std::lock_guard lock(cache_->mutex);
  auto [found, is_new] = cache_->epochs.try_emplace(epoch);
  std::vector<int64_t>& order = found->second;
  if (is_new) {
    order.resize(static_cast<size_t>(images_));
    std::iota(order.begin(), order.end(), int64_t{0});
    Random({seed_, kOrderStream, static_cast<uint64_t>(epoch)}).Shuffle(order);
  }
  const int64_t image = order[static_cast<size_t>(sample % images_)];
  // Loader threads are never further apart than two epochs, but for lists shorter than what they
  // make ahead; an order that was let go too early is made again.
  while (cache_->epochs.size() > 64) cache_->epochs.erase(cache_->epochs.begin());
  return image;
}

}  // namespace i2crc
