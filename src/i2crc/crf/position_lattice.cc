// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/position_lattice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>

#include "i2crc/crf/simplex_source.h"

namespace i2crc::crf {
namespace {

constexpr size_t kCorners = 3;
// Points splatted by all regions together, for each point of the image: beyond it a Lattice is
// faster.
constexpr double kMostSplatted = 2.0;
// Rows and columns of vertices that a region needs around those of its own points: the third axis
// goes two rows up and down, the others one, and these one column sideways.
constexpr int kRowsAround = 4;
constexpr int kColumnsAround = 2;

// Vertex (e_0, e_1, e_2) stands in row e_2 and, since e_0 ≡ e_2 mod 3, in column
// (e_0 − e_2)/3 + ⌊e_2/2⌋, which goes along x.
struct Place {
  int row;
  int column;
};

struct Bounds {
  int first = std::numeric_limits<int>::max();
  int last = std::numeric_limits<int>::min();
  void Add(int value) {
    first = std::min(first, value);
    last = std::max(last, value);
  }
  int size() const { return last - first + 1; }
  bool Has(int value) const { return value >= first && value <= last; }
};

// The places and barycentric weights of all points' corners, [points][3].
struct Simplices {
  std::vector<Place> places;
  std::vector<float> weights;
};

Simplices ComputeSimplices(const Kernels& kernels, const PointOrder& order, float sigma_x,
                           float sigma_y) {
  constexpr size_t kLanes = kLanePoints;
  const std::array<float, 2> scale = {EmbeddingScale(0, 2), EmbeddingScale(1, 2)};
  std::array<float, 2 * kLanes> features;
  std::array<int32_t, 2 * kLanes> cells;
  std::array<int32_t, 3 * kLanes> ranks;
  std::array<float, 3 * kLanes> weights;
  const size_t corners = static_cast<size_t>(order.height) * static_cast<size_t>(order.width) * 3;
  Simplices simplices{std::vector<Place>(corners), std::vector<float>(corners)};
  for (const Run& run : order.runs) {
    // Lanes beyond the run are computed for nobody.
    for (size_t lane = 0; lane < kLanes; ++lane) {
      features[lane] =
          static_cast<float>(run.pixel % order.width + static_cast<int64_t>(lane)) / sigma_x;
      features[kLanes + lane] = static_cast<float>(run.pixel / order.width) / sigma_y;
    }
    kernels.simplices(features.data(), kLanes, 2, scale.data(),
                      {cells.data(), ranks.data(), weights.data()});
    for (size_t lane = 0; lane < static_cast<size_t>(run.count); ++lane) {
      std::array<int, 2> key = {cells[lane] * 3, cells[kLanes + lane] * 3};
      for (size_t k = 0; k < kCorners; ++k) {
        const int e2 = -(key[0] + key[1]);
        const size_t c = (static_cast<size_t>(run.point) + lane) * kCorners + k;
        simplices.places[c] = {e2, (key[0] - e2) / 3 + (e2 >> 1)};
        simplices.weights[c] = weights[k * kLanes + lane];
        const int32_t next = ranks[(2 - k) * kLanes + lane];
        for (int i = 0; i < 2; ++i) key[static_cast<size_t>(i)] += next == i ? -2 : 1;
      }
    }
  }
  return simplices;
}

// The whole grid, with a border of two empty rows and columns on each side.
class Grid {
 public:
  static constexpr int kBorder = 2;

  // Nothing where it would be much larger than the points can fill.
  static std::optional<Grid> Around(std::span<const Place> places) {
    Grid grid;
    for (const Place& place : places) {
      grid.rows_.Add(place.row);
      grid.columns_.Add(place.column);
    }
    const int64_t cells = int64_t{grid.rows_.size()} * grid.columns_.size();
    if (cells > static_cast<int64_t>(places.size()) * 3 + 64) return std::nullopt;
    grid.stride_ = static_cast<size_t>(grid.columns_.size()) + 2 * kBorder;
    grid.is_vertex_.assign((static_cast<size_t>(grid.rows_.size()) + 2 * kBorder) * grid.stride_,
                           0);
    for (const Place& place : places) grid.is_vertex_[grid.At(place)] = 1;
    return grid;
  }

