// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc {

// Folders of a run whose results are laid side by side.
struct PictureSources {
  std::filesystem::path images, saliency, cams_plain, cams, labels, crossed, masks, truth;
};

struct PictureScene {
  std::string id;
  std::vector<int> tags;
};

// A sheet with a row a scene: photograph, saliency, attention without and with relation losses (the
// first tag's map as brightness over the photograph), initial label, label by the network of the
// other half, final mask, truth. Ignored pixels are cream. Columns whose files are missing stay
// grey. All scenes have one size.
ImageU8 DrawPicture(const PictureSources& sources, const std::vector<PictureScene>& scenes);

}  // namespace i2crc
