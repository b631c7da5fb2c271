// SPDX-License-Identifier: Apache-2.0
// The lattice as it is stored, against the one that is written down plainly.
#include "i2crc/crf/lattice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/reference_lattice.h"
#include "i2crc/crf/simplex_source.h"
#include "i2crc/crf/test_problem.h"
#include "i2crc/threads/team.h"

namespace i2crc::crf {
namespace {

using i2crc::testing::ReferenceLattice;
using i2crc::testing::Uniform;

constexpr auto kNone = Normalization::kNone;

struct Features {
  int dims;
  std::vector<float> values;  // [dims, points]
  size_t points() const { return values.size() / static_cast<size_t>(dims); }
};

// Values in −spread … spread; every other point is near the one before it.
Features RandomFeatures(int dims, size_t points, float spread, uint32_t seed = 1) {
  std::mt19937 random(seed);
  Features features{dims, std::vector<float>(static_cast<size_t>(dims) * points)};
  for (size_t i = 0; i < features.values.size(); ++i)
    features.values[i] = i % points % 2 == 1 ? features.values[i - 1] + 0.5F * Uniform(random)
                                             : spread * (2 * Uniform(random) - 1);
  return features;
}

// Positions of a grid, whose points lie on the borders of simplices.
Features Grid(int height, int width, float sigma) {
  Features features{2, {}};
  for (int axis = 0; axis < 2; ++axis)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        features.values.push_back(static_cast<float>(axis == 0 ? x : y) / sigma);
  return features;
}

Lattice Built(const Features& features, Normalization normalization,
              InstructionSet set = InstructionSet::kBest, int threads = 1,
              bool may_scatter = false) {
  Team team(threads);
  LatticeBuilder builder(KernelsFor(set), team);
  Lattice lattice;
  builder.Build(features.values.data(), features.dims, static_cast<int64_t>(features.points()),
                normalization, may_scatter, lattice);
  return lattice;
}

// The filter as lattice.h describes it, of one row.
std::vector<double> Filtered(const Lattice& lattice, const std::vector<double>& row) {
  const auto corners = static_cast<size_t>(lattice.dims) + 1;
  std::vector<double> at(static_cast<size_t>(lattice.vertices), 0.0);
  if (lattice.scatters) {
    for (size_t c = 0; c < row.size() * corners; ++c)
      at[lattice.slice[c].index] += double{lattice.slice[c].weight} * row[c / corners];
  } else {
    size_t vertex = 0;
    for (uint32_t c = 0; c < lattice.splat_pieces.back(); ++c) {
      const Corner& corner = lattice.splat[c];
      at[vertex] += double{corner.weight} * row[corner.index >> 1];
      vertex += corner.index & 1;
    }
    EXPECT_EQ(vertex, at.size());
  }
  for (const ChainList& chains : lattice.chains) {
    const std::vector<double> old = at;
    const uint32_t end = chains.pieces.empty() ? 0 : chains.pieces.back();
    bool starts = true;
    for (uint32_t e = 0; e < end; ++e) {
      const bool ends = (chains.entries[e] & 1) != 0;
      if (!starts) at[chains.entries[e] >> 1] += 0.5 * old[chains.entries[e - 1] >> 1];
      if (!ends) at[chains.entries[e] >> 1] += 0.5 * old[chains.entries[e + 1] >> 1];
      starts = ends;
    }
  }
  std::vector<double> filtered(row.size(), 0.0);
  for (size_t c = 0; c < row.size() * corners; ++c)
    filtered[c / corners] += double{lattice.slice[c].weight} * at[lattice.slice[c].index];
  return filtered;
}

// The same by the reference, normalised as ALGORITHM.md says.
std::vector<double> Expected(const ReferenceLattice& lattice, Normalization normalization,
                             std::vector<double> row) {
  const std::vector<double> z = lattice.Filter(std::vector<double>(row.size(), 1.0), 1);
  const auto scale = [&](std::vector<double>& values, bool before) {
    for (size_t p = 0; p < values.size(); ++p) {
      if (normalization == Normalization::kSymmetric) values[p] /= std::sqrt(z[p] + 1e-20);
      if (normalization == (before ? Normalization::kBefore : Normalization::kAfter))
        values[p] /= z[p] + 1e-20;
    }
  };
  scale(row, true);
  std::vector<double> filtered = lattice.Filter(row, 1);
  scale(filtered, false);
  return filtered;
}

void ExpectAgrees(const Features& features, Normalization normalization,
                  InstructionSet set = InstructionSet::kBest, bool may_scatter = false) {
  const ReferenceLattice reference(features.values, features.dims);
  const Lattice lattice = Built(features, normalization, set, 1, may_scatter);
  EXPECT_EQ(lattice.vertices, reference.vertices());
  std::mt19937 random(7);
  std::vector<double> row(features.points());
  for (double& value : row) value = Uniform(random);
  const std::vector<double> expected = Expected(reference, normalization, row);
  const std::vector<double> filtered = Filtered(lattice, row);
  for (size_t p = 0; p < row.size(); ++p)
    ASSERT_NEAR(filtered[p], expected[p], 1e-5 * std::max(1.0, expected[p])) << "point " << p;
}

// Everything that a filter reads, for comparing bytes.
auto Bytes(const Lattice& lattice) {
  std::vector<std::pair<uint32_t, float>> corners;
  for (const Corner& corner : lattice.slice) corners.emplace_back(corner.index, corner.weight);
  for (const Corner& corner : lattice.splat) corners.emplace_back(corner.index, corner.weight);
  std::vector<std::vector<uint32_t>> lists{lattice.splat_pieces, lattice.splat_vertices};
  for (const ChainList& chains : lattice.chains) {
    lists.emplace_back(chains.entries.begin(), chains.entries.end());
    lists.push_back(chains.pieces);
  }
  return std::tuple(lattice.dims, lattice.points, lattice.vertices, corners, lists);
}

class LatticeOfEachSet : public ::testing::TestWithParam<InstructionSet> {};

TEST_P(LatticeOfEachSet, FiltersAsTheReference) {
  for (const int dims : {1, 2, 3, 4, 5, 6, 7, 12, 31, 32})
    for (const size_t points : {1u, 15u, 16u, 17u, 120u}) {
      SCOPED_TRACE(std::to_string(points) + " points of " + std::to_string(dims) + " features");
      ExpectAgrees(RandomFeatures(dims, points, 2), kNone, GetParam());
    }
}

TEST_P(LatticeOfEachSet, FiltersGridsAsTheReference) {
  for (const float sigma : {0.3F, 1.0F, 2.0F, 3.0F, 50.0F, 1e6F}) {
    SCOPED_TRACE(sigma);
    ExpectAgrees(Grid(13, 21, sigma), kNone, GetParam());
  }
}

TEST_P(LatticeOfEachSet, FiltersWidelySpreadPointsAsTheReference) {
  for (const int dims : {1, 2, 3, 5, 12, 32}) {
    SCOPED_TRACE(dims);
    ExpectAgrees(RandomFeatures(dims, 60, 30000), kNone, GetParam());
  }
}

TEST_P(LatticeOfEachSet, IsTheSameForAll) {
  const auto portable = Built(RandomFeatures(5, 3000, 3), kNone, InstructionSet::kPortable);
  for (const int threads : {1, 3})
    EXPECT_EQ(Bytes(Built(RandomFeatures(5, 3000, 3), kNone, GetParam(), threads)),
              Bytes(portable));
  for (const int dims : {1, 2, 9}) {
    const Features features = RandomFeatures(dims, 333, 20);
    EXPECT_EQ(Bytes(Built(features, kNone, GetParam())),
              Bytes(Built(features, kNone, InstructionSet::kPortable)));
  }
}

INSTANTIATE_TEST_SUITE_P(All, LatticeOfEachSet, ::testing::ValuesIn(AvailableInstructionSets()),
                         [](const auto& test) { return std::string(NameOf(test.param)); });

// Computed with numpy: float32(1 / sqrt((j + 1)(j + 2)) * float64(float32(sqrt(2 / 3) * (d + 1)))).
TEST(Lattice, EmbedsWithTheFieldsRounding) {
  EXPECT_EQ(EmbeddingScale(0, 2), 0x1.bb67b0p+0F);
  EXPECT_EQ(EmbeddingScale(0, 3), 0x1.279a76p+1F);
  EXPECT_EQ(EmbeddingScale(2, 3), 0x1.e2b7e0p-1F);
  EXPECT_EQ(EmbeddingScale(0, 4), 0x1.718110p+1F);
  EXPECT_EQ(EmbeddingScale(4, 5), 0x1.c9f25ep-1F);
}

TEST(Lattice, Normalizes) {
  for (const auto normalization : {Normalization::kNone, Normalization::kBefore,
                                   Normalization::kAfter, Normalization::kSymmetric}) {
    SCOPED_TRACE(static_cast<int>(normalization));
    ExpectAgrees(RandomFeatures(5, 200, 1), normalization);
    ExpectAgrees(Grid(9, 30, 2.5F), normalization);
    ExpectAgrees(RandomFeatures(5, 200, 1), normalization, InstructionSet::kBest, true);
    ExpectAgrees(Grid(9, 30, 2.5F), normalization, InstructionSet::kBest, true);
  }
}

// Only where the weights of both ways are the same can the list by vertices be left out.
TEST(Lattice, ScattersWhereItMay) {
  const Features features = RandomFeatures(5, 200, 1);
  const auto best = InstructionSet::kBest;
  const Lattice gathering = Built(features, Normalization::kSymmetric, best, 1, false);
  const Lattice scattering = Built(features, Normalization::kSymmetric, best, 1, true);
  EXPECT_FALSE(gathering.scatters);
  EXPECT_TRUE(scattering.scatters);
  EXPECT_THAT(scattering.splat, ::testing::IsEmpty());
  EXPECT_EQ(gathering.vertices, scattering.vertices);
  for (size_t c = 0; c < 200 * 6; ++c) {
    EXPECT_EQ(gathering.slice[c].index, scattering.slice[c].index);
    EXPECT_EQ(gathering.slice[c].weight, scattering.slice[c].weight);
  }
  for (const auto normalization :
       {Normalization::kNone, Normalization::kBefore, Normalization::kAfter})
    EXPECT_FALSE(Built(features, normalization, best, 1, true).scatters);
}

// So many points at one vertex that their sum is beyond what it may hold; all sums are exact.
TEST(Lattice, KeepsValuesSmall) {
  Features features{1, std::vector<float>((size_t{1} << 21) + 5, 0.0F)};
  for (const auto normalization : {Normalization::kNone, Normalization::kAfter}) {
    const Lattice lattice = Built(features, normalization);
    ASSERT_EQ(lattice.vertices, 2);
    std::vector<float> sums(2, 0.0F);
    size_t vertex = 0;
    for (uint32_t c = 0; c < lattice.splat_pieces.back(); ++c) {
      sums[vertex] += lattice.splat[c].weight;
      vertex += lattice.splat[c].index & 1;
    }
    EXPECT_LT(*std::max_element(sums.begin(), sums.end()), Lattice::kLargestValue);
    const std::vector<double> filtered =
        Filtered(lattice, std::vector<double>(features.points(), 1.0));
    const double one = ReferenceLattice({0}, 1).Filter({1}, 1)[0];
    const double expected =
        normalization == kNone ? one * static_cast<double>(features.points()) : 1.0;
    EXPECT_NEAR(filtered[0], expected, 1e-4 * expected);
  }
}

// By hand: one point at 0 in one dimension has two vertices; the blur of axis 0 gives the second
// one half of the first, that of axis 1 half of this half back, and slicing divides by 3/2.
TEST(Lattice, OfOnePoint) {
  EXPECT_NEAR(ReferenceLattice({0}, 1).Filter({1}, 1)[0], 1.25 / 1.5, 1e-12);
  EXPECT_NEAR(Filtered(Built({1, {0}}, kNone), {1})[0], 1.25 / 1.5, 1e-6);
  EXPECT_NEAR(Filtered(Built({1, {0}}, Normalization::kSymmetric), {1})[0], 1, 1e-6);
}

TEST(Lattice, WeightsAreBarycentric) {
  const Features features = RandomFeatures(4, 500, 5);
  const ReferenceLattice reference(features.values, 4);
  const Lattice lattice = Built(features, kNone);
  for (size_t p = 0; p < features.points(); ++p) {
    double sum = 0;
    for (size_t k = 0; k < 5; ++k) {
      const double weight = double{lattice.slice[p * 5 + k].weight} * (1 + 1.0 / 16);
      EXPECT_NEAR(weight, reference.weight(p, k), 1e-5);
      EXPECT_GE(weight, -1e-6);
      sum += weight;
    }
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

// What several threads rely on: no vertex stands twice on an axis, pieces begin with chains.
TEST(Lattice, ChainsAreSeparate) {
  const Lattice lattice = Built(Grid(120, 130, 0.7F), kNone);
  ASSERT_EQ(lattice.chains.size(), 3u);
  for (const ChainList& chains : lattice.chains) {
    ASSERT_GE(chains.pieces.size(), 2u);
    EXPECT_EQ(chains.pieces.front(), 0u);
    EXPECT_TRUE(std::is_sorted(chains.pieces.begin(), chains.pieces.end()));
    for (const uint32_t piece : chains.pieces)
      if (piece > 0) {
        EXPECT_EQ(chains.entries[piece - 1] & 1, 1u);
      }
    std::vector<int> met(static_cast<size_t>(lattice.vertices), 0);
    for (uint32_t e = 0; e < chains.pieces.back(); ++e) ++met.at(chains.entries[e] >> 1);
    EXPECT_THAT(met, ::testing::Each(::testing::Le(1)));
  }
  EXPECT_EQ(lattice.splat_vertices.back(), lattice.vertices);
  EXPECT_EQ(lattice.splat_pieces.back(), 3u * 120 * 130);
}

TEST(LatticeBuilder, UsesItsMemoryAgain) {
  Team team(2);
  LatticeBuilder builder(KernelsFor(InstructionSet::kBest), team);
  Lattice lattice;
  for (const Features& features :
       {RandomFeatures(5, 900, 3), Grid(5, 4, 1), RandomFeatures(12, 40, 20000), Grid(40, 50, 2),
        RandomFeatures(1, 1, 1), RandomFeatures(32, 70, 1e4F), RandomFeatures(5, 901, 3)}) {
    builder.Build(features.values.data(), features.dims, static_cast<int64_t>(features.points()),
                  Normalization::kSymmetric, false, lattice);
    EXPECT_EQ(Bytes(lattice), Bytes(Built(features, Normalization::kSymmetric)));
  }
}

TEST(LatticeBuilder, RefusesWhatHasNoLattice) {
  Team team(1);
  LatticeBuilder builder(KernelsFor(InstructionSet::kBest), team);
  Lattice lattice;
  const auto build = [&](std::vector<float> values, int dims, int64_t points) {
    return [&builder, &lattice, values, dims, points] {
      builder.Build(values.data(), dims, points, kNone, false, lattice);
    };
  };
  const auto refused = ::testing::Throws<std::invalid_argument>();
  EXPECT_THAT(build({0}, 0, 1), refused);
  EXPECT_THAT(build(std::vector<float>(33), 33, 1), refused);
  EXPECT_THAT(build({0}, 1, 0), refused);
  EXPECT_THAT(build({0}, 1, int64_t{1} << 30), refused);
  for (const float far : {1e8F, -1e8F, 1e15F, 1e30F, std::numeric_limits<float>::max(),
                          std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(build({0, far}, 1, 2), refused) << far;
    EXPECT_THAT(build({0, 0, 0, 0, far, 0}, 3, 2), refused) << far;
  }
  build({0, 1}, 1, 2)();  // and the builder still builds
  EXPECT_EQ(lattice.points, 2);
}

}  // namespace
}  // namespace i2crc::crf