  size_t At(const Place& place) const {
    return static_cast<size_t>(place.row - rows_.first + kBorder) * stride_ +
           static_cast<size_t>(place.column - columns_.first + kBorder);
  }
  int64_t vertices() const { return std::count(is_vertex_.begin(), is_vertex_.end(), 1); }

  // Whether few places between the outermost vertices are none; a row and column around the grid
  // may be as rounding has it.
  bool IsDense() const {
    constexpr double kMostPlaces = 1.5;
    const double around = 2.0 * (rows_.size() + columns_.size());
    return double(rows_.size()) * columns_.size() <=
           kMostPlaces * static_cast<double>(vertices()) + around;
  }
  // The outermost columns that are vertices, by row.
  std::vector<Bounds> Extents() const {
    std::vector<Bounds> extents(static_cast<size_t>(rows_.size()));
    for (int row = rows_.first; row <= rows_.last; ++row)
      for (int column = columns_.first; column <= columns_.last; ++column)
        if (Has({row, column})) extents[static_cast<size_t>(row - rows_.first)].Add(column);
    return extents;
  }
  bool Has(const Place& place) const { return is_vertex_[At(place)] != 0; }
  int first_row() const { return rows_.first; }

  // Z of every point.
  std::vector<float> FilterOnes(const Simplices& simplices) const {
    std::vector<float> values(is_vertex_.size(), 0.0F);
    for (size_t c = 0; c < simplices.places.size(); ++c)
      values[At(simplices.places[c])] += simplices.weights[c];
    for (int axis = 0; axis < 3; ++axis) values = Blurred(values, axis);
    std::vector<float> ones(simplices.places.size() / kCorners, 0.0F);
    for (size_t c = 0; c < simplices.places.size(); ++c)
      ones[c / kCorners] += simplices.weights[c] * values[At(simplices.places[c])];
    for (float& one : ones) one *= LatticeFactor(2);
    return ones;
  }

 private:
  std::vector<float> Blurred(const std::vector<float>& values, int axis) const {
    std::vector<float> blurred(values.size(), 0.0F);
    for (int row = rows_.first; row <= rows_.last; ++row) {
      const int odd = row & 1;
      // Where the neighbours stand; see BlurGrid.
      const int rows = axis == 2 ? 2 : 1;
      const int before = axis == 0 ? odd : axis == 1 ? odd - 1 : 0;
      const int after = axis == 0 ? odd - 1 : axis == 1 ? odd : 0;
      for (int column = columns_.first; column <= columns_.last; ++column) {
        const size_t at = At({row, column});
        if (is_vertex_[at] == 0) continue;
        blurred[at] = values[at] + 0.5F * (values[At({row - rows, column + before})] +
                                           values[At({row + rows, column + after})]);
      }
    }
    return blurred;
  }

  Bounds rows_;
  Bounds columns_;
  size_t stride_ = 0;
  std::vector<uint8_t> is_vertex_;
};

// The rows of vertices that each row of pixels reaches, and the columns that each column does.
struct Reach {
  std::vector<Bounds> of_row;
  std::vector<Bounds> of_column;

