// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "i2crc/core/image.h"
#include "i2crc/synth/animal.h"
#include "i2crc/synth/textures.h"

namespace i2crc {

// What all scenes of a dataset have in common.
struct SceneStyle {
  int size = 160;  // pixels along a side, 32 … 1024
  double ground_bias =
      0.6;  // probability that a scene lies on the home ground of its leading class, 0 … 1
  double saliency_miss = 0.05;  // probability that the saliency detector misses an object, 0 … 1
};

struct Scene {
  ImageU8 rgb;
  ImageU8 mask;      // 0 background, k + 1 class k
  ImageU8 saliency;  // the degraded truth
  ImageU8 heads;     // share of each pixel that heads cover, 0 … 255, rounded up
  std::vector<int>
      tags;  // ascending; exactly the classes in the mask, each with at least 1 % of its pixels
};

namespace synth {

// A flat thing on the ground: a distractor in a head's colour, somewhat dulled and without a
// pattern, or clutter in the ground's own.
struct Thing {
  enum class Shape { kDisc, kSquare, kTriangle, kTwig } shape = Shape::kDisc;
  Point centre;
  Point axis{1, 0};  // unit vector
  float radius = 0;
  Colour colour;
};

// Everything that is decided before the first pixel is drawn.
struct ScenePlan {
  Ground ground = Ground::kMeadow;
  std::vector<Thing> clutter;
  std::vector<Thing> distractors;
  std::vector<Animal> animals;  // from the farthest to the nearest
  Point light;                  // the illumination's gradient: relative change over the scene
  float exposure = 1;
  float noise = 0;   // standard deviation, of 255
  uint64_t key = 0;  // of textures, noise and saliency
};

// Of scenes 2j and 2j + 1 one has one tag and the other two or three; leading classes take turns.
ScenePlan PlanScene(const SceneStyle& style, uint64_t seed, int64_t index);
Scene RenderScene(const SceneStyle& style, const ScenePlan& plan);

// What is visible of each animal of the plan, one channel, 0…1.
std::vector<ImageF32> VisibleParts(const std::vector<Stencil>& stencils, int size);

}  // namespace synth

// The names of the classes, ["dorro", …]; class k and its partner k ^ 1 differ in their heads
// alone.
std::vector<std::string> SceneClassNames();

// One scene, decided by its arguments alone. style within its ranges, index ≥ 0 (ENSURE).
Scene DrawScene(const SceneStyle& style, uint64_t seed, int64_t index);

}  // namespace i2crc
