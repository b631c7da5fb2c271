// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/core/image.h"
#include "i2crc/data/class_names.h"
#include "i2crc/labels/label_rules.h"

namespace i2crc {

// What is legal in the maps and masks of a command but hardly meant. It is counted while the step
// reads them, folder by folder, and told in a line each:
//   - maps of one value, or with 0 and 1 only where 0 to 255 is meant;
//   - masks without a pixel of any class: 0 and 255 only, as other tools write an object (here 255
//     means ignored), or background everywhere;
//   - a tenth of the masks or more ignored as a whole;
//   - a class that images are tagged with, but that no pixel of any mask has.
// Adding is safe from several threads; what is told depends neither on them nor on the order.
class Suspicions {
 public:
  explicit Suspicions(ClassNames classes) : classes_(std::move(classes)) {}

  // What stands in folder/ID.png. wants_object: the image has a tag, or may have; where it has none
  // a black map is right.
  void AddSaliency(const std::filesystem::path& folder, const std::string& id, const ImageU8& map,
                   bool wants_object);
  // name: without its ending. May be blank: where a network sees nothing, its map is.
  void AddAttention(const std::filesystem::path& folder, const std::string& name,
                    const ImageU8& map);
  // Those of an image's tags, folder/ID_k.png.
  void AddAttention(const std::filesystem::path& folder, const std::string& id,
                    const std::vector<TagAttention>& maps);
  // tags: the image's, where the command knows them.
  void AddMask(const std::filesystem::path& folder, const ImageU8& mask,
               const std::vector<int>& tags = {});
  // Tags of some images whose masks are in the folder.
  void AddTags(const std::filesystem::path& folder, const std::vector<int>& tags);

  // A warning for each thing that is suspicious. One that the command gave before, as another stage
  // reads the same files, is not given again.
  void Warn(Context& context) const;

 private:
  // Maps of a folder that have something in common.
  struct Some {
    int64_t count = 0;
    std::string first;  // by name

    void Add(const std::string& name);
  };
  struct Maps {
    int64_t count = 0;
    Some blank;
    Some dark;  // 0 and 1 only
  };
  struct Masks {
    int64_t count = 0;
    int64_t wholly_ignored = 0;
    std::bitset<256> values;  // that some pixel has
    std::bitset<256> tags;    // labels of the classes that some image is tagged with
  };

  static void WarnOfMaps(const std::filesystem::path& folder, const Maps& maps, const char* kind,
                         Context& context);
  void WarnOfMasks(const std::filesystem::path& folder, const Masks& masks, Context& context) const;
  // Names of the tags that no pixel has, as far as that can be told.
  std::vector<std::string> TagsWithoutPixel(const Masks& masks) const;

  ClassNames classes_;
  std::mutex mutex_;
  std::map<std::filesystem::path, Maps> saliency_, attention_;
  std::map<std::filesystem::path, Masks> masks_;
};

}  // namespace i2crc
