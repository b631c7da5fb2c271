// SPDX-License-Identifier: Apache-2.0
#include "i2crc/inputs/image_set.h"

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/image/image_file.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

CheckedImage CheckOne(const ListedImage& listed, const ImageSetRequest& request) {
  CheckedImage image{listed.id, listed.tags, {}, {}, 0, 0};
  if (!request.images.empty()) {
    image.photograph = FindPhotograph(request.images, listed.id);
    const ImageHeader header = ReadImageHeader(image.photograph);
    image.height = header.height;
    image.width = header.width;
  }
  if (!request.maps.empty()) {
    image.map = request.maps / (listed.id + ".png");
    if (!fs::exists(image.map)) Fail("{}: {} is missing", image.map.string(), request.map_kind);
    const ImageHeader header = ReadImageHeader(image.map);
    if (!request.images.empty() && (header.height != image.height || header.width != image.width))
      Fail("{}: {} is {}x{}, its photograph {} is {}x{}", image.map.string(), request.map_kind,
           header.width, header.height, image.photograph.string(), image.width, image.height);
    image.height = header.height;
    image.width = header.width;
  }
  if (request.decode_photographs) ReadPhotograph(image.photograph);
  if (request.see_map) request.see_map(image, ReadGrey(image.map));
  return image;
}

}  // namespace

std::vector<CheckedImage> CheckImages(const std::vector<ListedImage>& list,
                                      const ImageSetRequest& request, OnError on_error,
                                      Context& context) {
  std::vector<CheckedImage> images;
  for (const ListedImage& listed : list) {
    context.CheckInterrupted();
    TryItem(context, on_error, listed.id, [&] { images.push_back(CheckOne(listed, request)); });
  }
  if (images.empty())
    Fail("{}: no image of the list can be used",
         (request.images.empty() ? request.maps : request.images).string());
  return images;
}

void CheckFolder(const fs::path& folder, const std::string& option) {
  if (!fs::exists(folder)) Fail("{} {}: no such folder", option, folder.string());
  if (!fs::is_directory(folder)) Fail("{} {}: not a folder", option, folder.string());
}

fs::path OutputPath(const fs::path& out, const std::string& id, const std::string& suffix) {
  const fs::path path = out / (id + suffix);
  if (id.find('/') != std::string::npos) MakeFolder(path.parent_path());
  return path;
}

}  // namespace i2crc
