// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>

#include "i2crc/synth/scene.h"

namespace i2crc::synth {
namespace {

// Streams of one seed that must not share their numbers.
enum Stream : uint64_t {
  kTagCoin = 1,
  kLeaders,
  kCast,
  kGroundChoice,
  kStage,
  kAnimal,
  kThings,
  kLight
};

Point UnitVector(Random& random) {
  while (true) {
    const auto x = static_cast<float>(random.Uniform(-1, 1));
    const auto y = static_cast<float>(random.Uniform(-1, 1));
    const float squared = x * x + y * y;
    if (squared > 0.01F && squared <= 1.0F) {
      const float length = std::sqrt(squared);
      return {x / length, y / length};
    }
  }
}

// The classes of a scene's animals; the first leads: the ground is chosen for it.
std::vector<int> DrawCast(uint64_t seed, int64_t index) {
  const auto pair = static_cast<uint64_t>(index / 2);
  const bool one_tag = (index % 2) == Random({seed, kTagCoin, pair}).Below(2);
  // Leaders take turns, so that small datasets are balanced too.
  std::vector<int> turns(kClasses);
  std::iota(turns.begin(), turns.end(), 0);
  Random({seed, kLeaders, pair / kClasses, one_tag}).Shuffle(turns);
  std::vector<int> others = turns;
  const auto turn = static_cast<ptrdiff_t>(pair % kClasses);
  const int leader = turns[static_cast<size_t>(turn)];
  others.erase(others.begin() + turn);

  Random random({seed, kCast, static_cast<uint64_t>(index)});
  random.Shuffle(others);
  const double draw = random.Uniform();
  if (one_tag) {
    if (draw < 0.7) return {leader};
    if (draw < 0.95) return {leader, leader};
    return {leader, leader, leader};
  }
  if (draw < 0.65) return {leader, others[0]};
  if (draw < 0.8) return {leader, others[0], others[1]};
  return {leader, others[0], random.Below(2) == 0 ? leader : others[0]};
}

// Whether every animal shows at least 60 % of itself and 75 % of its head, and every class 1.2 % of
// the pixels.
bool AllWellSeen(const std::vector<Animal>& animals, const std::vector<Stencil>& stencils,
                 int size) {
  const std::vector<ImageF32> visible = VisibleParts(stencils, size);
  std::array<double, kClasses> shares{};
  for (size_t n = 0; n < animals.size(); ++n) {
    const Stencil& stencil = stencils[n];
    double whole = 0, seen = 0, head = 0, head_seen = 0;
    for (int y = stencil.top; y < stencil.top + stencil.height; ++y) {
      for (int x = stencil.left; x < stencil.left + stencil.width; ++x) {
        const size_t i = stencil.At(y, x);
        const double covered = stencil.Whole(i);
        whole += covered;
        head += stencil.head[i];
        if (y < 0 || x < 0 || y >= size || x >= size) continue;
        const double share = visible[n].at(y, x);
        seen += share;
        if (covered > 0) head_seen += stencil.head[i] * share / covered;
      }
    }
    if (seen < 0.6 * whole || head_seen < 0.75 * head) return false;
    shares[static_cast<size_t>(animals[n].species)] += seen / size / size;
  }
  return std::all_of(animals.begin(), animals.end(), [&](const Animal& animal) {
    return shares[static_cast<size_t>(animal.species)] >= 0.012;
  });
}

// Draws poses until all are well seen; crowded scenes get smaller animals as attempts go on.
std::vector<Animal> DrawAnimals(const std::vector<int>& cast, int size, uint64_t seed,
                                int64_t index) {
  constexpr double kGirths[][2] = {{26, 42}, {21, 31}, {17, 24}};
  const auto& girths = kGirths[cast.size() - 1];
  constexpr int kAttempts = 1000;
  for (uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    std::vector<Animal> animals;
    std::vector<Stencil> stencils;
    const double shrink = std::max(1.0 - 0.01 * static_cast<double>(attempt), 0.75);
    for (size_t n = 0; n < cast.size(); ++n) {
      Random random({seed, static_cast<uint64_t>(index), kStage, attempt, n});
      const auto girth = static_cast<float>(shrink * random.Uniform(girths[0], girths[1]));
      const auto x = static_cast<float>(random.Uniform(0.12, 0.88)) * kSceneUnits;
      const auto y = static_cast<float>(random.Uniform(0.15, 0.85)) * kSceneUnits;
      animals.push_back(
          DrawAnimal(cast[n], girth, {x, y},
                     Random({seed, static_cast<uint64_t>(index), kAnimal, attempt, n})));
      stencils.push_back(CutStencil(animals.back(), size));
    }
    if (AllWellSeen(animals, stencils, size)) return animals;
  }
  ENSURE(false, "no room for {} animals in scene {} of seed {}", cast.size(), index, seed);
  return {};
}

Thing DrawThing(double smallest, double largest, int shapes, Random& random) {
  Thing thing;
  thing.shape = static_cast<Thing::Shape>(random.Below(shapes));
  const auto x = static_cast<float>(random.Uniform(0, kSceneUnits));
  const auto y = static_cast<float>(random.Uniform(0, kSceneUnits));
  thing.centre = {x, y};
  thing.axis = UnitVector(random);
  thing.radius = static_cast<float>(random.Uniform(smallest, largest));
  return thing;
}

void AddThings(ScenePlan& plan, Random random) {
  const GroundTexture ground(plan.ground, Random({plan.key, 0}));
  const int64_t clutter = 4 + random.Below(7);
  for (int64_t i = 0; i < clutter; ++i) {
    Thing thing = DrawThing(1.5, 7.0, 4, random);
    thing.colour = ground.ClutterColour(static_cast<float>(random.Uniform()));
    plan.clutter.push_back(thing);
  }
  const int64_t distractors = random.Below(4);
  for (int64_t i = 0; i < distractors; ++i) {
    Thing thing = DrawThing(3.0, 7.0, 3, random);
    const HeadStyle& style = SpeciesOf(static_cast<int>(random.Below(kClasses))).head;
    const Colour colour = random.Below(2) == 0 ? style.base : style.mark;
    const Colour dull = ground.ClutterColour(static_cast<float>(random.Uniform()));
    thing.colour = Mix(colour, dull, static_cast<float>(random.Uniform(0.15, 0.5)));
    plan.distractors.push_back(thing);
  }
}

}  // namespace

ScenePlan PlanScene(const SceneStyle& style, uint64_t seed, int64_t index) {
  ENSURE(style.size >= 32 && style.size <= 1024 && index >= 0, "scene {} of size {}", index,
         style.size);
  const auto scene = static_cast<uint64_t>(index);
  std::vector<int> cast = DrawCast(seed, index);
  ScenePlan plan;
  Random choice({seed, scene, kGroundChoice});
  plan.key = choice.Next();
  const auto anywhere = static_cast<Ground>(choice.Below(kGrounds));
  plan.ground = choice.Uniform() < style.ground_bias ? SpeciesOf(cast[0]).home : anywhere;
  choice.Shuffle(cast);
  plan.animals = DrawAnimals(cast, style.size, seed, index);
  AddThings(plan, Random({seed, scene, kThings}));
  Random light({seed, scene, kLight});
  const Point direction = UnitVector(light);
  const auto slope = static_cast<float>(light.Uniform(0.0, 0.35));
  plan.light = {direction.x * slope, direction.y * slope};
  plan.exposure = static_cast<float>(light.Uniform(0.85, 1.12));
  plan.noise = static_cast<float>(light.Uniform(2.0, 6.0));
  return plan;
}

}  // namespace i2crc::synth