  Reach(const PointOrder& order, std::span<const Place> places)
      : of_row(static_cast<size_t>(order.height)), of_column(static_cast<size_t>(order.width)) {
    for (const Run& run : order.runs)
      for (int i = 0; i < run.count; ++i)
        for (size_t k = 0; k < kCorners; ++k) {
          const Place& place = places[static_cast<size_t>(run.point + i) * kCorners + k];
          of_row[static_cast<size_t>(run.pixel / order.width)].Add(place.row);
          of_column[static_cast<size_t>(run.pixel % order.width + i)].Add(place.column);
        }
  }
};

// What reaches a region along one direction: pixels begin … end − 1, and the rows or columns of
// vertices that these reach in turn.
struct Band {
  int begin;
  int end;
  Bounds vertices;
  Bounds blurred;  // of these, those whose values the region needs in the end, or on the way there
};

Band BandOf(std::span<const Bounds> reach, int begin, int end, int around) {
  const auto of = [&](int pixel) { return reach[static_cast<size_t>(pixel)]; };
  Bounds needed;
  for (int i = begin; i < end; ++i) {
    needed.Add(of(i).first - around);
    needed.Add(of(i).last + around);
  }
  const auto reaches = [&](int pixel) {
    return of(pixel).last >= needed.first && of(pixel).first <= needed.last;
  };
  while (begin > 0 && reaches(begin - 1)) --begin;
  while (end < static_cast<int>(reach.size()) && reaches(end)) ++end;
  Band band{begin, end, {}, {needed.first + 1, needed.last - 1}};
  for (int i = begin; i < end; ++i) {
    band.vertices.Add(of(i).first);
    band.vertices.Add(of(i).last);
  }
  return band;
}

// A region's buffer, and the pixels that are splatted into it.
struct Plan {
  Band rows;
  Band columns;
  // The lattice's row and column of the buffer's first place.
  int first_row() const { return rows.vertices.first - kGridRowsBeyond; }
  int first_column() const { return columns.vertices.first - kGridColumnsBeyond; }
};

std::vector<Plan> PlanRegions(const PointOrder& order, const Reach& reach) {
  std::vector<Plan> plans;
  for (const Region& region : order.regions)
    plans.push_back({BandOf(reach.of_row, region.top, region.bottom, kRowsAround),
                     BandOf(reach.of_column, region.left, region.right, kColumnsAround)});
  return plans;
}

double SplattedPerPoint(const PointOrder& order, std::span<const Plan> plans) {
  double splatted = 0;
  for (const Plan& plan : plans)
    splatted += double(plan.rows.end - plan.rows.begin) * (plan.columns.end - plan.columns.begin);
  return splatted / (double(order.height) * order.width);
}

void AddRuns(const PointOrder& order, std::span<const Plan> plans, const Plan& plan,
             PositionLattice& lattice) {
  const int regions_of_a_row =
      (order.width + PointOrder::kRegionWidth - 1) / PointOrder::kRegionWidth;
  for (int y = plan.rows.begin; y < plan.rows.end; ++y) {
    const auto row_begin = static_cast<std::ptrdiff_t>(lattice.runs.size());
    for (int x = plan.columns.begin; x < plan.columns.end;) {
      const int run = x / kLanePoints;
      const int end = std::min(plan.columns.end, (run + 1) * kLanePoints);
      const int owner =
          y / PointOrder::kRegionHeight * regions_of_a_row + x / PointOrder::kRegionWidth;
      const Plan& from = plans[static_cast<size_t>(owner)];
      lattice.runs.push_back({static_cast<uint32_t>(order.PointOfRun(y, run) + x % kLanePoints),
                              static_cast<uint32_t>(end - x),
                              (from.first_row() - plan.first_row()) * lattice.columns +
                                  from.first_column() - plan.first_column()});
      x = end;
    }
    // Two are splatted at once: those of the same length side by side.
    std::stable_sort(lattice.runs.begin() + row_begin, lattice.runs.end(),
                     [](const GridRun& a, const GridRun& b) { return a.count > b.count; });
    if (lattice.runs.size() % 2 != 0) lattice.runs.push_back({0, 0, 0});
  }
}

void AddExtents(const Plan& plan, int rows, const Grid& grid, std::span<const Bounds> extents,
                PositionLattice& lattice) {
  const Bounds& columns = plan.columns.blurred;
  for (int i = 0; i < rows; ++i) {
    const int row = plan.first_row() + i;
    const auto holes = static_cast<int>(lattice.holes.size());
    RowExtent extent{0, 0, holes, holes};
    const int at = row - grid.first_row();
    if (plan.rows.blurred.Has(row) && at >= 0 && at < static_cast<int>(extents.size())) {
      const Bounds& whole = extents[static_cast<size_t>(at)];
      const Bounds own{std::max(columns.first, whole.first), std::min(columns.last, whole.last)};
      if (own.first <= own.last) {
        extent.begin = own.first - plan.first_column();
        extent.end = own.last + 1 - plan.first_column();
      }
      for (int column = own.first; column <= own.last; ++column)
        if (!grid.Has({row, column})) lattice.holes.push_back(column - plan.first_column());
      extent.end_hole = static_cast<int>(lattice.holes.size());
    }
    lattice.extents.push_back(extent);
  }
}

void MakeParts(const PointOrder& order, std::span<const Plan> plans, const Grid& grid,
               std::span<const Bounds> extents, PositionLattice& lattice) {
  for (const Plan& plan : plans)
    lattice.columns =
        std::max(lattice.columns, plan.columns.vertices.size() + 2 * kGridColumnsBeyond);
  // Planes begin on cache lines.
  lattice.columns = (lattice.columns + 3) / 4 * 4;
  for (const Plan& plan : plans) {
    const int rows = plan.rows.vertices.size() + 2 * kGridRowsBeyond;
    lattice.most_rows = std::max(lattice.most_rows, rows);
    PositionLattice::Part part{rows, (plan.first_row() & 1) != 0,
                               static_cast<uint32_t>(lattice.extents.size()),
                               static_cast<uint32_t>(lattice.runs.size()), 0};
    AddExtents(plan, rows, grid, extents, lattice);
    AddRuns(order, plans, plan, lattice);
    part.end_run = static_cast<uint32_t>(lattice.runs.size());
    lattice.parts.push_back(part);
  }
  lattice.runs.insert(lattice.runs.end(), 2 * kGridRunsAhead, GridRun{0, 0, 0});
}

void MakeCorners(const PointOrder& order, std::span<const Plan> plans, const Simplices& simplices,
                 std::span<const float> ones, Normalization normalization,
                 PositionLattice& lattice) {
  const float lattice_factor = LatticeFactor(2);
  const bool is_symmetric = normalization == Normalization::kSymmetric;
  lattice.slice.resize(simplices.places.size());
  if (!is_symmetric) lattice.splat.resize(simplices.places.size());
  for (size_t r = 0; r < order.regions.size(); ++r) {
    const Plan& plan = plans[r];
    for (auto p = static_cast<size_t>(order.regions[r].begin);
         p < static_cast<size_t>(order.regions[r].end); ++p) {
      Factors factors = FactorsFor(normalization, ones[p]);
      if (is_symmetric) {
        factors.after *= std::sqrt(lattice_factor);
      } else {
        factors.after *= lattice_factor;
      }
      for (size_t c = p * kCorners; c < (p + 1) * kCorners; ++c) {
        const Place& place = simplices.places[c];
        const auto index = static_cast<uint32_t>((place.row - plan.first_row()) * lattice.columns +
                                                 place.column - plan.first_column());
        lattice.slice[c] = {index, simplices.weights[c] * factors.after};
        if (!is_symmetric) lattice.splat[c] = {index, simplices.weights[c] * factors.before};
      }
    }
  }
}

}  // namespace

std::shared_ptr<const PositionLattice> BuildPositionLattice(const Kernels& kernels,
                                                            const PointOrder& order, float sigma_x,
                                                            float sigma_y,
                                                            Normalization normalization) {
  // Pixels further apart leave holes; and their places could be beyond integers.
  constexpr float kNarrowest = 0.25F;
  if (sigma_x < kNarrowest || sigma_y < kNarrowest) return nullptr;
  const Simplices simplices = ComputeSimplices(kernels, order, sigma_x, sigma_y);
  const std::optional<Grid> grid = Grid::Around(simplices.places);
  if (!grid || !grid->IsDense()) return nullptr;
  const Reach reach(order, simplices.places);
  const std::vector<Plan> plans = PlanRegions(order, reach);
  if (SplattedPerPoint(order, plans) > kMostSplatted) return nullptr;
  auto lattice = std::make_shared<PositionLattice>();
  lattice->vertices = grid->vertices();
  MakeParts(order, plans, *grid, grid->Extents(), *lattice);
  MakeCorners(order, plans, simplices, grid->FilterOnes(simplices), normalization, *lattice);
  return lattice;
}

}  // namespace i2crc::crf
