// SPDX-License-Identifier: Apache-2.0
// Keys of one word and of several find the same vertices.
#include "i2crc/crf/vertices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "i2crc/crf/test_problem.h"

namespace i2crc::crf {
namespace {

using i2crc::testing::Uniform;

// Values from 0 to spread; of three points, two are near the one before them.
std::vector<float> RandomFeatures(int dims, size_t points, float spread) {
  std::mt19937 random(3);
  std::vector<float> features(static_cast<size_t>(dims) * points);
  for (size_t i = 0; i < features.size(); ++i)
    features[i] = i % points % 3 == 0 ? spread * Uniform(random)
                                      : features[i - 1] + 0.3F * (Uniform(random) - 0.5F);
  return features;
}

struct Found {
  std::vector<uint32_t> corners;
  std::vector<float> ones;
  std::vector<std::vector<uint32_t>> next;  // of each axis
  std::vector<std::vector<uint8_t>> has_previous;
  auto All() const { return std::tie(corners, ones, next, has_previous); }
};

template <typename Vertices>
Found Neighbours(const Vertices& vertices, int dims, const AlignedVector<float>& ones,
                 const Lattice& lattice) {
  Found found;
  for (const Corner& corner : lattice.slice) found.corners.push_back(corner.index);
  found.ones.assign(ones.begin(), ones.end());
  for (int axis = 0; axis <= dims; ++axis) {
    std::vector<uint32_t> next(vertices.size());
    std::vector<uint8_t> has_previous(size_t{vertices.size()} + 1);
    vertices.FindNeighbours(dims, axis, next, has_previous);
    has_previous.pop_back();
    found.next.push_back(next);
    found.has_previous.push_back(has_previous);
  }
  return found;
}

// By a plan that needs one word.
template <size_t kWords>
Found ByWide(const SimplexSource& source, const FieldPlan& plan, Lattice& lattice) {
  SimplexList list;
  ComputeSimplices(source, list, lattice.slice.data());
  VertexTableMemory<kWords> memory;
  WideVertices<kWords> vertices(memory, plan, lattice.points);
  AlignedVector<float> ones;
  vertices.Meet(list, ones, lattice);
  return Neighbours(vertices, lattice.dims, ones, lattice);
}

Found ByNarrow(const Kernels& kernels, const SimplexSource& source, const FieldPlan& plan,
               Lattice& lattice) {
  NarrowVerticesMemory memory;
  NarrowVertices vertices(memory, kernels, plan, lattice.points);
  AlignedVector<float> ones;
  vertices.Meet(source, ones, lattice.slice.data());
  return Neighbours(vertices, lattice.dims, ones, lattice);
}

FieldPlan PlanOfCells(const SimplexSource& source) {
  SimplexList list;
  std::vector<Corner> corners(source.points() * (static_cast<size_t>(source.dims()) + 1));
  ComputeSimplices(source, list, corners.data());
  return PlanFields(list.cells, source.dims());
}

class VerticesOfEachSet : public ::testing::TestWithParam<InstructionSet> {};

// The last of them have so many vertices for so few points that the table grows several times.
TEST_P(VerticesOfEachSet, AreTheSameByNarrowAndWideKeys) {
  const Kernels& kernels = KernelsFor(GetParam());
  for (const auto& [dims, points, spread] :
       std::vector<std::tuple<int, size_t, float>>{{1, 1, 1.0F},
                                                   {1, 2000, 1e5F},
                                                   {2, 333, 10.0F},
                                                   {5, 1000, 0.1F},
                                                   {8, 500, 1.0F},
                                                   {20, 31, 0.01F},
                                                   {5, 5000, 30.0F},
                                                   {3, 20000, 1000.0F}}) {
    SCOPED_TRACE(std::to_string(points) + " points of " + std::to_string(dims) + " features");
    const std::vector<float> features = RandomFeatures(dims, points, spread);
    const SimplexSource source(kernels, features.data(), dims, static_cast<int64_t>(points));
    const FieldPlan plan = PlanOfCells(source);
    ASSERT_EQ(plan.words, 1u);
    Lattice lattice;
    lattice.dims = dims;
    lattice.points = static_cast<int64_t>(points);
    lattice.slice.resize(points * (static_cast<size_t>(dims) + 1));
    const Found narrow = ByNarrow(kernels, source, plan, lattice);
    EXPECT_TRUE(narrow.All() == ByWide<1>(source, plan, lattice).All());
    EXPECT_TRUE(narrow.All() == ByWide<2>(source, plan, lattice).All());
    const auto by_features = PlanNarrowFields(source);
    if (by_features) {
      EXPECT_TRUE(narrow.All() == ByNarrow(kernels, source, *by_features, lattice).All());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, VerticesOfEachSet, ::testing::ValuesIn(AvailableInstructionSets()),
                         [](const auto& test) { return std::string(NameOf(test.param)); });

int WidthOf(const FieldPlan& plan, size_t i) { return plan.fields[i + 1].bit - plan.fields[i].bit; }

// A plan from the bounds of features has room for every cell, and hardly more than that.
TEST(PlanNarrowFields, HasRoomForEveryCell) {
  const Kernels& kernels = KernelsFor(InstructionSet::kBest);
  for (const int dims : {2, 3, 5})
    for (const float spread : {0.01F, 1.0F, 30.0F, 100.0F}) {
      SCOPED_TRACE(std::to_string(dims) + " features to " + std::to_string(spread));
      const std::vector<float> features = RandomFeatures(dims, 1000, spread);
      const SimplexSource source(kernels, features.data(), dims, 1000);
      const auto plan = PlanNarrowFields(source);
      ASSERT_TRUE(plan.has_value());
      const FieldPlan least = PlanOfCells(source);
      for (size_t i = 0; i < static_cast<size_t>(dims); ++i) {
        EXPECT_EQ(plan->fields[i].word, 0);
        EXPECT_GE(plan->fields[i].bias, least.fields[i].bias);
        if (i + 1 == static_cast<size_t>(dims)) continue;
        EXPECT_GE(WidthOf(*plan, i), WidthOf(least, i));
        EXPECT_LE(WidthOf(*plan, i), WidthOf(least, i) + 2);
      }
    }
}

TEST(PlanNarrowFields, LeavesWhatIsFarToTheCells) {
  const Kernels& kernels = KernelsFor(InstructionSet::kBest);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float far :
       {1e8F, -1e8F, 1e30F, kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()})
    for (const size_t at : {0u, 1u, 39u, 40u, 79u}) {
      std::vector<float> features(80, 0.5F);
      features[at] = far;
      EXPECT_FALSE(PlanNarrowFields(SimplexSource(kernels, features.data(), 2, 40)).has_value())
          << far << " at " << at;
    }
  const std::vector<float> many = RandomFeatures(32, 100, 10);
  EXPECT_FALSE(PlanNarrowFields(SimplexSource(kernels, many.data(), 32, 100)).has_value());
}

}  // namespace
}  // namespace i2crc::crf
