// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/evidence.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

// What no pixel is denied: every source is wrong somewhere.
constexpr float kLeast = 1e-4F;

// Kept off 0 and 1, where it would be infinite.
float LogOdds(float probability) {
  const float kept = std::clamp(probability, 0.02F, 0.98F);
  return std::log(kept / (1 - kept));
}

void CheckSize(const ImageU8& map, const Evidence& evidence, const std::string& what) {
  if (map.channels() != 1 || map.height() != evidence.height || map.width() != evidence.width)
    Fail("{} has {}x{} pixels, the photograph {}x{}", what, map.width(), map.height(),
         evidence.width, evidence.height);
}

// What there is, found once for an image.
class Sources {
 public:
  Sources(const Evidence& evidence, std::span<const int> tags, const EvidenceOptions& options)
      : evidence_(evidence), tags_(tags), options_(options), maps_(tags.size(), nullptr) {
    const size_t pixels =
        static_cast<size_t>(evidence.height) * static_cast<size_t>(evidence.width);
    if (evidence.saliency != nullptr) CheckSize(*evidence.saliency, evidence, "the saliency map");
    for (const auto& [tag, map] : evidence.attention) {
      CheckSize(map, evidence, fmt::format("the attention map of tag {}", tag));
      const auto found = std::find(tags.begin(), tags.end(), tag);
      if (found != tags.end()) maps_[static_cast<size_t>(found - tags.begin())] = map.data();
    }
    ENSURE(evidence.network.size() == pixels * static_cast<size_t>(evidence.labels),
           "{} probabilities of {} labels for {} pixels", evidence.network.size(), evidence.labels,
           pixels);
    for (const int tag : tags)
      ENSURE(!has_network() || (tag >= 0 && tag + 1 < evidence.labels), "tag {} of {} labels", tag,
             evidence.labels);
    pixels_ = pixels;
  }

  size_t pixels() const { return pixels_; }
  bool has_network() const { return !evidence_.network.empty(); }

  // Each tag's claim on pixel p, and whether it is object at all, 0…1.
  float Claims(size_t p, std::span<float> claims) const {
    float sum = 0, strongest = 0;
    for (size_t k = 0; k < tags_.size(); ++k) {
      const float attention = maps_[k] != nullptr ? static_cast<float>(maps_[k][p]) / 255.0F : 0.0F;
      strongest = std::max(strongest, attention);
      claims[k] = has_network() ? Network(tags_[k] + 1, p) : attention * attention;
      sum += claims[k];
    }
    for (float& claim : claims)
      claim = sum > 0 ? claim / sum : 1.0F / static_cast<float>(claims.size());
    return Object(p, strongest);
  }

 private:
  float Network(int label, size_t p) const {
    return evidence_.network[static_cast<size_t>(label) * pixels_ + p];
  }
  float Object(size_t p, float strongest) const {
    const bool has_saliency = evidence_.saliency != nullptr;
    const float salient =
        has_saliency ? static_cast<float>(evidence_.saliency->data()[p]) / 255.0F : strongest;
    if (!has_network()) return salient;
    const float seen = 1 - Network(0, p);
    if (!has_saliency) return seen;
    const auto share = static_cast<float>(options_.network_share);
    const float odds = share * LogOdds(seen) + (1 - share) * LogOdds(salient);
    return 1 / (1 + std::exp(-odds));
  }

  const Evidence& evidence_;
  std::span<const int> tags_;
  const EvidenceOptions& options_;
  std::vector<const uint8_t*> maps_;  // of each tag, or none
  size_t pixels_ = 0;
};

}  // namespace

std::vector<float> ProbabilitiesOfTags(const Evidence& evidence, std::span<const int> tags,
                                       const EvidenceOptions& options) {
  const Sources sources(evidence, tags, options);
  const size_t pixels = sources.pixels(), labels = tags.size() + 1;
  std::vector<float> probabilities(labels * pixels);
  std::vector<float> claims(tags.size());
  for (size_t p = 0; p < pixels; ++p) {
    const float object = tags.empty() ? 0.0F : sources.Claims(p, claims);
    float sum = 0;
    for (size_t l = 0; l < labels; ++l) {
      const float value = std::max(l == 0 ? 1 - object : object * claims[l - 1], kLeast);
      probabilities[l * pixels + p] = value;
      sum += value;
    }
    for (size_t l = 0; l < labels; ++l) probabilities[l * pixels + p] /= sum;
  }
  return probabilities;
}

ImageU8 DecideLabels(std::span<const float> probabilities, std::span<const int> tags, int height,
                     int width, double min_certain) {
  ImageU8 mask(height, width, 1);
  const size_t pixels = mask.pixels();
  ENSURE(probabilities.size() == pixels * (tags.size() + 1), "{} probabilities for {}x{} pixels",
         probabilities.size(), width, height);
  for (size_t p = 0; p < pixels; ++p) {
    size_t best = 0;
    for (size_t l = 1; l <= tags.size(); ++l)
      if (probabilities[l * pixels + p] > probabilities[best * pixels + p]) best = l;
    const bool is_certain = probabilities[best * pixels + p] >= static_cast<float>(min_certain);
    const int label = best == 0 ? 0 : tags[best - 1] + 1;
    mask.data()[p] = is_certain ? static_cast<uint8_t>(label) : kIgnoreLabel;
  }
  return mask;
}

}  // namespace i2crc
