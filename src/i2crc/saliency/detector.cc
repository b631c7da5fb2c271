// SPDX-License-Identifier: Apache-2.0
#include "i2crc/saliency/detector.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/image/resize.h"
#include "i2crc/options/quote.h"
#include "i2crc/saliency/onnx_summary.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

constexpr int kMaxInputSide = 4096;

int Mute(int, const char*, const char*, const char*, int, void*) { return 0; }

// OpenCV tells of failures on stderr before it throws them; what it throws is enough.
void SilenceOpenCv() {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  cv::redirectError(Mute);
}

// What OpenCV says, as part of one line, without the > that it begins continued lines with.
std::string OneLine(const std::string& text) {
  constexpr size_t kMost = 300;
  std::string line;
  for (const char c : text) {
    const bool is_space = static_cast<unsigned char>(c) <= ' ' || (c == '>' && line.empty());
    if (is_space && (line.empty() || line.back() == ' ')) continue;
    line += is_space ? ' ' : c;
  }
  while (!line.empty() && (line.back() == ' ' || line.back() == '>')) line.pop_back();
  return line.size() > kMost ? line.substr(0, kMost) + "…" : line;
}

// Runs work; what OpenCV throws becomes Error "name: what: …".
template <typename Work>
auto WithOpenCv(const std::string& name, const char* what, Work&& work) {
  try {
    return work();
  } catch (const cv::Exception& error) {
    Fail("{}: {}: {}", name, what, OneLine(error.err.empty() ? error.what() : error.err));
  } catch (const std::bad_alloc&) {
    Fail("{}: {}: out of memory", name, what);
  } catch (const std::length_error& error) {
    Fail("{}: {}: {}", name, what, OneLine(error.what()));
  } catch (const std::out_of_range& error) {
    Fail("{}: {}: {}", name, what, OneLine(error.what()));
  }
}

[[noreturn]] void FailInput(const std::string& file, const OnnxValue& input) {
  Fail(
      "{}: no saliency detector: its input {} is {}{}, not a photograph [1, 3, height, width] of "
      "32-bit floats",
      file, Quoted(input.name),
      input.shape.empty() ? "of no stated shape" : OnnxShapeText(input.shape),
      input.element_type == kOnnxFloat ? "" : fmt::format(" of ONNX type {}", input.element_type));
}

// Height and width that the detector is given.
std::array<int, 2> InputSides(const OnnxSummary& summary, const DetectorOptions& options,
                              const DetectorPreset& preset) {
  const std::string file = options.model.string();
  if (summary.inputs.size() != 1) {
    std::vector<std::string> names;
    for (const OnnxValue& input : summary.inputs) names.push_back(Quoted(input.name));
    Fail("{}: no saliency detector: it has {} inputs ({}), not one photograph", file,
         summary.inputs.size(), fmt::join(names, ", "));
  }
  const OnnxValue& input = summary.inputs[0];
  const auto& shape = input.shape;
  const auto is_or_open = [&](size_t i, int64_t side) { return shape[i] == side || shape[i] < 0; };
  if (input.element_type != kOnnxFloat || shape.size() != 4 || !is_or_open(0, 1) ||
      !is_or_open(1, 3) || shape[2] > kMaxInputSide || shape[3] > kMaxInputSide)
    FailInput(file, input);

  std::array<int, 2> sides = {static_cast<int>(shape[2]), static_cast<int>(shape[3])};
  for (int& side : sides) {
    if (side > 0 && options.input_size > 0 && side != options.input_size)
      Fail("{}: the detector takes {}x{} (width x height) alone; --input-size {} does not fit",
           file, shape[3] < 0 ? "any" : std::to_string(shape[3]),
           shape[2] < 0 ? "any" : std::to_string(shape[2]), options.input_size);
    if (side <= 0) side = options.input_size > 0 ? options.input_size : preset.side;
    if (side <= 0) Fail("{}: the detector leaves its input's size open; give --input-size", file);
  }
  return sides;
}

// Whether an output of this shape is one map.
bool IsMap(const std::vector<int64_t>& shape) {
  if (shape.size() < 3) return false;
  return std::all_of(shape.begin(), shape.end() - 2, [](int64_t side) { return side == 1; }) &&
         shape[shape.size() - 2] > 1 && shape.back() > 1;
}

}  // namespace

std::vector<float> DetectorInput(const ImageU8& rgb, int height, int width,
                                 const DetectorPreset& preset) {
  ENSURE(!rgb.empty() && rgb.channels() == 3, "a detector takes RGB");
  ENSURE(height > 0 && width > 0, "input of {}x{}", width, height);
  const ImageU8 resized = ResizeOpenCvBilinear(rgb, height, width);
  const size_t plane = resized.pixels();
  const std::vector<uint8_t>& pixels = resized.values();
  const int maximum = *std::max_element(pixels.begin(), pixels.end());
  const double divisor = preset.divide_by_maximum ? std::max(1, maximum) : 255;

  std::vector<float> planes(3 * plane);
  for (size_t c = 0; c < 3; ++c) {
    std::array<float, 256> normalised;
    for (size_t value = 0; value < 256; ++value)
      normalised[value] = static_cast<float>(
          (static_cast<double>(value) / divisor - preset.mean[c]) / preset.standard_deviation[c]);
    for (size_t i = 0; i < plane; ++i) planes[c * plane + i] = normalised[pixels[3 * i + c]];
  }
  return planes;
}

