// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/core/image.h"
#include "i2crc/data/image_list.h"

namespace i2crc {

// An image of a list whose files were found and whose headers agree.
struct CheckedImage {
  std::string id;
  std::vector<int> tags;
  std::filesystem::path photograph;  // empty where no photographs were asked for
  std::filesystem::path map;         // saliency map or mask; empty where none was asked for
  int height = 0;
  int width = 0;
};

// What to look for beside each ID of a list.
struct ImageSetRequest {
  std::filesystem::path images = {};      // folder of photographs; empty: not needed
  std::filesystem::path maps = {};        // folder of ID.png; empty: not needed
  std::string map_kind = "saliency map";  // for messages
  // Trainings that skip damaged images must know them before the first step: decode what was found.
  bool decode_photographs = false;
  // Shown every map, decoded as grey; may be empty.
  std::function<void(const CheckedImage& image, const ImageU8& map)> see_map = {};
};

// Finds every file, reads every header, compares sizes; no pixel is decoded unless the request says
// so. Under OnError::kSkip an image that fails is left out. Throws Error naming the file and the
// cause, or where no image is left.
std::vector<CheckedImage> CheckImages(const std::vector<ListedImage>& list,
                                      const ImageSetRequest& request, OnError on_error,
                                      Context& context);

// The folder is there and is one; otherwise Error "--images DIR: no such folder".
void CheckFolder(const std::filesystem::path& folder, const std::string& option);

// OUT/ID.png or the like, with the folders that an ID may contain made.
std::filesystem::path OutputPath(const std::filesystem::path& out, const std::string& id,
                                 const std::string& suffix);

}  // namespace i2crc
