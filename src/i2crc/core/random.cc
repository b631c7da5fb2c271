// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/random.h"

#include <cmath>
#include <numbers>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

constexpr uint64_t kStep = 0x9e3779b97f4a7c15ULL;

}  // namespace

Random::Random(std::initializer_list<uint64_t> keys) {
  for (uint64_t key : keys) state_ = Mix(state_ + kStep + Mix(key + kStep));
}

uint64_t Random::Next() {
  state_ += kStep;
  return Mix(state_);
}

double Random::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

double Random::Uniform(double low, double high) { return low + (high - low) * Uniform(); }

int64_t Random::Below(int64_t bound) {
  ENSURE(bound >= 1, "Below({})", bound);
  const auto range = static_cast<uint64_t>(bound);
  const uint64_t limit = UINT64_MAX - UINT64_MAX % range;
  uint64_t draw = Next();
  while (draw >= limit) draw = Next();
  return static_cast<int64_t>(draw % range);
}

double Random::Normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * Uniform());
}

}  // namespace i2crc
