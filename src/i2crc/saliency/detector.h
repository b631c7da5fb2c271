// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/data/detector_presets.h"

namespace i2crc {

// A photograph as a detector takes it, f32 [3, height, width]: resized without keeping its shape
// (ResizeOpenCvBilinear on 8 bit: no antialiasing), then normalised. A black photograph stays 0
// before mean and standard deviation.
std::vector<float> DetectorInput(const ImageU8& rgb, int height, int width,
                                 const DetectorPreset& preset);

// A detector's output [rows, columns] as an 8-bit map of the photograph's size: stretched so that
// its smallest value is 0 and its largest 1, resized as float (ResizeOpenCvBilinear), times 255,
// rounded to nearest. An output that is the same everywhere shows nothing salient and gives 0.
// Throws Error "name: cause" where a value is not finite.
ImageU8 SaliencyFromOutput(std::span<const float> output, int rows, int columns, int height,
                           int width, const std::string& name);

struct DetectorOptions {
  std::filesystem::path model;
  std::string preset = "u2net";
  int input_size = 0;  // side of the square input; 0: the model's, or the preset's
  int threads = 1;     // of OpenCV, in the whole process
};

// A salient object detector given as ONNX, run by OpenCV's dnn on the CPU. The first of its outputs
// is the map.
class SaliencyDetector {
 public:
  // Loads the model and tries it once. Throws Error "MODEL: cause" where the file is missing or no
  // ONNX, OpenCV cannot run it, or it does not make a map [1, 1, rows, columns] from one photograph
  // [1, 3, height, width].
  explicit SaliencyDetector(const DetectorOptions& options);
  // The same for the contents of a file; options.model is its name in messages.
  SaliencyDetector(const DetectorOptions& options, std::string file_bytes);
  ~SaliencyDetector();
  SaliencyDetector(SaliencyDetector&&) noexcept;
  SaliencyDetector& operator=(SaliencyDetector&&) noexcept;

  int input_height() const;
  int input_width() const;

  // DetectorInput for this detector. Safe to call from several threads.
  std::vector<float> Input(const ImageU8& rgb) const;

  // The map of a photograph of height × width, from its Input(). One call at a time. Throws Error
  // "name: cause" where the network fails on it.
  ImageU8 Detect(const std::vector<float>& input, int height, int width, const std::string& name);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace i2crc
