// SPDX-License-Identifier: Apache-2.0
#include "i2crc/labels/evidence.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "i2crc/core/error.h"
#include "i2crc/labels/log_odds.h"

namespace i2crc {
namespace {

// What no pixel is denied: every source is wrong somewhere.
constexpr float kLeast = 1e-4F;

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

  // Each tag's claim on pixel p; they sum to 1.
  void Claims(size_t p, std::span<float> claims) const {
    float sum = 0;
    for (size_t k = 0; k < tags_.size(); ++k) {
      claims[k] = Claim(k, p);
      sum += claims[k];
    }
    for (float& claim : claims)
      claim = sum > 0 ? claim / sum : 1.0F / static_cast<float>(claims.size());
  }

  // Whether each pixel is an object of any tag, 0…1.
  std::vector<float> Object() const {
    std::vector<float> object(pixels_);
    const bool has_saliency = evidence_.saliency != nullptr;
    const auto share = has_saliency && has_network() ? NetworkShare() : 0.0F;
    for (size_t p = 0; p < pixels_; ++p) {
      if (has_saliency && has_network())
        object[p] = Probability(share * LogOdds(Seen(p)) + (1 - share) * LogOdds(Salient(p)));
      else if (has_network())
        object[p] = Seen(p);
      else
        object[p] = has_saliency ? Salient(p) : StrongestAttention(p);
    }
    return object;
  }

 private:
  float Network(int label, size_t p) const {
    return evidence_.network[static_cast<size_t>(label) * pixels_ + p];
  }
  float Seen(size_t p) const { return 1 - Network(0, p); }
  float Salient(size_t p) const {
    return static_cast<float>(evidence_.saliency->data()[p]) / 255.0F;
  }
  float Attention(size_t tag, size_t p) const {
    return maps_[tag] != nullptr ? static_cast<float>(maps_[tag][p]) / 255.0F : 0.0F;
  }
  float StrongestAttention(size_t p) const {
    float strongest = 0;
    for (size_t k = 0; k < tags_.size(); ++k) strongest = std::max(strongest, Attention(k, p));
    return strongest;
  }
  float Claim(size_t tag, size_t p) const {
    if (!has_network()) return Attention(tag, p) * Attention(tag, p);
    const float network = std::max(Network(tags_[tag] + 1, p), kLeast);
    // Attention is coarse, and 0 over most of an object: it shifts the network's opinion, no more.
    constexpr float kLeastAttention = 0.02F;
    return evidence_.attention.empty() ? network : network * (Attention(tag, p) + kLeastAttention);
  }
  float NetworkShare() const {
    size_t both = 0, either = 0;
    for (size_t p = 0; p < pixels_; ++p) {
      const bool seen = Seen(p) > 0.5F, salient = Salient(p) > 0.5F;
      both += seen && salient ? 1 : 0;
      either += seen || salient ? 1 : 0;
    }
    const double agreement =
        either > 0 ? static_cast<double>(both) / static_cast<double>(either) : 1;
    const double share = options_.network_share;
    const double apart = options_.network_share_apart < 0 ? share : options_.network_share_apart;
    return static_cast<float>(agreement * share + (1 - agreement) * apart);
  }

  const Evidence& evidence_;
  std::span<const int> tags_;
  const EvidenceOptions& options_;
  std::vector<const uint8_t*> maps_;  // of each tag, or none
  size_t pixels_ = 0;
};

// [tags, H, W]: the tags' claims with what each needs to be found in the photograph at all.
std::vector<float> BalancedClaims(const Sources& sources, std::span<const float> object,
                                  size_t tags, double balance) {
  const size_t pixels = object.size();
  std::vector<float> claims(tags * pixels), one(tags);
  std::vector<double> sums(tags, 0.0);
  double objects = 0;
  for (size_t p = 0; p < pixels; ++p) {
    sources.Claims(p, one);
    const bool is_object = object[p] > 0.5F;
    objects += is_object ? 1 : 0;
    for (size_t k = 0; k < tags; ++k) {
      claims[k * pixels + p] = one[k];
      if (is_object) sums[k] += static_cast<double>(one[k]);
    }
  }
  if (tags < 2 || objects == 0 || !sources.has_network()) return claims;
  constexpr double kLeastMean = 1e-3;  // what is found nowhere is not brought back
  for (size_t k = 0; k < tags; ++k) sums[k] = std::pow(sums[k] / objects + kLeastMean, -balance);
  for (size_t p = 0; p < pixels; ++p) {
    float sum = 0;
    for (size_t k = 0; k < tags; ++k) {
      claims[k * pixels + p] *= static_cast<float>(sums[k]);
      sum += claims[k * pixels + p];
    }
    for (size_t k = 0; k < tags; ++k) claims[k * pixels + p] /= sum;
  }
  return claims;
}

}  // namespace

std::vector<float> ProbabilitiesOfTags(const Evidence& evidence, std::span<const int> tags,
                                       const EvidenceOptions& options) {
  const Sources sources(evidence, tags, options);
  const size_t pixels = sources.pixels(), labels = tags.size() + 1;
  const std::vector<float> object =
      tags.empty() ? std::vector<float>(pixels, 0.0F) : sources.Object();
  const std::vector<float> claims = BalancedClaims(sources, object, tags.size(), options.balance);
  std::vector<float> probabilities(labels * pixels);
  for (size_t p = 0; p < pixels; ++p) {
    float sum = 0;
    for (size_t l = 0; l < labels; ++l) {
      const float value =
          std::max(l == 0 ? 1 - object[p] : object[p] * claims[(l - 1) * pixels + p], kLeast);
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
