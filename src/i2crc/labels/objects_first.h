// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "i2crc/core/image.h"

namespace i2crc {

// A mask decided by two questions: where is an object, of whatever class, and whose is it.
//
// One argmax over background and all classes favours background wherever it is not known whose an
// object is: of background 0.4, cat 0.3, dog 0.3 background wins, though more speaks for an object
// than against it. The dense CRF, whose labels compete one by one, has the same leaning.
//
// probabilities: [1 + classes, H, W], background first, summing to 1 at every pixel; `pixels` is
// H · W. Error (InternalError) where the sizes do not fit.

// [2, H, W]: background, and all classes together.
std::vector<float> ObjectOrNot(std::span<const float> probabilities, size_t pixels);

// [classes, H, W], summing to 1: whose the pixel would be if it were an object's. The less speaks
// for an object, the more alike they are: in a CRF a pixel of background has no say in names.
std::vector<float> OwnersOfObjects(std::span<const float> probabilities, size_t pixels);

// The probabilities that `object` [2, H, W] and `owners` [classes, H, W] amount to.
std::vector<float> ObjectTimesOwners(std::span<const float> object, std::span<const float> owners,
                                     size_t pixels);

// Background where nothing is more probable than an object of any of `classes` (from 0, of label 1,
// 2, …), else the likeliest of them; 255 where that label is less probable than min_certain.
ImageU8 DecideObjectsFirst(std::span<const float> probabilities, std::span<const int> classes,
                           int height, int width, double min_certain);

}  // namespace i2crc
