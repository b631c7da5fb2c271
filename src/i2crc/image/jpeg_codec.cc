// SPDX-License-Identifier: Apache-2.0
// libjpeg leaves by longjmp where something is wrong. Every function with a setjmp is therefore
// small, holds nothing that has a destructor and allocates nothing of ours; what it needs is made
// by its caller.
#include "i2crc/image/jpeg_codec.h"

// Each of these three needs the one before it.
// clang-format off
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <csetjmp>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/image/decode_limits.h"
#include "i2crc/image/orientation.h"

namespace i2crc::internal {
namespace {

// A Huffman code has at least one bit, and every 8x8 block of the widest component at least one
// code.
constexpr int64_t kMaxPixelsPerByte = 8 * 64;
// Arithmetic coding knows no least number of bits: a picture of one colour is as small as its
// header, of any size. An eighth of a bit for a block is less than a photograph takes, and a
// picture of one colour may be this large all the same.
constexpr int64_t kMaxPixelsPerByteOfArithmetic = 8 * kMaxPixelsPerByte;
constexpr int64_t kMaxPixelsOfOneColour = int64_t{1} << 22;
// Each scan goes over the whole image, however few bytes it has in the file; real files have about
// ten. In all, scans may go over as many pixels as this number of the largest images has.
constexpr int kMaxScans = 500;
constexpr int64_t kMaxScansOfLargest = 16;
// The decoder holds this many bytes at most that it has not used, and no more zeros than that end
// the data of a picture.
constexpr size_t kReadAhead = 16;

struct Errors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  const char* kind;
  std::array<char, JMSG_LENGTH_MAX> text;
  // Whether the file's end may be reached: the Huffman decoder reads ahead, and complains of
  // missing bits only where it needs them.
  bool may_run_out;
  bool ran_out;  // the end was reached, libjpeg goes on with an end marker of its own
  int max_scans;
};

Errors* ErrorsOf(j_common_ptr info) { return static_cast<Errors*>(info->client_data); }

[[noreturn]] void Leave(j_common_ptr info, const char* kind) {
  Errors* errors = ErrorsOf(info);
  errors->kind = kind;
  // Whatever is missed behind the end, the end is the cause.
  if (errors->ran_out) info->err->msg_code = JWRN_JPEG_EOF;
  info->err->format_message(info, errors->text.data());
  std::longjmp(errors->jump, 1);
}

[[noreturn]] void OnError(j_common_ptr info) {
  switch (info->err->msg_code) {
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_IMAGE_TOO_BIG:
      Leave(info, "unsupported");
    case JERR_OUT_OF_MEMORY:
      Leave(info, "no memory for this");
    default:
      Leave(info, "truncated or damaged");
  }
}

void OnMessage(j_common_ptr info, int level) {
  if (level >= 0) return;  // a trace
  switch (info->err->msg_code) {
    // Many cameras and editors leave stray bytes or odd numbers in files whose pixels are whole.
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_ICC:
      return;
    case JWRN_JPEG_EOF:
      ErrorsOf(info)->ran_out = true;
      if (ErrorsOf(info)->may_run_out) return;
      Leave(info, "truncated or damaged");
    // Everything else: pixels were lost, libjpeg would go on with grey.
    default:
      Leave(info, "truncated or damaged");
  }
}

jpeg_error_mgr* SetUp(Errors* errors) {
  jpeg_std_error(&errors->manager);
  errors->manager.error_exit = OnError;
  errors->manager.emit_message = OnMessage;
  errors->kind = "";
  errors->text = {};
  errors->may_run_out = errors->ran_out = false;
  errors->max_scans = kMaxScans;
  return &errors->manager;
}

bool HasSeveralScans(const jpeg_decompress_struct& info) {
  return info.progressive_mode != FALSE || info.comps_in_scan < info.num_components;
}

// Whether the scans so far hold every colour component, and of a progressive file every bit of
// every coefficient: no scan that may follow changes a pixel.
bool IsWhole(const jpeg_decompress_struct& info) {
  for (int c = 0; c < info.num_components; ++c) {
    if (info.comp_info[c].quant_table == nullptr) return false;  // no scan had this component
    if (info.progressive_mode == FALSE) continue;
    const int* missing_bits = info.coef_bits[c];  // -1: all
    if (std::any_of(missing_bits, missing_bits + DCTSIZE2, [](int bits) { return bits != 0; }))
      return false;
  }
  return true;
}

[[noreturn]] void LeaveForScans(const jpeg_decompress_struct& info) {
  auto* errors = static_cast<Errors*>(info.client_data);
  errors->kind = errors->max_scans < kMaxScans ? "too large" : "damaged";
  std::snprintf(errors->text.data(), errors->text.size(), "more than %d scans%s", errors->max_scans,
                errors->max_scans < kMaxScans ? ", which a larger --max-pixels allows" : "");
  std::longjmp(errors->jump, 1);
}

// Between two rows of blocks.
void OnProgress(j_common_ptr info) {
  // Only a decompressor has this monitor, and its struct begins with the common fields.
  auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
  // libjpeg looks for further scans up to the end marker, which may be missing, and stumbles over
  // what else may stand there: it has read the end marker, as far as it knows.
  if (decompress->input_iMCU_row == decompress->total_iMCU_rows && IsWhole(*decompress))
    decompress->unread_marker = JPEG_EOI;
  if (decompress->input_scan_number > ErrorsOf(info)->max_scans) LeaveForScans(*decompress);
}

bool ReadInfo(jpeg_decompress_struct* info, Errors* errors, const uint8_t* bytes,
              unsigned long count) {
  if (setjmp(errors->jump) != 0) return false;
  jpeg_create_decompress(info);
  jpeg_mem_src(info, bytes, count);
  jpeg_save_markers(info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(info, TRUE);
  return true;
}

// Here a file of several scans is read as a whole, one of a single scan not at all: it has all that
// is asked for.
void RequireScans(jpeg_decompress_struct* info, Errors* errors) {
  if (errors->ran_out && !IsWhole(*info))
    Leave(reinterpret_cast<j_common_ptr>(info), "truncated or damaged");
  for (int c = 0; c < info->num_components; ++c) {
    if (info->comp_info[c].quant_table != nullptr) continue;
    errors->kind = "damaged";
    std::snprintf(errors->text.data(), errors->text.size(),
                  "no scan holds colour component %d of %d", c + 1, info->num_components);
    std::longjmp(errors->jump, 1);
  }
}

// cmyk: one row's room where the file has four components, else null. What stands behind the last
// row of pixels is not read: neither a missing end marker nor anything else there does harm.
bool ReadRows(jpeg_decompress_struct* info, Errors* errors, uint8_t* pixels, size_t stride,
              uint8_t* cmyk) {
  if (setjmp(errors->jump) != 0) return false;
  // For the arithmetic decoder everything behind the end is zeros, and no bit is ever missing.
  errors->may_run_out = info->arith_code == FALSE;
  jpeg_start_decompress(info);
  RequireScans(info, errors);
  while (info->output_scanline < info->output_height) {
    uint8_t* to = pixels + stride * info->output_scanline;
    JSAMPROW row = cmyk != nullptr ? cmyk : to;
    jpeg_read_scanlines(info, &row, 1);
    if (cmyk != nullptr)
      CmykToRgb(cmyk, static_cast<int>(info->output_width), info->saw_Adobe_marker != 0, to);
  }
  return true;
}

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& name) : name_(name), bytes_(bytes) {
    info_.err = SetUp(&errors_);
    info_.client_data = &errors_;
    if (!ReadInfo(&info_, &errors_, bytes.data(), bytes.size())) {
      jpeg_destroy_decompress(&info_);
      Damaged();
    }
    progress_.progress_monitor = OnProgress;
    info_.progress = &progress_;
  }
  ~Reader() { jpeg_destroy_decompress(&info_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  int64_t height() const { return info_.image_height; }
  int64_t width() const { return info_.image_width; }
  int components() const { return info_.num_components; }

  int Orientation() const {
    static constexpr std::array<uint8_t, 6> kExif = {'E', 'x', 'i', 'f', 0, 0};
    for (auto marker = info_.marker_list; marker != nullptr; marker = marker->next)
      if (marker->marker == JPEG_APP0 + 1 && marker->data_length > kExif.size() &&
          std::equal(kExif.begin(), kExif.end(), marker->data))
        return ExifOrientation({marker->data, marker->data_length});
    return 1;
  }

  void CheckSize() const {
    CheckDecoding({.format = "JPEG",
                   .height = height(),
                   .width = width(),
                   .channels = info_.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3,
                   .is_turned = Orientation() != 1,
                   .coefficients = CoefficientBytes()},
                  name_);
  }

  ImageU8 ReadPixels() {
    CheckSize();
    CheckBytes();
    errors_.max_scans = static_cast<int>(
        std::clamp<int64_t>(kMaxScansOfLargest * MaxPixels() / (height() * width()), 1, kMaxScans));
    const int orientation = Orientation();  // libjpeg forgets its markers as it stops
    ChooseColours();
    const bool grey = info_.out_color_space == JCS_GRAYSCALE;
    ImageU8 image(static_cast<int>(height()), static_cast<int>(width()), grey ? 1 : 3);
    std::vector<uint8_t> cmyk;
    if (info_.out_color_space == JCS_CMYK) cmyk.resize(static_cast<size_t>(width()) * 4);
    const size_t stride = image.size() / static_cast<size_t>(height());
    if (!ReadRows(&info_, &errors_, image.data(), stride, cmyk.empty() ? nullptr : cmyk.data()))
      Damaged();
    if (UsedPadding()) Fail("{}: truncated or damaged JPEG: zeros stand for pixels", name_);
    jpeg_abort_decompress(&info_);  // its memory is not needed while the picture is turned
    return Upright(std::move(image), orientation);
  }

 private:
  // A few bytes may claim gigabytes.
  void CheckBytes() const {
    const auto size = static_cast<int64_t>(bytes_.size());
    const int64_t most = info_.arith_code == FALSE
                             ? size * kMaxPixelsPerByte
                             : size * kMaxPixelsPerByteOfArithmetic + kMaxPixelsOfOneColour;
    if (height() * width() > most)
      Fail("{}: truncated or damaged JPEG: {} bytes cannot hold {}x{} pixels", name_, size, width(),
           height());
  }

  // As libjpeg holds them, in whole blocks of whole interleaved units.
  int64_t CoefficientBytes() const {
    if (!HasSeveralScans(info_)) return 0;
    const auto whole = [](int64_t blocks, int64_t unit) {
      return (blocks + unit - 1) / unit * unit;
    };
    int64_t blocks = 0;
    for (const jpeg_component_info& component :
         std::span(info_.comp_info, static_cast<size_t>(info_.num_components)))
      blocks += whole(component.width_in_blocks, component.h_samp_factor) *
                whole(component.height_in_blocks, component.v_samp_factor);
    return blocks * static_cast<int64_t>(sizeof(JBLOCK));
  }

  void ChooseColours() {
    switch (info_.jpeg_color_space) {
      case JCS_GRAYSCALE:
        info_.out_color_space = JCS_GRAYSCALE;
        return;
      case JCS_YCbCr:
      case JCS_RGB:
        info_.out_color_space = JCS_RGB;
        return;
      case JCS_CMYK:
      case JCS_YCCK:
        info_.out_color_space = JCS_CMYK;
        return;
      default:
        Fail("{}: unsupported JPEG: {} colour components", name_, components());
    }
  }

  // A download or a rescue that did not come to its end leaves zeros at the end of the file, which
  // decode to pixels like any bits.
  bool UsedPadding() const {
    const auto zeros =
        std::find_if(bytes_.rbegin(), bytes_.rend(), [](uint8_t b) { return b != 0; });
    const size_t used =
        errors_.ran_out ? bytes_.size() : bytes_.size() - info_.src->bytes_in_buffer;
    return used > static_cast<size_t>(bytes_.rend() - zeros) + kReadAhead;
  }

  [[noreturn]] void Damaged() const {
    if (errors_.manager.msg_code == JERR_OUT_OF_MEMORY) throw OutOfMemory(name_);
    Fail("{}: {} JPEG: {}", name_, errors_.kind, errors_.text.data());
  }

  const std::string& name_;
  std::span<const uint8_t> bytes_;
  Errors errors_;
  jpeg_progress_mgr progress_ = {};
  jpeg_decompress_struct info_ = {};
};

// Where the encoder's bytes go. libjpeg's own destination in memory frees its buffer twice where
// there is no memory to enlarge it.
struct Destination {
  jpeg_destination_mgr manager;  // first, so that a pointer to it is one to the whole
  std::string* out;
  std::array<JOCTET, size_t{1} << 14> buffer;
};

void StartBuffer(j_compress_ptr info) {
  auto* destination = reinterpret_cast<Destination*>(info->dest);
  destination->manager.next_output_byte = destination->buffer.data();
  destination->manager.free_in_buffer = destination->buffer.size();
}

// No exception may pass through libjpeg: a lack of memory leaves it as an error of its own.
void Append(j_compress_ptr info, size_t count) {
  auto* destination = reinterpret_cast<Destination*>(info->dest);
  bool done = false;
  try {
    destination->out->append(reinterpret_cast<const char*>(destination->buffer.data()), count);
    done = true;
  } catch (...) {
  }
  if (!done) ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
}

boolean OnFullBuffer(j_compress_ptr info) {
  // libjpeg's rule: the whole buffer is meant, whatever free_in_buffer says.
  Append(info, reinterpret_cast<Destination*>(info->dest)->buffer.size());
  StartBuffer(info);
  return TRUE;
}

void OnLastBuffer(j_compress_ptr info) {
  const auto* destination = reinterpret_cast<Destination*>(info->dest);
  Append(info, destination->buffer.size() - destination->manager.free_in_buffer);
}

bool WriteAll(jpeg_compress_struct* info, Errors* errors, const ImageU8* image, int quality,
              Destination* destination) {
  if (setjmp(errors->jump) != 0) return false;
  jpeg_create_compress(info);
  info->dest = &destination->manager;
  info->image_width = static_cast<JDIMENSION>(image->width());
  info->image_height = static_cast<JDIMENSION>(image->height());
  info->input_components = 3;
  info->in_color_space = JCS_RGB;
  jpeg_set_defaults(info);
  jpeg_set_quality(info, quality, TRUE);
  jpeg_start_compress(info, TRUE);
  while (info->next_scanline < info->image_height) {
    // libjpeg's signature; it only reads.
    JSAMPROW row = const_cast<JSAMPROW>(image->row(static_cast<int>(info->next_scanline)));
    jpeg_write_scanlines(info, &row, 1);
  }
  jpeg_finish_compress(info);
  return true;
}

}  // namespace

void CmykToRgb(const uint8_t* cmyk, int width, bool inverted, uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const unsigned flip = inverted ? 255 : 0;
    const unsigned paper = 255 - (cmyk[3] ^ flip);
    for (int c = 0; c < 3; ++c) {
      // Pillow: what the black ink leaves, less the share that the coloured ink takes of it.
      const unsigned product = (cmyk[c] ^ flip) * paper + 128;
      rgb[c] = static_cast<uint8_t>(paper - ((product + (product >> 8)) >> 8));
    }
  }
}

