// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace i2crc::testing {

// The permutohedral lattice written down as ALGORITHM.md has it, for tests: a map from keys to
// vertices, values in double, nothing folded or sorted. Only the embedding is in float, since
// pixels on a grid lie on the borders of simplices, where rounding decides which vertices exist.
class ReferenceLattice {
 public:
  // features [dims, points], each divided by its σ.
  ReferenceLattice(const std::vector<float>& features, int dims)
      : dims_(dims), points_(features.size() / static_cast<size_t>(dims)) {
    std::vector<float> point(static_cast<size_t>(dims));
    for (size_t p = 0; p < points_; ++p) {
      for (size_t i = 0; i < point.size(); ++i) point[i] = features[i * points_ + p];
      AddPoint(point);
    }
    for (int axis = 0; axis <= dims_; ++axis) FindNeighbours(axis);
  }

  int64_t vertices() const { return static_cast<int64_t>(numbers_.size()); }
  size_t corners() const { return static_cast<size_t>(dims_) + 1; }
  double weight(size_t point, size_t corner) const {
    return corners_[point * corners() + corner].weight;
  }

  // values [rows, points] → the same shape.
  std::vector<double> Filter(const std::vector<double>& values, int rows) const {
    std::vector<double> filtered(values.size(), 0.0);
    const double scale = 1 / (1 + std::pow(2.0, -dims_));
    for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
      std::vector<double> at(numbers_.size(), 0.0);
      for (size_t c = 0; c < corners_.size(); ++c)
        at[corners_[c].vertex] += corners_[c].weight * values[row * points_ + c / corners()];
      for (const auto& neighbours : neighbours_) at = Blurred(at, neighbours);
      for (size_t c = 0; c < corners_.size(); ++c)
        filtered[row * points_ + c / corners()] +=
            corners_[c].weight * at[corners_[c].vertex] * scale;
    }
    return filtered;
  }

 private:
  using Key = std::vector<int64_t>;
  struct Corner {
    size_t vertex;
    double weight;
  };

  std::vector<float> Elevated(const std::vector<float>& point) const {
    std::vector<float> elevated(corners());
    float sum = 0;
    for (int j = dims_; j >= 1; --j) {
      // The side is rounded before it is used, as in the field's implementation.
      const float side = static_cast<float>((dims_ + 1) * std::sqrt(2.0 / 3.0));
      const double scale = 1 / std::sqrt(j * (j + 1.0)) * side;
      const float c = point[static_cast<size_t>(j - 1)] * static_cast<float>(scale);
      elevated[static_cast<size_t>(j)] = sum - static_cast<float>(j) * c;
      sum += c;
    }
    elevated[0] = sum;
    return elevated;
  }

  void AddPoint(const std::vector<float>& point) {
    const int side = dims_ + 1;
    const std::vector<float> elevated = Elevated(point);
    std::vector<int64_t> corner(corners());  // r
    std::vector<int> rank(corners(), 0);
    int64_t total = 0;
    for (size_t i = 0; i < corners(); ++i) {
      const auto cell = static_cast<int64_t>(std::floor(elevated[i] / static_cast<float>(side)));
      const int64_t down = cell * side;
      const int64_t up = down + side;
      const bool nearer =
          static_cast<float>(up) - elevated[i] < elevated[i] - static_cast<float>(down);
      corner[i] = nearer ? up : down;
      total += corner[i];
    }
    for (size_t i = 0; i < corners(); ++i)
      for (size_t j = i + 1; j < corners(); ++j)
        ++(elevated[i] - static_cast<float>(corner[i]) < elevated[j] - static_cast<float>(corner[j])
               ? rank[i]
               : rank[j]);
    for (size_t i = 0; i < corners(); ++i) {
      rank[i] += static_cast<int>(total / side);
      const int wrap = rank[i] < 0 ? side : rank[i] > dims_ ? -side : 0;
      rank[i] += wrap;
      corner[i] += wrap;
    }
    std::vector<double> weights(corners() + 1, 0.0);
    for (size_t i = 0; i < corners(); ++i) {
      const double v = (elevated[i] - static_cast<float>(corner[i])) / static_cast<float>(side);
      weights[static_cast<size_t>(dims_ - rank[i])] += v;
      weights[static_cast<size_t>(side - rank[i])] -= v;
    }
    weights[0] += 1 + weights[corners()];
    for (int k = 0; k < side; ++k) {
      Key key(static_cast<size_t>(dims_));
      for (size_t i = 0; i < key.size(); ++i)
        key[i] = corner[i] + (rank[i] <= dims_ - k ? k : k - side);
      const auto [found, is_new] = numbers_.try_emplace(std::move(key), numbers_.size());
      corners_.push_back({found->second, weights[static_cast<size_t>(k)]});
    }
  }

  // The vertices one step along the axis and one back; the missing ones have the number kNone.
  void FindNeighbours(int axis) {
    std::vector<std::pair<size_t, size_t>> neighbours(numbers_.size());
    const auto step = [&](Key key, int sign) {
      for (size_t i = 0; i < key.size(); ++i)
        key[i] += sign * (static_cast<int>(i) == axis ? dims_ : -1);
      const auto found = numbers_.find(key);
      return found == numbers_.end() ? kNone : found->second;
    };
    for (const auto& [key, number] : numbers_) neighbours[number] = {step(key, 1), step(key, -1)};
    neighbours_.push_back(std::move(neighbours));
  }

  static std::vector<double> Blurred(const std::vector<double>& at,
                                     const std::vector<std::pair<size_t, size_t>>& neighbours) {
    std::vector<double> blurred(at.size());
    for (size_t v = 0; v < at.size(); ++v) {
      const auto& [next, previous] = neighbours[v];
      blurred[v] = at[v] + 0.5 * ((next == kNone ? 0.0 : at[next]) +
                                  (previous == kNone ? 0.0 : at[previous]));
    }
    return blurred;
  }

  static constexpr size_t kNone = std::numeric_limits<size_t>::max();
  int dims_;
  size_t points_;
  std::map<Key, size_t> numbers_;
  std::vector<Corner> corners_;                                     // [points][d + 1]
  std::vector<std::vector<std::pair<size_t, size_t>>> neighbours_;  // by axis, by vertex
};

}  // namespace i2crc::testing
