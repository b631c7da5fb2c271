// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/demo_picture.h"

#include <algorithm>
#include <functional>

#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

constexpr int kGap = 4;

ImageU8 FromGrey(const ImageU8& grey) {
  ImageU8 rgb(grey.height(), grey.width(), 3);
  for (size_t i = 0; i < grey.size(); ++i)
    for (size_t c = 0; c < 3; ++c) rgb.values()[3 * i + c] = grey.values()[i];
  return rgb;
}

ImageU8 FromMask(const ImageU8& mask) {
  ImageU8 rgb(mask.height(), mask.width(), 3);
  for (size_t i = 0; i < mask.size(); ++i)
    for (size_t c = 0; c < 3; ++c) rgb.values()[3 * i + c] = VocPalette()[mask.values()[i]][c];
  return rgb;
}

// The photograph, dimmed where attention is low.
ImageU8 UnderAttention(const ImageU8& rgb, const ImageU8& attention) {
  ImageU8 lit = rgb;
  for (size_t i = 0; i < attention.size(); ++i)
    for (size_t c = 0; c < 3; ++c) {
      uint8_t& value = lit.values()[3 * i + c];
      value = static_cast<uint8_t>(value * (50 + attention.values()[i] * 205 / 255) / 255);
    }
  return lit;
}

void Paste(ImageU8& sheet, const ImageU8& tile, int top, int left) {
  for (int y = 0; y < tile.height(); ++y)
    std::copy_n(tile.row(y), static_cast<size_t>(tile.width()) * 3, &sheet.row(top + y)[left * 3]);
}

}  // namespace

ImageU8 DrawPicture(const PictureSources& sources, const std::vector<PictureScene>& scenes) {
  constexpr int kColumns = 8;
  ImageU8 sheet;
  for (size_t row = 0; row < scenes.size(); ++row) {
    const PictureScene& scene = scenes[row];
    const ImageU8 rgb = ReadPhotograph(FindPhotograph(sources.images, scene.id));
    if (row == 0)
      sheet = ImageU8(static_cast<int>(scenes.size()) * (rgb.height() + kGap) - kGap,
                      kColumns * (rgb.width() + kGap) - kGap, 3, 255);
    const std::string map = scene.id + ".png";
    const std::string attention =
        fmt::format("{}_{}.png", scene.id, scene.tags.empty() ? 0 : scene.tags[0]);
    const auto lit = [&](const fs::path& file) { return UnderAttention(rgb, ReadGrey(file)); };
    const auto mask = [](const fs::path& file) { return FromMask(ReadMask(file)); };
    const std::vector<std::pair<fs::path, std::function<ImageU8(const fs::path&)>>> tiles = {
        {FindPhotograph(sources.images, scene.id), [&](const fs::path&) { return rgb; }},
        {sources.saliency / map, [](const fs::path& file) { return FromGrey(ReadGrey(file)); }},
        {sources.cams_plain / attention, lit},
        {sources.cams / attention, lit},
        {sources.labels / map, mask},
        {sources.crossed / map, mask},
        {sources.masks / map, mask},
        {sources.truth / map, mask}};
    for (size_t column = 0; column < tiles.size(); ++column) {
      const auto& [file, draw] = tiles[column];
      const ImageU8 tile =
          fs::exists(file) ? draw(file) : ImageU8(rgb.height(), rgb.width(), 3, 200);
      ENSURE(tile.SameSize(rgb), "scenes of one picture have one size");
      Paste(sheet, tile, static_cast<int>(row) * (rgb.height() + kGap),
            static_cast<int>(column) * (rgb.width() + kGap));
    }
  }
  return sheet;
}

}  // namespace i2crc
