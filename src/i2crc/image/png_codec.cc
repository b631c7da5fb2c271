// SPDX-License-Identifier: Apache-2.0
// libpng leaves by longjmp where something is wrong. Every function with a setjmp is therefore
// small, holds nothing that has a destructor and allocates nothing of ours; what it needs is made
// by its caller.
#include "i2crc/image/png_codec.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "i2crc/image/decode_limits.h"
#include "i2crc/image/orientation.h"

namespace i2crc::internal {
namespace {

// deflate makes at most 1032 bytes out of one.
constexpr uint64_t kMaxInflation = 1032;
constexpr size_t kMaxChunkBytes = size_t{64} << 20;

// What became of a piece of libpng's work. It says in several ways that memory ran out, one of them
// the words for a damaged file, so that is kept by whoever was asked for the memory.
struct Message {
  std::array<char, 160> text = {};
  bool out_of_memory = false;
};

png_voidp OnAllocate(png_structp png, png_alloc_size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) static_cast<Message*>(png_get_mem_ptr(png))->out_of_memory = true;
  return memory;
}

void OnFree(png_structp, png_voidp memory) { std::free(memory); }

[[noreturn]] void OnError(png_structp png, png_const_charp what) {
  auto* message = static_cast<Message*>(png_get_error_ptr(png));
  std::snprintf(message->text.data(), message->text.size(), "%s", what);
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

struct Source {
  const uint8_t* next;
  size_t left;
};

void OnRead(png_structp png, png_bytep to, size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->left) png_error(png, "file ends too early");
  std::memcpy(to, source->next, count);
  source->next += count;
  source->left -= count;
}

// libpng allocates what an eXIf chunk claims to be long before it reads it, whatever the limits. So
// no chunk before the pixels may be longer than the file.
bool ChunksFit(std::span<const uint8_t> bytes) {
  constexpr size_t kSignature = 8, kLengthAndType = 8, kChecksum = 4;
  size_t at = kSignature;
  while (at + kLengthAndType <= bytes.size()) {
    if (std::memcmp(&bytes[at + 4], "IDAT", 4) == 0) return true;
    const size_t length = png_get_uint_32(&bytes[at]);
    if (length > bytes.size() - at - kLengthAndType) return false;
    at += kLengthAndType + length + kChecksum;
  }
  return false;
}

bool ReadInfo(png_structp png, png_infop info, Source* source) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  // Profiles and texts do not change the pixels: not even looked at, so that a bad one does no
  // harm.
  static const png_byte kUnused[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0hIST";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, kUnused, sizeof(kUnused) / 5);
  png_set_read_fn(png, source, OnRead);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_chunk_malloc_max(png, kMaxChunkBytes);
  // Our own limits, with a clearer message, come right after.
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  png_read_info(png, info);
  return true;
}

bool PrepareRows(png_structp png, png_infop info, bool indices) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  if (indices) {
    png_set_packing(png);
    // Masks are read by index alone: files with a short palette and index 255 are common.
    png_set_check_for_invalid_index(png, 0);
  } else {
    png_set_expand(png);
    png_set_strip_16(png);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return true;
}

bool ReadRows(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);  // a file that lacks its end was cut short
  return true;
}

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& name)
      : name_(name), source_{bytes.data(), bytes.size()}, size_(bytes.size()) {
    if (!ChunksFit(bytes)) Fail("{}: truncated or damaged PNG: file ends too early", name_);
    png_ = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &message_, OnError, OnWarning, &message_,
                                    OnAllocate, OnFree);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr || !ReadInfo(png_, info_, &source_)) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      Damaged();
    }
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  int64_t height() const { return png_get_image_height(png_, info_); }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int channels() const { return png_get_channels(png_, info_); }
  int depth() const { return png_get_bit_depth(png_, info_); }
  int colour_type() const { return png_get_color_type(png_, info_); }

  // Only what stands before the pixels, so that a header read alone says the same.
  int Orientation() const {
    png_uint_32 count = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &count, &exif) == 0 || exif == nullptr) return 1;
    return ExifOrientation({exif, count});
  }

  // Also of indices as if they became colours: a header does not say what its file is read for.
  void CheckSize() const {
    const bool alpha = (colour_type() & PNG_COLOR_MASK_ALPHA) != 0 ||
                       png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
    const bool colour = (colour_type() & PNG_COLOR_MASK_COLOR) != 0;
    CheckDecoding({.format = "PNG",
                   .height = height(),
                   .width = width(),
                   .channels = (colour ? 3 : 1) + (alpha ? 1 : 0),
                   .is_turned = Orientation() != 1},
                  name_);
  }

  ImageU8 ReadPixels(bool indices) {
    CheckSize();
    // A few bytes may claim gigabytes: refused before anything of that size is made.
    const uint64_t raw = png_get_rowbytes(png_, info_) * static_cast<uint64_t>(height());
    if (raw / kMaxInflation > size_)
      Fail("{}: truncated or damaged PNG: {} bytes cannot hold {}x{} pixels", name_, size_, width(),
           height());
    if (!PrepareRows(png_, info_, indices)) Damaged();
    ImageU8 image(static_cast<int>(height()), static_cast<int>(width()), channels());
    ENSURE(depth() == 8 &&
               png_get_rowbytes(png_, info_) * static_cast<size_t>(height()) == image.size(),
           "{}: rows of {} bytes", name_, png_get_rowbytes(png_, info_));
    std::vector<png_bytep> rows;
    for (int y = 0; y < image.height(); ++y) rows.push_back(image.row(y));
    if (!ReadRows(png_, rows.data())) Damaged();
    return Upright(std::move(image), Orientation());
  }

 private:
  [[noreturn]] void Damaged() const {
    if (message_.out_of_memory) throw OutOfMemory(name_);
    Fail("{}: truncated or damaged PNG: {}", name_, message_.text.data());
  }

  const std::string& name_;
  Source source_;
  size_t size_;
  Message message_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

