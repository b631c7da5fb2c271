// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "i2crc/synth/saliency_faults.h"
#include "i2crc/synth/scene.h"

namespace i2crc::synth {
namespace {

// Which of a scene's own streams.
enum Purpose : uint64_t { kGroundKey, kNoiseKey, kSaliencyKey };

struct Canvas {
  ImageF32 rgb;
  ImageF32 heads;
  float units_per_pixel;

  int size() const { return rgb.height(); }
  Point SceneAt(int y, int x) const {
    return {(static_cast<float>(x) + 0.5F) * units_per_pixel,
            (static_cast<float>(y) + 0.5F) * units_per_pixel};
  }
  Colour Get(int y, int x) const { return {rgb.at(y, x, 0), rgb.at(y, x, 1), rgb.at(y, x, 2)}; }
  void Set(int y, int x, const Colour& colour) {
    rgb.at(y, x, 0) = colour.r;
    rgb.at(y, x, 1) = colour.g;
    rgb.at(y, x, 2) = colour.b;
  }
};

void DrawGround(const GroundTexture& ground, Canvas& canvas) {
  for (int y = 0; y < canvas.size(); ++y) {
    for (int x = 0; x < canvas.size(); ++x) {
      const Point p = canvas.SceneAt(y, x);
      canvas.Set(y, x, ground.At(p.x, p.y));
    }
  }
}

// Negative inside.
float DistanceToThing(const Thing& thing, Point p) {
  const float dx = p.x - thing.centre.x;
  const float dy = p.y - thing.centre.y;
  const float u = dx * thing.axis.x + dy * thing.axis.y;
  const float v = dy * thing.axis.x - dx * thing.axis.y;
  switch (thing.shape) {
    case Thing::Shape::kDisc:
      return std::sqrt(u * u + v * v) - thing.radius;
    case Thing::Shape::kSquare:
      return std::max(std::abs(u), std::abs(v)) - 0.88F * thing.radius;
    case Thing::Shape::kTriangle:
      // Half-planes at 120°, sides equal.
      return std::max(v, std::abs(u) * 0.8660254F - 0.5F * v) - 0.64F * thing.radius;
    case Thing::Shape::kTwig: {
      const float along = std::max(std::abs(u) - 2.2F * thing.radius, 0.0F);
      return std::sqrt(along * along + v * v) - 0.22F * thing.radius;
    }
  }
  return 0;
}

void DrawThing(const Thing& thing, Canvas& canvas) {
  const float reach = 2.6F * thing.radius + canvas.units_per_pixel;
  const auto pixel = [&](float units) {
    const int i = static_cast<int>(std::floor(units / canvas.units_per_pixel));
    return std::clamp(i, 0, canvas.size() - 1);
  };
  for (int y = pixel(thing.centre.y - reach); y <= pixel(thing.centre.y + reach); ++y) {
    for (int x = pixel(thing.centre.x - reach); x <= pixel(thing.centre.x + reach); ++x) {
      const Point p = canvas.SceneAt(y, x);
      const float cover = Ramp(-DistanceToThing(thing, p), canvas.units_per_pixel);
      if (cover <= 0) continue;
      const float light = 1.0F - 0.12F * (p.y - thing.centre.y) / thing.radius;
      canvas.Set(y, x, Mix(canvas.Get(y, x), Scaled(thing.colour, light), cover));
    }
  }
}

// A soft shadow on the ground below an animal.
void DrawShadow(const Animal& animal, Canvas& canvas) {
  const float rx = 1.15F * animal.length;
  const float ry = 0.55F * animal.height;
  const float cy = animal.centre.y + 1.25F * animal.height;
  for (int y = 0; y < canvas.size(); ++y) {
    for (int x = 0; x < canvas.size(); ++x) {
      const Point p = canvas.SceneAt(y, x);
      const float u = (p.x - animal.centre.x) / rx;
      const float v = (p.y - cy) / ry;
      const float depth = std::max(1.0F - u * u - v * v, 0.0F);
      if (depth > 0) canvas.Set(y, x, Scaled(canvas.Get(y, x), 1.0F - 0.4F * depth));
    }
  }
}

void DrawAnimal(const Animal& animal, const Stencil& stencil, Canvas& canvas) {
  const Coat coat(animal);
  const int bottom = std::min(stencil.top + stencil.height, canvas.size());
  const int right = std::min(stencil.left + stencil.width, canvas.size());
  for (int y = std::max(stencil.top, 0); y < bottom; ++y) {
    for (int x = std::max(stencil.left, 0); x < right; ++x) {
      const size_t i = stencil.At(y, x);
      const float body = stencil.body[i];
      const float head = stencil.head[i];
      if (body <= 0 && head <= 0) continue;
      const Point p = canvas.SceneAt(y, x);
      Colour colour = canvas.Get(y, x);
      if (body > 0) colour = Mix(colour, coat.Body(p, canvas.units_per_pixel), body);
      if (head > 0) colour = Mix(colour, coat.Head(p, canvas.units_per_pixel), head);
      canvas.Set(y, x, colour);
      canvas.heads.at(y, x) = canvas.heads.at(y, x) * (1.0F - stencil.Whole(i)) + head;
    }
  }
}

// Sum of four even draws of 8 bits each, scaled to standard deviation 1: near enough to normal,
// without libm.
float RoughNormal(uint32_t bits) {
  const uint32_t sum = (bits & 255U) + ((bits >> 8) & 255U) + ((bits >> 16) & 255U) + (bits >> 24);
  return (static_cast<float>(sum) - 510.0F) / 147.8F;
}

ImageU8 Expose(const Canvas& canvas, const ScenePlan& plan) {
  const int size = canvas.size();
  const auto key = static_cast<uint32_t>(Random({plan.key, kNoiseKey}).Next());
  ImageU8 rgb(size, size, 3);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const Point p = canvas.SceneAt(y, x);
      const float light = plan.exposure * (1.0F + plan.light.x * (p.x / kSceneUnits - 0.5F) * 2.0F +
                                           plan.light.y * (p.y / kSceneUnits - 0.5F) * 2.0F);
      for (int c = 0; c < 3; ++c) {
        const float noise = plan.noise * RoughNormal(LatticeHash(3 * x + c, y, key));
        const float value = std::clamp(canvas.rgb.at(y, x, c) * light + noise, 0.0F, 255.0F);
        rgb.at(y, x, c) = static_cast<uint8_t>(value + 0.5F);
      }
    }
  }
  return rgb;
}

