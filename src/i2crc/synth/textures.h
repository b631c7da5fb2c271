// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "i2crc/core/random.h"

namespace i2crc::synth {

// Procedural surfaces. Coordinates are scene units (a scene is kSceneUnits wide and high whatever
// its pixels), colours RGB 0…255 in float. Only +, −, ·, /, floor and sqrt are used, all of which
// IEEE 754 rounds exactly, so that the same seed draws the same scene with every standard library.

inline constexpr float kSceneUnits = 160.0F;

struct Point {
  float x = 0;
  float y = 0;
};

struct Colour {
  float r = 0;
  float g = 0;
  float b = 0;
};

// from at t = 0, to at t = 1.
Colour Mix(const Colour& from, const Colour& to, float t);
Colour Scaled(const Colour& colour, float factor);

// 32 random bits for a lattice point.
uint32_t LatticeHash(int32_t x, int32_t y, uint32_t key);
// Smooth value noise over the integer lattice, 0…1, mean ½.
float Noise(float x, float y, uint32_t key);
// Octaves of Noise, each twice as fine and half as strong, 0…1, mean ½.
float FractalNoise(float x, float y, uint32_t key, int octaves);
// 0 → 1 over the unit interval around the edge, linear: a border one footprint wide.
float Ramp(float distance, float footprint);

// The ground of a scene: irregular noise, no regular pattern at the bodies' contrast.
enum class Ground { kMeadow, kSand, kWater, kCobbles, kLitter, kSnow };
inline constexpr int kGrounds = 6;

class GroundTexture {
 public:
  GroundTexture(Ground ground, Random random);
  Colour At(float x, float y) const;
  // A tone for things that lie about on this ground.
  Colour ClutterColour(float tone) const;

 private:
  Ground ground_;
  uint32_t key_;
  Colour tint_;
};

// The hide of an animal, regular and of high contrast; several classes wear the same.
enum class Hide { kSpots, kStripes, kScales };

class HideTexture {
 public:
  // grain: size of the pattern's elements, 1 for a middling animal.
  HideTexture(Hide hide, float grain, Random random);
  // x, y: in the animal's own frame. footprint: width of a pixel in the same units.
  Colour At(float x, float y, float footprint) const;

 private:
  Hide hide_;
  float grain_;
  uint32_t key_;
  Colour base_;
  Colour mark_;
};

// The head of a class: two colours in a pattern. This alone tells the class.
enum class HeadPattern { kStripes, kDots, kChecks, kRings, kWedges, kChevrons };

struct HeadStyle {
  HeadPattern pattern;
  Colour base;
  Colour mark;
};

// u, v: in the head's frame, its radius is 1; footprint as above in these units.
Colour HeadColour(const HeadStyle& style, float u, float v, float footprint);

}  // namespace i2crc::synth