std::string Describe(const Reader& reader) {
  const bool alpha = (reader.colour_type() & PNG_COLOR_MASK_ALPHA) != 0;
  const bool colour = (reader.colour_type() & PNG_COLOR_MASK_COLOR) != 0;
  return fmt::format("{}-bit {}{}", reader.depth(), colour ? "RGB" : "grey",
                     alpha ? " with alpha" : "");
}

// What libpng writes goes here. Its callback may not throw through libpng, so it reports a lack of
// memory by flag.
void OnWrite(png_structp png, png_bytep bytes, size_t count) {
  auto* out = static_cast<std::string*>(png_get_io_ptr(png));
  bool done = false;
  try {
    out->append(reinterpret_cast<const char*>(bytes), count);
    done = true;
  } catch (...) {
  }
  if (!done) {
    static_cast<Message*>(png_get_error_ptr(png))->out_of_memory = true;
    png_error(png, "out of memory");
  }
}

void OnFlush(png_structp) {}

// Pixels as a file has them.
struct StoredPixels {
  int width;
  int height;
  int depth;  // bits a channel
  int type;   // PNG_COLOR_TYPE_…
  std::vector<png_bytep> rows;
};

bool WriteAll(png_structp png, png_infop info, StoredPixels* pixels, const png_color* palette,
              std::string* out) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, out, OnWrite, OnFlush);
  png_set_user_limits(png, kMaxSide, kMaxSide);
  // Fixed, so that bytes depend on the pixels alone. Level 4 is within a few percent of 6 at a
  // third of the time.
  png_set_compression_level(png, 4);
  png_set_compression_buffer_size(png, 1 << 16);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, palette != nullptr ? PNG_FILTER_NONE : PNG_FILTER_UP);
  png_set_IHDR(png, info, static_cast<png_uint_32>(pixels->width),
               static_cast<png_uint_32>(pixels->height), pixels->depth, pixels->type,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (palette != nullptr) png_set_PLTE(png, info, palette, 256);
  png_write_info(png, info);
  png_write_image(png, pixels->rows.data());
  png_write_end(png, nullptr);
  return true;
}

