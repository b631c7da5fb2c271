// SPDX-License-Identifier: Apache-2.0
#include "i2crc/image/orientation.h"

#include <libexif/exif-data.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

namespace i2crc::internal {
namespace {

constexpr std::array<uint8_t, 6> kExifHeader = {'E', 'x', 'i', 'f', 0, 0};

struct Unref {
  void operator()(ExifData* data) const { exif_data_unref(data); }
};

// The first value of an entry of whole numbers. The specification asks for SHORT, but programs
// write others, and viewers take them. 0 where it has no such value.
int64_t FirstInteger(const ExifEntry& entry, ExifByteOrder order) {
  if (entry.size < exif_format_get_size(entry.format)) return 0;
  switch (entry.format) {
    case EXIF_FORMAT_BYTE:
      return entry.data[0];
    case EXIF_FORMAT_SBYTE:
      return static_cast<int8_t>(entry.data[0]);
    case EXIF_FORMAT_SHORT:
      return exif_get_short(entry.data, order);
    case EXIF_FORMAT_SSHORT:
      return exif_get_sshort(entry.data, order);
    case EXIF_FORMAT_LONG:
      return exif_get_long(entry.data, order);
    case EXIF_FORMAT_SLONG:
      return exif_get_slong(entry.data, order);
    default:
      return 0;
  }
}

}  // namespace

int ExifOrientation(std::span<const uint8_t> exif) {
  std::vector<uint8_t> block;
  if (exif.size() < kExifHeader.size() ||
      !std::equal(kExifHeader.begin(), kExifHeader.end(), exif.begin()))
    block.assign(kExifHeader.begin(), kExifHeader.end());
  block.insert(block.end(), exif.begin(), exif.end());
  const std::unique_ptr<ExifData, Unref> data(exif_data_new());
  if (!data) return 1;
  // Otherwise libexif invents entries that the specification asks for.
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  exif_data_load_data(data.get(), block.data(), static_cast<unsigned>(block.size()));
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr) return 1;
  const int64_t orientation = FirstInteger(*entry, exif_data_get_byte_order(data.get()));
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

ImageU8 Upright(ImageU8 stored, int orientation) {
  ENSURE(orientation >= 1 && orientation <= 8, "orientation {}", orientation);
  if (orientation == 1) return stored;
  const int h = stored.height(), w = stored.width(), channels = stored.channels();
  const bool swap = SwapsSides(orientation);
  // Where the seen picture's rows (or, with sides swapped, its columns) run against the stored
  // ones.
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  ImageU8 seen(swap ? w : h, swap ? h : w, channels);
  const ptrdiff_t step_x = (flip_x ? -1 : 1) * static_cast<ptrdiff_t>(channels);
  const ptrdiff_t step_y = (flip_y ? -1 : 1) * static_cast<ptrdiff_t>(channels) * w;
  const ptrdiff_t along = swap ? step_y : step_x;
  const ptrdiff_t down = swap ? step_x : step_y;
  const uint8_t* first = stored.data() +
                         (flip_y ? static_cast<ptrdiff_t>(h - 1) * w * channels : 0) +
                         (flip_x ? static_cast<ptrdiff_t>(w - 1) * channels : 0);
  uint8_t* to = seen.data();
  for (int y = 0; y < seen.height(); ++y) {
    ptrdiff_t from = y * down;
    for (int x = 0; x < seen.width(); ++x, from += along)
      to = std::copy_n(first + from, channels, to);
  }
  return seen;
}

}  // namespace i2crc::internal
