// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "i2crc/core/random.h"
#include "i2crc/synth/textures.h"

namespace i2crc::synth {

// The objects of the scenes: invented animals. Class k and its partner k ^ 1 wear the same hide,
// stand in the same poses and differ in their heads alone.

inline constexpr int kClasses = 6;

struct Species {
  const char* name;
  HeadStyle head;
  Hide hide;
  Ground home;  // where it is met more often than elsewhere
};

const Species& SpeciesOf(int species);

// A round-ended bar in the animal's own frame: x forward, y down, origin in the middle of the body.
struct Bar {
  Point from;
  Point to;
  float radius = 0;
};

// Everything about an animal but its class, which only decides its head's pattern and, with its
// partner, its hide.
struct Animal {
  int species = 0;
  Point centre;         // scene units
  Point forward{1, 0};  // unit vector towards the head, in the scene
  Point down{0, 1};     // unit vector towards the feet
  float length = 0;     // half-axes of the body
  float height = 0;
  float squareness = 0;    // 0 ellipse … 1 superellipse of degree 4
  float bend = 0;          // the back's curve: y += bend·x²/length
  float taper = 0;         // height grows by this share towards the head
  std::vector<Bar> limbs;  // neck, legs, tail: united with the body
  Point head;              // in the animal's frame
  float head_radius = 0;
  Point head_tilt{1, 0};    // unit vector of the pattern's u axis in the animal's frame
  std::array<Bar, 2> ears;  // belong to the head
  float hide_grain = 1;
  uint64_t key = 0;  // of the hide's randomness
};

// An animal whose body has about the area of a circle of radius `girth`, at the given centre. Pose
// and shape do not depend on the class.
Animal DrawAnimal(int species, float girth, Point centre, Random random);

// How much of each pixel the animal covers, over its own bounding box, which may reach over the
// border.
struct Stencil {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
  std::vector<float> body;  // hide: body and limbs, 0…1
  std::vector<float> head;  // lies over the body

  size_t At(int y, int x) const {
    return static_cast<size_t>(y - top) * static_cast<size_t>(width) +
           static_cast<size_t>(x - left);
  }
  // Body and head together.
  float Whole(size_t i) const { return 1.0F - (1.0F - body[i]) * (1.0F - head[i]); }
};

// size: pixels along a side of the scene.
Stencil CutStencil(const Animal& animal, int size);

// The colours of an animal at a point of the scene (scene units; footprint: a pixel's width in
// them), shading included.
class Coat {
 public:
  explicit Coat(const Animal& animal);
  Colour Body(Point scene, float footprint) const;
  Colour Head(Point scene, float footprint) const;

 private:
  const Animal& animal_;
  HideTexture hide_;
};

}  // namespace i2crc::synth
