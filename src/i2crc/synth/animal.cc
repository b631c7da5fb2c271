// SPDX-License-Identifier: Apache-2.0
#include "i2crc/synth/animal.h"

#include <algorithm>
#include <cmath>

#include "i2crc/core/error.h"

namespace i2crc::synth {
namespace {

// A pair shares a hide. Heads of a pair differ in colour and in pattern.
const std::array<Species, kClasses> kSpecies = {{
    {"dorro",
     {HeadPattern::kStripes, {208, 36, 40}, {244, 240, 232}},
     Hide::kSpots,
     Ground::kMeadow},
    {"fenk", {HeadPattern::kDots, {36, 64, 200}, {248, 216, 56}}, Hide::kSpots, Ground::kWater},
    {"lumo", {HeadPattern::kChecks, {204, 36, 160}, {40, 24, 48}}, Hide::kStripes, Ground::kSand},
    {"mippa", {HeadPattern::kRings, {244, 128, 20}, {24, 40, 120}}, Hide::kStripes, Ground::kSnow},
    {"tarrow",
     {HeadPattern::kWedges, {20, 184, 204}, {128, 16, 40}},
     Hide::kScales,
     Ground::kCobbles},
    {"zibel",
     {HeadPattern::kChevrons, {104, 40, 176}, {180, 232, 56}},
     Hide::kScales,
     Ground::kLitter},
}};

Point ToAnimal(const Animal& animal, Point scene) {
  const float dx = scene.x - animal.centre.x;
  const float dy = scene.y - animal.centre.y;
  return {dx * animal.forward.x + dy * animal.forward.y, dx * animal.down.x + dy * animal.down.y};
}

float Length(float x, float y) { return std::sqrt(x * x + y * y); }

// A unit vector at most atan(steepness) away from the x axis.
Point Tilted(double steepness, Random& random) {
  const auto slope = static_cast<float>(random.Uniform(-steepness, steepness));
  const float length = Length(1.0F, slope);
  return {1.0F / length, slope / length};
}

// Signed distances: negative inside.
float DistanceToBar(const Bar& bar, Point p) {
  const float bx = bar.to.x - bar.from.x;
  const float by = bar.to.y - bar.from.y;
  const float px = p.x - bar.from.x;
  const float py = p.y - bar.from.y;
  const float squared = bx * bx + by * by;
  const float t = squared > 0 ? std::clamp((px * bx + py * by) / squared, 0.0F, 1.0F) : 0.0F;
  return Length(px - t * bx, py - t * by) - bar.radius;
}

float DistanceToTorso(const Animal& animal, Point p) {
  const float y = p.y - animal.bend * p.x * p.x / animal.length;
  const float along = std::clamp(p.x / animal.length, -1.0F, 1.0F);
  const float nx = p.x / animal.length;
  const float ny = y / (animal.height * (1.0F + animal.taper * along));
  const float round = Length(nx, ny);
  const float square = std::sqrt(std::sqrt(nx * nx * nx * nx + ny * ny * ny * ny));
  const float level = round + (square - round) * animal.squareness;
  // Exact along the ray from the middle; in the middle itself any negative number does.
  if (level < 0.1F) return -animal.height;
  return Length(p.x, y) * (1.0F - 1.0F / level);
}

// The lesser of two distances with the corner between them rounded off.
float SmoothUnion(float a, float b, float radius) {
  const float overlap = std::max(radius - std::abs(a - b), 0.0F) / radius;
  return std::min(a, b) - overlap * overlap * radius * 0.25F;
}

float DistanceToBody(const Animal& animal, Point p) {
  float distance = DistanceToTorso(animal, p);
  for (const Bar& limb : animal.limbs)
    distance = SmoothUnion(distance, DistanceToBar(limb, p), 0.12F * animal.height);
  return distance;
}

float DistanceToHead(const Animal& animal, Point p) {
  float distance = Length(p.x - animal.head.x, p.y - animal.head.y) - animal.head_radius;
  for (const Bar& ear : animal.ears) distance = std::min(distance, DistanceToBar(ear, p));
  return distance;
}

// Radius of a circle around the body's middle that holds the whole animal.
float Reach(const Animal& animal) {
  const float half_height =
      animal.height * (1.0F + std::abs(animal.taper)) + std::abs(animal.bend) * animal.length;
  float reach = Length(animal.length, half_height);
  const auto take = [&](const Bar& bar) {
    reach = std::max(reach, Length(bar.from.x, bar.from.y) + bar.radius);
    reach = std::max(reach, Length(bar.to.x, bar.to.y) + bar.radius);
  };
  for (const Bar& limb : animal.limbs) take(limb);
  for (const Bar& ear : animal.ears) take(ear);
  return std::max(reach, Length(animal.head.x, animal.head.y) + animal.head_radius);
}

void AddLegs(Animal& animal, Random& random) {
  const int legs = static_cast<int>(2 + random.Below(3));
  const float a = animal.length;
  const float b = animal.height;
  const auto thickness = static_cast<float>(random.Uniform(0.14, 0.22)) * b;
  const auto reach = static_cast<float>(random.Uniform(0.45, 0.85)) * b;
  for (int i = 0; i < legs; ++i) {
    const float spread = -0.7F + 1.4F * static_cast<float>(i) / static_cast<float>(legs - 1);
    const float x = a * (spread + static_cast<float>(random.Uniform(-0.1, 0.1)));
    const float hip = 0.55F * b + animal.bend * x * x / a;
    const auto swing = static_cast<float>(random.Uniform(-0.35, 0.35)) * reach;
    animal.limbs.push_back({{x, hip}, {x + swing, hip + 0.3F * b + reach}, thickness});
  }
}

void AddTail(Animal& animal, Random& random) {
  const float a = animal.length;
  const float y = animal.bend * a * 0.8F;
  const auto lift = static_cast<float>(random.Uniform(-0.7, 0.3)) * a;
  const auto reach = static_cast<float>(random.Uniform(0.15, 0.45)) * a;
  animal.limbs.push_back({{-0.85F * a, y}, {-a - reach, y + 0.5F * lift}, 0.1F * animal.height});
}

void AddHead(Animal& animal, Random& random) {
  const float a = animal.length;
  const float b = animal.height;
  // Torso, limbs and neck cover about 1.2 times the torso's ellipse; ears add a tenth to the head's
  // disc.
  const auto share = static_cast<float>(random.Uniform(0.16, 0.22));
  const float r = std::sqrt(share * 1.25F * a * b);
  const float x = a + 0.35F * r;
  const float y = animal.bend * a - static_cast<float>(random.Uniform(0.1, 0.8)) * b;
  animal.head = {x, y};
  animal.head_radius = r;
  animal.limbs.push_back({{0.6F * a, 0.36F * animal.bend * a}, {x, y}, 0.62F * r});
  const Point tilt = Tilted(0.35, random);
  animal.head_tilt = tilt;
  const auto ear = [&](float u, float v) {
    const Point base{x + 0.75F * r * (u * tilt.x - v * tilt.y),
                     y + 0.75F * r * (u * tilt.y + v * tilt.x)};
    const Point tip{x + 1.2F * r * (u * tilt.x - v * tilt.y),
                    y + 1.2F * r * (u * tilt.y + v * tilt.x)};
    return Bar{base, tip, 0.2F * r};
  };
  animal.ears = {ear(-0.7F, -0.7F), ear(0.5F, -0.85F)};
}

}  // namespace

const Species& SpeciesOf(int species) {
  ENSURE(species >= 0 && species < kClasses, "species {}", species);
  return kSpecies[static_cast<size_t>(species)];
}

Animal DrawAnimal(int species, float girth, Point centre, Random random) {
  Animal animal;
  animal.species = species;
  animal.centre = centre;
  const Point slope = Tilted(0.8, random);
  const float mirror = random.Below(2) == 0 ? 1.0F : -1.0F;
  animal.forward = {mirror * slope.x, mirror * slope.y};
  animal.down = {-slope.y, slope.x};
  const float aspect = std::sqrt(static_cast<float>(random.Uniform(1.2, 2.1)));
  animal.length = girth * aspect;
  animal.height = girth / aspect;
  animal.squareness = static_cast<float>(random.Uniform());
  animal.bend = static_cast<float>(random.Uniform(-0.18, 0.18));
  animal.taper = static_cast<float>(random.Uniform(-0.25, 0.2));
  animal.hide_grain = 0.5F + girth / 44.0F;
  animal.key = random.Next();
  AddLegs(animal, random);
  if (random.Uniform() < 0.8) AddTail(animal, random);
  AddHead(animal, random);
  return animal;
}

Stencil CutStencil(const Animal& animal, int size) {
  const float units_per_pixel = kSceneUnits / static_cast<float>(size);
  const float reach = Reach(animal) + units_per_pixel;
  const auto pixel = [&](float units) {
    return static_cast<int>(std::floor(units / units_per_pixel));
  };
  Stencil stencil;
  stencil.left = pixel(animal.centre.x - reach);
  stencil.top = pixel(animal.centre.y - reach);
  stencil.width = pixel(animal.centre.x + reach) + 1 - stencil.left;
  stencil.height = pixel(animal.centre.y + reach) + 1 - stencil.top;
  stencil.body.reserve(static_cast<size_t>(stencil.width) * static_cast<size_t>(stencil.height));
  stencil.head.reserve(stencil.body.capacity());
  for (int y = 0; y < stencil.height; ++y) {
    for (int x = 0; x < stencil.width; ++x) {
      const Point scene{(static_cast<float>(x + stencil.left) + 0.5F) * units_per_pixel,
                        (static_cast<float>(y + stencil.top) + 0.5F) * units_per_pixel};
      const Point p = ToAnimal(animal, scene);
      stencil.body.push_back(Ramp(-DistanceToBody(animal, p), units_per_pixel));
      stencil.head.push_back(Ramp(-DistanceToHead(animal, p), units_per_pixel));
    }
  }
  return stencil;
}

Coat::Coat(const Animal& animal)
    : animal_(animal),
      hide_(SpeciesOf(animal.species).hide, animal.hide_grain, Random({animal.key})) {}

Colour Coat::Body(Point scene, float footprint) const {
  const Point p = ToAnimal(animal_, scene);
  // Lit from above.
  const float light = 1.02F - 0.2F * std::clamp(p.y / animal_.height, -1.0F, 1.4F);
  return Scaled(hide_.At(p.x, p.y, footprint), light);
}

Colour Coat::Head(Point scene, float footprint) const {
  const Point p = ToAnimal(animal_, scene);
  const float r = animal_.head_radius;
  const float x = (p.x - animal_.head.x) / r;
  const float y = (p.y - animal_.head.y) / r;
  const float u = x * animal_.head_tilt.x + y * animal_.head_tilt.y;
  const float v = y * animal_.head_tilt.x - x * animal_.head_tilt.y;
  const Colour pattern = HeadColour(SpeciesOf(animal_.species).head, u, v, footprint / r);
  const float eye = Length(u - 0.4F, v + 0.25F);
  const Colour with_white = Mix(pattern, {240, 240, 240}, Ramp(0.22F - eye, footprint / r));
  const Colour with_eye = Mix(with_white, {16, 16, 16}, Ramp(0.13F - eye, footprint / r));
  return Scaled(with_eye, 1.0F - 0.1F * std::clamp(y, -1.0F, 1.0F));
}

}  // namespace i2crc::synth
