// SPDX-License-Identifier: Apache-2.0
#include "i2crc/inputs/suspicions.h"

#include <algorithm>
#include <functional>

#include "i2crc/options/quote.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

// A smaller share of masks may well be ignored as a whole: the paper's rules do that.
constexpr int64_t kManyIsOneOf = 10;
// Of more names than that the rest is counted.
constexpr size_t kMostNames = 8;

std::string NamesText(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i)
    text += (i > 0 ? ", " : "") + Quoted(names[i]);
  if (names.size() > kMostNames) text += fmt::format(" and {} more", names.size() - kMostNames);
  return text;
}

bool IsBlank(const ImageU8& map) {
  const auto& values = map.values();
  return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
}

bool IsDark(const ImageU8& map) {
  return std::all_of(map.values().begin(), map.values().end(), [](uint8_t v) { return v <= 1; });
}

}  // namespace

void Suspicions::Some::Add(const std::string& name) {
  if (count == 0 || name < first) first = name;
  ++count;
}

void Suspicions::AddSaliency(const fs::path& folder, const std::string& id, const ImageU8& map,
                             bool wants_object) {
  const bool has_one_value = IsBlank(map);
  const bool is_blank = has_one_value && (wants_object || map.data()[0] != 0);
  const bool is_dark = !has_one_value && IsDark(map);
  const std::lock_guard lock(mutex_);
  Maps& maps = saliency_[folder];
  ++maps.count;
  if (is_blank) maps.blank.Add(id);
  if (is_dark) maps.dark.Add(id);
}

void Suspicions::AddAttention(const fs::path& folder, const std::string& name, const ImageU8& map) {
  const bool is_dark = !IsBlank(map) && IsDark(map);
  const std::lock_guard lock(mutex_);
  Maps& maps = attention_[folder];
  ++maps.count;
  if (is_dark) maps.dark.Add(name);
}

void Suspicions::AddAttention(const fs::path& folder, const std::string& id,
                              const std::vector<TagAttention>& maps) {
  for (const TagAttention& attention : maps)
    AddAttention(folder, fmt::format("{}_{}", id, attention.tag), attention.map);
}

void Suspicions::AddMask(const fs::path& folder, const ImageU8& mask,
                         const std::vector<int>& tags) {
  std::bitset<256> values;
  for (const uint8_t value : mask.values()) values.set(value);
  AddTags(folder, tags);
  const std::lock_guard lock(mutex_);
  Masks& masks = masks_[folder];
  ++masks.count;
  masks.values |= values;
  if (values.reset(kIgnoreLabel).none()) ++masks.wholly_ignored;
}

void Suspicions::AddTags(const fs::path& folder, const std::vector<int>& tags) {
  const std::lock_guard lock(mutex_);
  for (const int tag : tags) masks_[folder].tags.set(static_cast<size_t>(tag) + 1);
}

std::vector<std::string> Suspicions::TagsWithoutPixel(const Masks& masks) const {
  const auto classes = static_cast<size_t>(classes_.count());
  // A pixel that may be of any of its image's tags leaves it open.
  if (classes < kAnyTagLabel && masks.values[kAnyTagLabel]) return {};
  std::vector<std::string> names;
  for (size_t label = 1; label <= classes; ++label)
    if (masks.tags[label] && !masks.values[label])
      names.push_back(classes_.name(static_cast<int>(label) - 1));
  return names;
}

void Suspicions::WarnOfMasks(const fs::path& folder, const Masks& masks, Context& context) const {
  if (masks.wholly_ignored * kManyIsOneOf >= masks.count)
    context.WarnOnce(
        fmt::format("{}: {} of {} masks are 255 everywhere, so they are ignored as a whole",
                    folder.string(), masks.wholly_ignored, masks.count));
  auto objects = masks.values;
  objects.reset(0).reset(kIgnoreLabel);
  if (objects.none() && masks.values[0]) {
    context.WarnOnce(fmt::format(
        "{}: none of {} masks has a pixel of a class, they hold {}; the value of an object is its "
        "class index + 1, of '{}' 1",
        folder.string(), masks.count,
        masks.values[kIgnoreLabel] ? "0 (background) and 255 (ignored) only"
                                   : "0 (background) only",
        classes_.name(0)));
  }
  const std::vector<std::string> names = TagsWithoutPixel(masks);
  if (objects.any() && !names.empty())
    context.WarnOnce(
        fmt::format("{}: no pixel of any mask is of a class that images are tagged with: {}",
                    folder.string(), NamesText(names)));
}

void Suspicions::WarnOfMaps(const fs::path& folder, const Maps& maps, const char* kind,
                            Context& context) {
  if (maps.blank.count > 0)
    context.WarnOnce(fmt::format(
        "{}: {} of {} {} have one value everywhere and tell nothing; the first is {}.png",
        folder.string(), maps.blank.count, maps.count, kind, maps.blank.first));
  if (maps.dark.count > 0)
    context.WarnOnce(
        fmt::format("{}: {} of {} {} have values of 0 and 1 only, where 255 is the most: multiply "
                    "them by 255; the first is {}.png",
                    folder.string(), maps.dark.count, maps.count, kind, maps.dark.first));
}

void Suspicions::Warn(Context& context) const {
  for (const auto& [folder, maps] : saliency_) WarnOfMaps(folder, maps, "saliency maps", context);
  for (const auto& [folder, maps] : attention_) WarnOfMaps(folder, maps, "attention maps", context);
  for (const auto& [folder, masks] : masks_)
    if (masks.count > 0) WarnOfMasks(folder, masks, context);
}

}  // namespace i2crc
