// SPDX-License-Identifier: Apache-2.0
// Lists of images and class names from any bytes: whatever is taken keeps the promises that the
// rest relies on. A file that holds a line "%%" has class names above it and the list below it.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "i2crc/core/error.h"
#include "i2crc/core/image.h"
#include "i2crc/data/image_list.h"
#include "i2crc/data/text_lines.h"

namespace {

void CheckIds(const std::vector<i2crc::ListedImage>& images) {
  ENSURE(!images.empty(), "an empty list was taken");
  std::set<std::string> seen;
  for (const i2crc::ListedImage& image : images) {
    ENSURE(seen.insert(image.id).second, "the ID {} stands twice", image.id);
    const std::string path = "/" + image.id + "/";
    for (const char* part : {"//", "/./", "/../", "\n"})
      ENSURE(path.find(part) == std::string::npos, "the ID {} was taken", image.id);
  }
}

void CheckClasses(const i2crc::ClassNames& classes) {
  ENSURE(classes.count() >= 1 && classes.count() <= i2crc::kMaxClasses, "{}", classes.count());
  for (int i = 0; i < classes.count(); ++i)
    ENSURE(classes.Find(classes.name(i)) == i && i2crc::IsUtf8(classes.name(i)), "class {}", i);
}

void CheckTags(const std::vector<i2crc::ListedImage>& images, const i2crc::ClassNames& classes) {
  for (const i2crc::ListedImage& image : images) {
    int last = -1;
    for (int tag : image.tags) {
      ENSURE(tag > last && tag < classes.count(), "tag {}", tag);
      last = tag;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > (size_t{1} << 20)) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t border = text.find("\n%%\n");
  const std::string list = border == std::string::npos ? text : text.substr(border + 4);
  try {
    CheckIds(i2crc::ParseImageIds(list, "list"));
  } catch (const i2crc::Error&) {
  }
  try {
    const i2crc::ClassNames classes =
        border == std::string::npos ? i2crc::ClassNames::Voc()
                                    : i2crc::ClassNames::Parse(text.substr(0, border), "classes");
    CheckClasses(classes);
    const auto images = i2crc::ParseImageList(list, "list", classes);
    CheckIds(images);
    CheckTags(images, classes);
  } catch (const i2crc::Error&) {
  }
  return 0;
}