ImageHeader JpegHeader(std::span<const uint8_t> bytes, const std::string& name) {
  const Reader reader(bytes, name);
  reader.CheckSize();
  ImageHeader header;
  header.height = static_cast<int>(reader.height());
  header.width = static_cast<int>(reader.width());
  header.channels = reader.components();
  if (SwapsSides(reader.Orientation())) std::swap(header.height, header.width);
  return header;
}

ImageU8 DecodeJpeg(std::span<const uint8_t> bytes, const std::string& name) {
  return Reader(bytes, name).ReadPixels();
}

std::string EncodeJpeg(const ImageU8& rgb, int quality, const std::string& name) {
  ENSURE(!rgb.empty() && rgb.channels() == 3 && quality >= 1 && quality <= 100,
         "{}: JPEG of {}x{}x{}, quality {}", name, rgb.height(), rgb.width(), rgb.channels(),
         quality);
  Errors errors;
  jpeg_compress_struct info = {};
  info.err = SetUp(&errors);
  info.client_data = &errors;
  std::string out;
  Destination destination;
  destination.manager.init_destination = StartBuffer;
  destination.manager.empty_output_buffer = OnFullBuffer;
  destination.manager.term_destination = OnLastBuffer;
  destination.out = &out;
  const bool done = WriteAll(&info, &errors, &rgb, quality, &destination);
  jpeg_destroy_compress(&info);
  if (!done && errors.manager.msg_code == JERR_OUT_OF_MEMORY) throw OutOfMemory(name);
  if (!done) Fail("{}: cannot encode JPEG: {}", name, errors.text.data());
  return out;
}

}  // namespace i2crc::internal
