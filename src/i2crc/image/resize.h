// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "i2crc/core/image.h"

namespace i2crc {

// Resizes that give the values of the libraries which the method was published with (ALGORITHM.md,
// "Arithmetic of the libraries"). Any number of channels unless said otherwise; target sides ≥ 1,
// source not empty.

// Pillow's BILINEAR: antialiased when shrinking, 8 bit, horizontal pass first, rounded in between.
ImageU8 ResizePillowBilinear(const ImageU8& image, int height, int width);

// Pillow's NEAREST: accumulated coordinates in double.
ImageU8 ResizePillowNearest(const ImageU8& image, int height, int width);

// OpenCV's INTER_NEAREST.
ImageU8 ResizeOpenCvNearest(const ImageU8& image, int height, int width);

// OpenCV's INTER_LINEAR on float: no antialiasing, half-pixel centres, edges clamped.
ImageF32 ResizeOpenCvBilinear(const ImageF32& image, int height, int width);

// OpenCV's INTER_LINEAR on 8 bit: the same places, fixed point with 11 bits, cut to 4 bits of
// fraction between the two passes and to 2 in each row's share.
ImageU8 ResizeOpenCvBilinear(const ImageU8& image, int height, int width);

// OpenCV's INTER_CUBIC on 8 bit: fixed point with 11 bits, A = −0.75.
ImageU8 ResizeOpenCvCubic(const ImageU8& image, int height, int width);

}  // namespace i2crc
