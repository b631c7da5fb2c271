// SPDX-License-Identifier: Apache-2.0
// The lattice of positions, region by region, against the one that is written down plainly.
#include "i2crc/crf/position_lattice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "i2crc/crf/reference_lattice.h"
#include "i2crc/crf/test_problem.h"

namespace i2crc::crf {
namespace {

using i2crc::testing::ReferenceLattice;
using i2crc::testing::Uniform;

struct Kernel {
  int height;
  int width;
  float sigma_x;
  float sigma_y;
  std::string Name() const {
    return std::to_string(width) + " x " + std::to_string(height) + ", sigma " +
           std::to_string(sigma_x) + ", " + std::to_string(sigma_y);
  }
};

// Positions in the order of the points.
std::vector<float> Features(const PointOrder& order, const Kernel& kernel) {
  const auto points = static_cast<size_t>(kernel.height) * static_cast<size_t>(kernel.width);
  std::vector<float> features(2 * points);
  for (const Run& run : order.runs)
    for (int i = 0; i < run.count; ++i) {
      const auto point = static_cast<size_t>(run.point + i);
      features[point] = static_cast<float>(run.pixel % kernel.width + i) / kernel.sigma_x;
      features[points + point] = static_cast<float>(run.pixel / kernel.width) / kernel.sigma_y;
    }
  return features;
}

// [points][floats] of a block of labels.
std::vector<float> FilteredByRegions(const PositionLattice& lattice, const PointOrder& order,
                                     const BlockKernels& kernels, const std::vector<float>& rows) {
  const auto floats = static_cast<size_t>(kernels.floats);
  const auto points = static_cast<int64_t>(rows.size() / floats);
  AlignedVector<std::byte> marginals(static_cast<size_t>(points) * kernels.bytes);
  kernels.pack(rows.data(), marginals.data(), 0, points);
  const auto grid_floats = static_cast<size_t>(kernels.grid_floats);
  // What a region leaves behind must not matter to the next one.
  AlignedVector<float> values(
      static_cast<size_t>(lattice.places()) * grid_floats + 3 * kGridFloatsBeyond, NAN);
  AlignedVector<float> scratch(
      kGridScratchRows * (static_cast<size_t>(lattice.columns) * grid_floats + kGridFloatsBeyond) +
          3 * kGridFloatsBeyond,
      NAN);
  const std::vector<float> ones(32, 1.0F);
  std::vector<float> filtered(rows.size(), NAN);
  for (size_t r = 0; r < order.regions.size(); ++r) {
    const PositionLattice::Part& part = lattice.parts[r];
    kernels.filter_region({part.rows, lattice.columns, lattice.places(), part.starts_odd,
                           &lattice.extents[part.first_extent], lattice.holes.data()},
                          lattice.splat.empty() ? lattice.slice.data() : lattice.splat.data(),
                          &lattice.runs[part.first_run],
                          static_cast<int>(part.end_run - part.first_run), marginals.data(),
                          values.data(), scratch.data());
    const SlicedTerm term{lattice.slice.data(), 3, values.data(), ones.data(), lattice.places()};
    const int64_t begin = order.regions[r].begin;
    kernels.slice(&term, 1, nullptr, &filtered[static_cast<size_t>(begin) * floats], begin,
                  order.regions[r].end);
  }
  return filtered;
}

// Of one row of the reference, normalised as ALGORITHM.md says.
std::vector<double> Expected(const ReferenceLattice& reference, Normalization normalization,
                             std::vector<double> row) {
  const std::vector<double> z = reference.Filter(std::vector<double>(row.size(), 1.0), 1);
  const auto scale = [&](std::vector<double>& values, Normalization one_side) {
    for (size_t p = 0; p < values.size(); ++p) {
      if (normalization == Normalization::kSymmetric) values[p] /= std::sqrt(z[p]);
      if (normalization == one_side) values[p] /= z[p];
    }
  };
  scale(row, Normalization::kBefore);
  std::vector<double> filtered = reference.Filter(row, 1);
  scale(filtered, Normalization::kAfter);
  return filtered;
}

void ExpectFilters(InstructionSet set, Storage storage, int labels, const Kernel& kernel,
                   Normalization normalization) {
  SCOPED_TRACE(kernel.Name());
  const Kernels& kernels = KernelsFor(set);
  if (storage == Storage::kPacked && !kernels.has_packed) return;
  const PointOrder order(kernel.height, kernel.width);
  const auto lattice =
      BuildPositionLattice(kernels, order, kernel.sigma_x, kernel.sigma_y, normalization);
  ASSERT_NE(lattice, nullptr);
  const BlockKernels& block = kernels.block(labels, storage);
  const auto floats = static_cast<size_t>(block.floats);
  const auto points = static_cast<size_t>(kernel.height) * static_cast<size_t>(kernel.width);
  const ReferenceLattice reference(Features(order, kernel), 2);
  EXPECT_EQ(lattice->vertices, reference.vertices());
  std::mt19937 random(11);
  std::vector<float> rows(points * floats, 0.0F);
  for (size_t p = 0; p < points; ++p)
    for (size_t l = 0; l < static_cast<size_t>(labels); ++l) rows[p * floats + l] = Uniform(random);
  const std::vector<float> filtered = FilteredByRegions(*lattice, order, block, rows);
  for (const int label : {0, labels - 1}) {
    std::vector<double> row(points);
    for (size_t p = 0; p < points; ++p) row[p] = rows[p * floats + static_cast<size_t>(label)];
    const std::vector<double> expected = Expected(reference, normalization, std::move(row));
    for (size_t p = 0; p < points; ++p)
      ASSERT_NEAR(filtered[p * floats + static_cast<size_t>(label)], expected[p],
                  2e-5 * std::max(1.0, expected[p]))
          << "point " << p << ", label " << label;
  }
}

class PositionLatticeOfEachSet : public ::testing::TestWithParam<InstructionSet> {};

TEST_P(PositionLatticeOfEachSet, FiltersAsTheReference) {
  for (const Kernel& kernel :
       {Kernel{1, 1, 1, 1}, Kernel{1, 40, 1, 1}, Kernel{40, 1, 1, 1}, Kernel{5, 7, 2, 2},
        Kernel{33, 65, 1, 1}, Kernel{70, 140, 1, 1}, Kernel{70, 140, 0.8F, 1.3F},
        Kernel{70, 140, 1.5F, 0.9F}, Kernel{97, 129, 2, 2}, Kernel{64, 128, 1.7F, 1.7F}})
    ExpectFilters(GetParam(), Storage::kSingle, 3, kernel, Normalization::kSymmetric);
}

TEST_P(PositionLatticeOfEachSet, FiltersAnyNumberOfLabels) {
  for (const int labels : {1, 4, 5, 8, 16})
    ExpectFilters(GetParam(), Storage::kSingle, labels, {40, 70, 1, 1}, Normalization::kSymmetric);
  for (const int labels : {1, 16, 17, 21})
    ExpectFilters(GetParam(), Storage::kPacked, labels, {40, 70, 1, 1}, Normalization::kSymmetric);
}

TEST_P(PositionLatticeOfEachSet, Normalizes) {
  for (const auto normalization : {Normalization::kNone, Normalization::kBefore,
                                   Normalization::kAfter, Normalization::kSymmetric})
    ExpectFilters(GetParam(), Storage::kSingle, 2, {40, 70, 1.2F, 0.9F}, normalization);
}

INSTANTIATE_TEST_SUITE_P(All, PositionLatticeOfEachSet,
                         ::testing::ValuesIn(AvailableInstructionSets()),
                         [](const auto& test) { return std::string(NameOf(test.param)); });

TEST(PositionLattice, IsNotForLatticesWithHoles) {
  const Kernels& kernels = KernelsFor(InstructionSet::kBest);
  const PointOrder order(100, 120);
  for (const float sigma : {1e-30F, 1e-3F, 0.2F, 0.3F})
    EXPECT_EQ(BuildPositionLattice(kernels, order, sigma, sigma, Normalization::kSymmetric),
              nullptr)
        << sigma;
  EXPECT_EQ(BuildPositionLattice(kernels, order, 1, 0.3F, Normalization::kSymmetric), nullptr);
}

// Wide kernels reach so far that regions would do each other's work.
TEST(PositionLattice, IsNotForWideKernels) {
  const Kernels& kernels = KernelsFor(InstructionSet::kBest);
  const PointOrder order(200, 300);
  for (const float sigma : {6.0F, 50.0F, 1e9F})
    EXPECT_EQ(BuildPositionLattice(kernels, order, sigma, sigma, Normalization::kSymmetric),
              nullptr)
        << sigma;
}

TEST(PointOrder, HasEachPixelOnce) {
  for (const auto& [height, width] :
       {std::pair{1, 1}, {16, 16}, {32, 64}, {33, 65}, {100, 7}, {5, 200}}) {
    const PointOrder order(height, width);
    const int64_t points = int64_t{height} * width;
    std::vector<int> met(static_cast<size_t>(points), 0);
    int64_t point = 0;
    for (const crf::Run& run : order.runs) {
      EXPECT_EQ(run.point, point);
      EXPECT_EQ(order.PointOfRun(static_cast<int>(run.pixel / width),
                                 static_cast<int>(run.pixel % width) / kLanePoints),
                point);
      for (int i = 0; i < run.count; ++i) ++met[static_cast<size_t>(run.pixel + i)];
      point += run.count;
    }
    EXPECT_EQ(point, points);
    EXPECT_EQ(std::count(met.begin(), met.end(), 1), points);
    int64_t end = 0;
    for (const Region& region : order.regions) {
      EXPECT_EQ(region.begin, end);
      EXPECT_EQ(region.end - region.begin,
                int64_t{region.bottom - region.top} * (region.right - region.left));
      end = region.end;
    }
    EXPECT_EQ(end, points);
  }
}

}  // namespace
}  // namespace i2crc::crf
