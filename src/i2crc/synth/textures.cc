// SPDX-License-Identifier: Apache-2.0
#include "i2crc/synth/textures.h"

#include <algorithm>
#include <cmath>

namespace i2crc::synth {
namespace {

float Fade(float t) { return t * t * (3.0F - 2.0F * t); }

float Fraction(float x) { return x - std::floor(x); }

// Period 1, 0…1…0, smooth: a sine without libm.
float Wave(float x) {
  const float t = Fraction(x);
  return Fade(1.0F - std::abs(2.0F * t - 1.0F));
}

// Distance to the nearest line of a grating of period 1 whose bright half is centred on ½: positive
// inside it.
float Grating(float x) { return 0.25F - std::abs(Fraction(x) - 0.5F); }

float ToUnit(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1.0p-24F; }

struct Cell {
  float nearest;  // distance to the nearest point
  float second;
  uint32_t hash;  // of the nearest point's cell
};

// Points scattered one a lattice cell (Worley 1996); distances in cells.
Cell NearestPoints(float x, float y, uint32_t key, float scatter) {
  const auto cx = static_cast<int32_t>(std::floor(x));
  const auto cy = static_cast<int32_t>(std::floor(y));
  Cell cell{9, 9, 0};
  for (int32_t j = cy - 1; j <= cy + 1; ++j) {
    for (int32_t i = cx - 1; i <= cx + 1; ++i) {
      const uint32_t hash = LatticeHash(i, j, key);
      const float px = static_cast<float>(i) + 0.5F + scatter * (ToUnit(hash << 16) - 0.5F);
      const float py = static_cast<float>(j) + 0.5F + scatter * (ToUnit(hash) - 0.5F);
      const float squared = (px - x) * (px - x) + (py - y) * (py - y);
      if (squared < cell.nearest) {
        cell.second = cell.nearest;
        cell.nearest = squared;
        cell.hash = hash;
      } else if (squared < cell.second) {
        cell.second = squared;
      }
    }
  }
  cell.nearest = std::sqrt(cell.nearest);
  cell.second = std::sqrt(cell.second);
  return cell;
}

Colour Meadow(float x, float y, uint32_t key) {
  const float blades = Noise(x * 0.55F, y * 0.16F, key);
  const float fine = Noise(x * 0.9F, y * 0.4F, key + 1);
  const float patches = FractalNoise(x * 0.03F, y * 0.03F, key + 2, 2);
  const Colour ground = Mix({74, 112, 44}, {150, 160, 76}, patches);
  return Scaled(ground, 0.66F + 0.4F * blades + 0.26F * fine);
}

Colour Sand(float x, float y, uint32_t key) {
  const float bend = FractalNoise(x * 0.025F, y * 0.025F, key, 2);
  const float ripple = Wave(y / 11.0F + 2.5F * bend);
  const float grain = Noise(x * 0.9F, y * 0.9F, key + 1);
  return Scaled(Mix({188, 160, 112}, {222, 200, 152}, bend),
                0.82F + 0.14F * ripple + 0.14F * grain);
}

Colour Water(float x, float y, uint32_t key) {
  const float swell = FractalNoise(x * 0.02F, y * 0.06F, key, 2);
  const float chop = FractalNoise(x * 0.07F, y * 0.22F, key + 1, 2);
  const float crest = 1.0F - std::abs(2.0F * chop - 1.0F);
  const Colour deep = Mix({34, 78, 112}, {70, 128, 150}, swell);
  return Mix(deep, {196, 216, 220}, 0.55F * crest * crest * crest * crest);
}

Colour Cobbles(float x, float y, uint32_t key) {
  const Cell cell = NearestPoints(x / 13.0F, y / 11.0F, key, 0.7F);
  const float joint = std::clamp((cell.second - cell.nearest) * 4.0F, 0.0F, 1.0F);
  const float tone = 0.75F + 0.35F * ToUnit(cell.hash * 2654435761U);
  const float grain = FractalNoise(x * 0.3F, y * 0.3F, key + 1, 2);
  return Scaled(Mix({66, 62, 58}, {140, 134, 130}, joint), tone * (0.82F + 0.36F * grain));
}

Colour Litter(float x, float y, uint32_t key) {
  const float leaves = FractalNoise(x * 0.13F, y * 0.13F, key, 3);
  const float shade = FractalNoise(x * 0.03F, y * 0.012F, key + 1, 2);
  const float sharp = Fade(std::clamp((leaves - 0.3F) * 2.5F, 0.0F, 1.0F));
  return Scaled(Mix({52, 38, 26}, {146, 96, 54}, sharp), 0.55F + 0.8F * shade);
}

Colour Snow(float x, float y, uint32_t key) {
  const float drift = FractalNoise(x * 0.022F, y * 0.04F, key, 3);
  const float grain = Noise(x * 0.7F, y * 0.7F, key + 1);
  return Scaled(Mix({158, 174, 200}, {240, 242, 244}, Fade(drift)), 0.93F + 0.09F * grain);
}

Colour Jittered(const Colour& colour, double amount, Random& random) {
  const double gain = random.Uniform(1.0 - amount, 1.0 + amount);
  const auto channel = [&](float value) {
    return value * static_cast<float>(gain * random.Uniform(1.0 - amount / 2, 1.0 + amount / 2));
  };
  Colour jittered;
  jittered.r = channel(colour.r);
  jittered.g = channel(colour.g);
  jittered.b = channel(colour.b);
  return jittered;
}

struct HideColours {
  Colour base;
  Colour mark;
};

HideColours ColoursOf(Hide hide) {
  switch (hide) {
    case Hide::kSpots:
      return {{214, 164, 92}, {66, 40, 26}};
    case Hide::kStripes:
      return {{228, 222, 206}, {44, 42, 48}};
    case Hide::kScales:
      return {{88, 112, 116}, {168, 190, 182}};
  }
  return {};
}

}  // namespace

Colour Mix(const Colour& from, const Colour& to, float t) {
  return {from.r + (to.r - from.r) * t, from.g + (to.g - from.g) * t, from.b + (to.b - from.b) * t};
}

Colour Scaled(const Colour& colour, float factor) {
  return {colour.r * factor, colour.g * factor, colour.b * factor};
}

uint32_t LatticeHash(int32_t x, int32_t y, uint32_t key) {
  // Two rounds of a 32-bit mixer with low bias (Wellons' "lowbias32"), one a coordinate.
  const auto mix = [](uint32_t h) {
    h ^= h >> 16;
    h *= 0x7feb352dU;
    h ^= h >> 15;
    h *= 0x846ca68bU;
    return h ^ (h >> 16);
  };
  return mix(static_cast<uint32_t>(y) + mix(static_cast<uint32_t>(x) + key * 0x9e3779b9U));
}

float Noise(float x, float y, uint32_t key) {
  const float fx = std::floor(x);
  const float fy = std::floor(y);
  const auto ix = static_cast<int32_t>(fx);
  const auto iy = static_cast<int32_t>(fy);
  const float tx = Fade(x - fx);
  const float ty = Fade(y - fy);
  const float a = ToUnit(LatticeHash(ix, iy, key));
  const float b = ToUnit(LatticeHash(ix + 1, iy, key));
  const float c = ToUnit(LatticeHash(ix, iy + 1, key));
  const float d = ToUnit(LatticeHash(ix + 1, iy + 1, key));
  const float top = a + (b - a) * tx;
  const float bottom = c + (d - c) * tx;
  return top + (bottom - top) * ty;
}

float FractalNoise(float x, float y, uint32_t key, int octaves) {
  float sum = 0;
  float weight = 1;
  float total = 0;
  for (int i = 0; i < octaves; ++i) {
    sum += weight * Noise(x, y, key + 0x51ed27U * static_cast<uint32_t>(i + 1));
    total += weight;
    weight *= 0.5F;
    x = 2.0F * x + 17.3F;
    y = 2.0F * y + 31.7F;
  }
  return sum / total;
}

float Ramp(float distance, float footprint) {
  return std::clamp(0.5F + distance / footprint, 0.0F, 1.0F);
}

GroundTexture::GroundTexture(Ground ground, Random random)
    : ground_(ground),
      key_(static_cast<uint32_t>(random.Next())),
      tint_(Jittered({1, 1, 1}, 0.1, random)) {}

Colour GroundTexture::At(float x, float y) const {
  Colour colour;
  switch (ground_) {
    case Ground::kMeadow:
      colour = Meadow(x, y, key_);
      break;
    case Ground::kSand:
      colour = Sand(x, y, key_);
      break;
    case Ground::kWater:
      colour = Water(x, y, key_);
      break;
    case Ground::kCobbles:
      colour = Cobbles(x, y, key_);
      break;
    case Ground::kLitter:
      colour = Litter(x, y, key_);
      break;
    case Ground::kSnow:
      colour = Snow(x, y, key_);
      break;
  }
  return {colour.r * tint_.r, colour.g * tint_.g, colour.b * tint_.b};
}

Colour GroundTexture::ClutterColour(float tone) const {
  const Colour here = At(13.0F + 90.0F * tone, 71.0F - 40.0F * tone);
  return Scaled(here, 0.45F + 0.95F * tone);
}

HideTexture::HideTexture(Hide hide, float grain, Random random)
    : hide_(hide), grain_(grain), key_(static_cast<uint32_t>(random.Next())) {
  const HideColours colours = ColoursOf(hide);
  base_ = Jittered(colours.base, 0.12, random);
  mark_ = Jittered(colours.mark, 0.12, random);
}

Colour HideTexture::At(float x, float y, float footprint) const {
  x /= grain_;
  y /= grain_;
  footprint /= grain_;
  switch (hide_) {
    case Hide::kSpots: {
      constexpr float kPitch = 7.0F;
      const Cell cell = NearestPoints(x / kPitch, y / kPitch, key_, 0.45F);
      return Mix(base_, mark_, Ramp(2.2F - cell.nearest * kPitch, footprint));
    }
    case Hide::kStripes: {
      constexpr float kPeriod = 8.0F;
      const float bend = 5.0F * Noise(x * 0.06F, y * 0.1F, key_);
      return Mix(base_, mark_, Ramp(Grating((x + bend) / kPeriod) * kPeriod, footprint));
    }
    case Hide::kScales: {
      constexpr float kPeriod = 8.5F;
      const float across = Grating((x + y) / kPeriod) * kPeriod * 0.7F;
      const float along = Grating((x - y) / kPeriod) * kPeriod * 0.7F;
      const float in_across = Ramp(across, footprint);
      const float in_along = Ramp(along, footprint);
      return Mix(base_, mark_, in_across + in_along - 2.0F * in_across * in_along);
    }
  }
  return {};
}

Colour HeadColour(const HeadStyle& style, float u, float v, float footprint) {
  float mark = 0;
  switch (style.pattern) {
    case HeadPattern::kStripes:
      mark = Ramp(Grating(v / 0.8F) * 0.8F, footprint);
      break;
    case HeadPattern::kDots: {
      const float du = Fraction(u / 0.8F) - 0.5F;
      const float dv = Fraction(v / 0.8F) - 0.5F;
      mark = Ramp(0.27F - 0.8F * std::sqrt(du * du + dv * dv), footprint);
      break;
    }
    case HeadPattern::kChecks: {
      const float across = Ramp(Grating(u / 1.1F) * 1.1F, footprint);
      const float along = Ramp(Grating(v / 1.1F) * 1.1F, footprint);
      mark = across + along - 2.0F * across * along;
      break;
    }
    case HeadPattern::kRings:
      mark = Ramp(Grating(std::sqrt(u * u + v * v) / 0.8F) * 0.8F, footprint);
      break;
    case HeadPattern::kWedges: {
      // Eight sectors, alternately coloured: the sign of uv(u² − v²).
      const float radius = std::sqrt(u * u + v * v) + 1e-3F;
      const float sectors = u * v * (u * u - v * v) / (radius * radius * radius);
      mark = Ramp(sectors, footprint);
      break;
    }
    case HeadPattern::kChevrons:
      mark = Ramp(Grating((u + std::abs(v)) / 0.9F) * 0.6F, footprint);
      break;
  }
  return Mix(style.base, style.mark, mark);
}

}  // namespace i2crc::synth