std::string Encode(StoredPixels pixels, const png_color* palette, const std::string& name) {
  std::string out;
  Message message;
  png_structp png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &message, OnError, OnWarning,
                                              &message, OnAllocate, OnFree);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  const bool done = info != nullptr && WriteAll(png, info, &pixels, palette, &out);
  png_destroy_write_struct(&png, &info);
  if (done) return out;
  if (message.out_of_memory) throw OutOfMemory(name);
  Fail("{}: cannot encode PNG: {}", name, message.text.data());
}

}  // namespace

ImageHeader PngHeader(std::span<const uint8_t> bytes, const std::string& name) {
  const Reader reader(bytes, name);
  reader.CheckSize();
  ImageHeader header;
  header.height = static_cast<int>(reader.height());
  header.width = static_cast<int>(reader.width());
  header.channels = reader.channels();
  header.palette = reader.colour_type() == PNG_COLOR_TYPE_PALETTE;
  if (SwapsSides(reader.Orientation())) std::swap(header.height, header.width);
  return header;
}

ImageU8 DecodePngColours(std::span<const uint8_t> bytes, const std::string& name) {
  return Reader(bytes, name).ReadPixels(false);
}

ImageU8 DecodePngIndices(std::span<const uint8_t> bytes, const std::string& name) {
  Reader reader(bytes, name);
  const bool palette = reader.colour_type() == PNG_COLOR_TYPE_PALETTE;
  if (!palette && !(reader.colour_type() == PNG_COLOR_TYPE_GRAY && reader.depth() == 8))
    Fail("{}: a mask must be a PNG with palette or 8-bit grey, this one is {}", name,
         Describe(reader));
  return reader.ReadPixels(true);
}

std::string EncodePng(const ImageU8& image, const Palette* palette, const std::string& name) {
  ENSURE(!image.empty() && (image.channels() == 1 || (image.channels() == 3 && palette == nullptr)),
         "{}: PNG of {}x{}x{}", name, image.height(), image.width(), image.channels());
  std::array<png_color, 256> colours = {};
  if (palette != nullptr)
    std::transform(palette->begin(), palette->end(), colours.begin(), [](const auto& colour) {
      return png_color{colour[0], colour[1], colour[2]};
    });
  const int type = palette != nullptr      ? PNG_COLOR_TYPE_PALETTE
                   : image.channels() == 3 ? PNG_COLOR_TYPE_RGB
                                           : PNG_COLOR_TYPE_GRAY;
  StoredPixels pixels{image.width(), image.height(), 8, type, {}};
  for (int y = 0; y < image.height(); ++y)
    pixels.rows.push_back(
        const_cast<png_bytep>(image.row(y)));  // libpng's signature; it only reads
  return Encode(std::move(pixels), palette == nullptr ? nullptr : colours.data(), name);
}

std::string EncodePng(const Image<uint16_t>& grey, const std::string& name) {
  ENSURE(!grey.empty() && grey.channels() == 1, "{}: 16-bit PNG of {}x{}x{}", name, grey.height(),
         grey.width(), grey.channels());
  // The high byte comes first, whatever the machine has.
  std::vector<png_byte> bytes;
  bytes.reserve(2 * grey.size());
  for (const uint16_t value : grey.values()) {
    bytes.push_back(static_cast<png_byte>(value >> 8));
    bytes.push_back(static_cast<png_byte>(value & 0xff));
  }
  StoredPixels pixels{grey.width(), grey.height(), 16, PNG_COLOR_TYPE_GRAY, {}};
  for (size_t y = 0; y < static_cast<size_t>(grey.height()); ++y)
    pixels.rows.push_back(&bytes[2 * y * static_cast<size_t>(grey.width())]);
  return Encode(std::move(pixels), nullptr, name);
}

}  // namespace i2crc::internal