// A pixel belongs to the nearest animal that covers at least half of it.
ImageU8 DrawMask(const ScenePlan& plan, const std::vector<Stencil>& stencils, int size) {
  ImageU8 mask(size, size, 1);
  for (size_t n = 0; n < stencils.size(); ++n) {
    const Stencil& stencil = stencils[n];
    for (int y = std::max(stencil.top, 0); y < std::min(stencil.top + stencil.height, size); ++y)
      for (int x = std::max(stencil.left, 0); x < std::min(stencil.left + stencil.width, size); ++x)
        if (stencil.Whole(stencil.At(y, x)) >= 0.5F)
          mask.at(y, x) = static_cast<uint8_t>(plan.animals[n].species + 1);
  }
  return mask;
}

ImageU8 ToBytesRoundedUp(const ImageF32& shares) {
  ImageU8 bytes(shares.height(), shares.width(), 1);
  for (size_t i = 0; i < shares.size(); ++i)
    bytes.values()[i] =
        static_cast<uint8_t>(std::ceil(std::clamp(shares.values()[i], 0.0F, 1.0F) * 255.0F));
  return bytes;
}

std::vector<int> TagsOf(const ScenePlan& plan) {
  std::vector<int> tags;
  for (const Animal& animal : plan.animals) tags.push_back(animal.species);
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  return tags;
}

}  // namespace

std::vector<ImageF32> VisibleParts(const std::vector<Stencil>& stencils, int size) {
  std::vector<ImageF32> parts;
  for (const Stencil& stencil : stencils) {
    ImageF32 part(size, size, 1);
    for (int y = std::max(stencil.top, 0); y < std::min(stencil.top + stencil.height, size); ++y) {
      for (int x = std::max(stencil.left, 0); x < std::min(stencil.left + stencil.width, size);
           ++x) {
        const float cover = stencil.Whole(stencil.At(y, x));
        part.at(y, x) = cover;
        for (ImageF32& farther : parts) farther.at(y, x) *= 1.0F - cover;
      }
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

Scene RenderScene(const SceneStyle& style, const ScenePlan& plan) {
  const int size = style.size;
  Canvas canvas{ImageF32(size, size, 3), ImageF32(size, size, 1),
                kSceneUnits / static_cast<float>(size)};
  DrawGround(GroundTexture(plan.ground, Random({plan.key, kGroundKey})), canvas);
  for (const Thing& thing : plan.clutter) DrawThing(thing, canvas);
  for (const Thing& thing : plan.distractors) DrawThing(thing, canvas);
  std::vector<Stencil> stencils;
  for (const Animal& animal : plan.animals) stencils.push_back(CutStencil(animal, size));
  for (const Animal& animal : plan.animals) DrawShadow(animal, canvas);
  for (size_t n = 0; n < stencils.size(); ++n) DrawAnimal(plan.animals[n], stencils[n], canvas);

  std::vector<Point> lures;
  for (const Thing& thing : plan.distractors) lures.push_back(thing.centre);
  Scene scene;
  scene.rgb = Expose(canvas, plan);
  scene.mask = DrawMask(plan, stencils, size);
  scene.saliency = DegradeSaliency(VisibleParts(stencils, size), lures, style.saliency_miss,
                                   Random({plan.key, kSaliencyKey}));
  scene.heads = ToBytesRoundedUp(canvas.heads);
  scene.tags = TagsOf(plan);
  return scene;
}

}  // namespace i2crc::synth

namespace i2crc {

std::vector<std::string> SceneClassNames() {
  std::vector<std::string> names;
  for (int k = 0; k < synth::kClasses; ++k) names.emplace_back(synth::SpeciesOf(k).name);
  return names;
}

Scene DrawScene(const SceneStyle& style, uint64_t seed, int64_t index) {
  return synth::RenderScene(style, synth::PlanScene(style, seed, index));
}

}  // namespace i2crc
