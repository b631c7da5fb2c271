// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/object_maps.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>

#include "i2crc/labels/log_odds.h"

namespace i2crc {
namespace {

// Above it attention is sure that a pixel is its tag's.
constexpr float kSure = 0.7F;

// Log odds of a map's values 0…255.
std::array<float, 256> OddsOfValues(double denial) {
  std::array<float, 256> odds;
  for (size_t value = 0; value < odds.size(); ++value) {
    odds[value] = LogOdds(static_cast<float>(value) / 255);
    if (odds[value] < 0) odds[value] *= static_cast<float>(denial);
  }
  return odds;
}

double RightToDeny(const SeenOfTags& source, std::span<const int> tags) {
  double least = 1;
  for (const int tag : tags) least = std::min(least, source.Of(tag));
  return -std::log(1 - std::min(least, 0.98));
}

}  // namespace

double SalientShare(const ImageU8& map) {
  const auto salient = std::count_if(map.values().begin(), map.values().end(),
                                     [](uint8_t value) { return value >= 128; });
  return static_cast<double>(salient) / static_cast<double>(map.pixels());
}

void SeenOfTags::Add(std::span<const float> map, std::span<const float> attention,
                     std::span<const int64_t> tag) {
  if (map.size() != attention.size() || map.size() != tag.size())
    Fail("{} values of a map, {} of attention and {} tags do not fit together", map.size(),
         attention.size(), tag.size());
  std::map<int64_t, std::pair<double, int>> seen;  // sum and number of each tag's pixels
  for (size_t p = 0; p < map.size(); ++p) {
    if (attention[p] < kSure) continue;
    auto& [sum, count] = seen[tag[p]];
    sum += map[p];
    ++count;
  }
  for (const auto& [of, share] : seen) {
    Class& here = classes_.at(static_cast<size_t>(of));
    here.sum += share.first / share.second;
    ++here.photographs;
  }
}

double SeenOfTags::Of(int tag) const {
  const Class& here = classes_.at(static_cast<size_t>(tag));
  return (here.sum + 1) / (here.photographs + 2);
}

Denials DenialsOf(const SeenOfTags& a, const SeenOfTags& b, std::span<const int> tags) {
  if (tags.empty()) return {};
  const double of_a = RightToDeny(a, tags), of_b = RightToDeny(b, tags);
  const double better = std::max(of_a, of_b);
  return better > 0 ? Denials{of_a / better, of_b / better} : Denials{};
}

ImageU8 PoolObjectMaps(const ImageU8& a, const ImageU8& b, const Denials& denials) {
  if (a.channels() != 1 || b.channels() != 1 || !a.SameSize(b))
    Fail("object maps of {}x{}x{} and {}x{}x{} do not fit together", a.height(), a.width(),
         a.channels(), b.height(), b.width(), b.channels());
  const auto of_a = OddsOfValues(denials.a), of_b = OddsOfValues(denials.b);
  ImageU8 pooled(a.height(), a.width(), 1);
  for (size_t p = 0; p < a.pixels(); ++p)
    pooled.data()[p] =
        static_cast<uint8_t>(std::lround(255 * Probability(of_a[a.data()[p]] + of_b[b.data()[p]])));
  return pooled;
}

}  // namespace i2crc