ImageU8 SaliencyFromOutput(std::span<const float> output, int rows, int columns, int height,
                           int width, const std::string& name) {
  ENSURE(rows > 0 && columns > 0 && height > 0 && width > 0, "sides of a saliency map");
  ENSURE(output.size() == static_cast<size_t>(rows) * static_cast<size_t>(columns),
         "{} values are not {}x{}", output.size(), columns, rows);
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const float value : output) {
    if (!std::isfinite(value)) Fail("{}: the detector's output is not finite", name);
    low = std::min<double>(low, value);
    high = std::max<double>(high, value);
  }
  ImageU8 map(height, width, 1);
  if (low == high) return map;

  ImageF32 stretched(rows, columns, 1);
  for (size_t i = 0; i < output.size(); ++i)
    stretched.values()[i] = static_cast<float>((output[i] - low) / (high - low));
  const ImageF32 enlarged = ResizeOpenCvBilinear(stretched, height, width);
  std::transform(enlarged.values().begin(), enlarged.values().end(), map.values().begin(),
                 [](float value) {
                   return static_cast<uint8_t>(std::clamp(std::nearbyint(value * 255), 0.F, 255.F));
                 });
  return map;
}

struct SaliencyDetector::Impl {
  const DetectorPreset* preset = nullptr;
  std::string file;
  std::string output_name;
  int height = 0;
  int width = 0;
  cv::dnn::Net net;

  // The first output and its shape.
  cv::Mat Forward(const std::vector<float>& input, std::vector<int64_t>& shape) {
    ENSURE(input.size() == size_t{3} * static_cast<size_t>(height) * static_cast<size_t>(width),
           "input of {} values for {}x{}", input.size(), width, height);
    const std::array<int, 4> sides = {1, 3, height, width};
    net.setInput(cv::Mat(4, sides.data(), CV_32F, const_cast<float*>(input.data())));
    cv::Mat output = net.forward(output_name);
    shape.assign(output.size.p, output.size.p + output.dims);
    return output;
  }

  void TryOnce() {
    std::vector<int64_t> shape;
    const cv::Mat output = WithOpenCv(file, "OpenCV cannot run this network", [&] {
      return Forward(DetectorInput(ImageU8(2, 2, 3, 128), height, width, *preset), shape);
    });
    if (!IsMap(shape) || output.type() != CV_32F)
      Fail(
          "{}: no saliency detector: its output {} is {}, not a map [1, 1, rows, columns] of "
          "32-bit floats",
          file, Quoted(output_name), OnnxShapeText(shape));
  }
};

// protobuf's own limit is 2 GiB.
SaliencyDetector::SaliencyDetector(const DetectorOptions& options)
    : SaliencyDetector(options, ReadWholeFile(options.model, (size_t{1} << 31) - 1)) {}

SaliencyDetector::SaliencyDetector(const DetectorOptions& options, std::string file_bytes)
    : impl_(std::make_unique<Impl>()) {
  impl_->preset = &FindDetectorPreset(options.preset);
  impl_->file = options.model.string();
  SilenceOpenCv();
  cv::setNumThreads(std::max(1, options.threads));

  auto checked = WithMemoryFor(
      impl_->file, [&] { return std::make_unique<CheckedOnnx>(file_bytes, impl_->file); });
  const auto [height, width] = InputSides(checked->summary(), options, *impl_->preset);
  checked->SetInputShape(std::array<int64_t, 4>{1, 3, height, width});
  impl_->height = height;
  impl_->width = width;
  impl_->output_name = checked->summary().outputs[0].name;
  // OpenCV makes copies of its own: these are given back before.
  file_bytes = checked->Model();
  checked.reset();
  impl_->net = WithOpenCv(impl_->file, "OpenCV cannot load this network", [&] {
    cv::dnn::Net net = cv::dnn::readNetFromONNX(file_bytes.data(), file_bytes.size());
    net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    net.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
    return net;
  });
  impl_->TryOnce();
}

SaliencyDetector::~SaliencyDetector() = default;
SaliencyDetector::SaliencyDetector(SaliencyDetector&&) noexcept = default;
SaliencyDetector& SaliencyDetector::operator=(SaliencyDetector&&) noexcept = default;

int SaliencyDetector::input_height() const { return impl_->height; }
int SaliencyDetector::input_width() const { return impl_->width; }

std::vector<float> SaliencyDetector::Input(const ImageU8& rgb) const {
  return DetectorInput(rgb, impl_->height, impl_->width, *impl_->preset);
}

ImageU8 SaliencyDetector::Detect(const std::vector<float>& input, int height, int width,
                                 const std::string& name) {
  return WithOpenCv(name, "OpenCV cannot run the detector", [&] {
    std::vector<int64_t> shape;
    const cv::Mat output = impl_->Forward(input, shape);
    ENSURE(IsMap(shape) && output.isContinuous(), "the output is now {}", OnnxShapeText(shape));
    return SaliencyFromOutput({output.ptr<float>(), output.total()},
                              static_cast<int>(shape[shape.size() - 2]),
                              static_cast<int>(shape.back()), height, width, name);
  });
}

}  // namespace i2crc
