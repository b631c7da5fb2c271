// SPDX-License-Identifier: Apache-2.0
#include "plain_lattice.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace i2crc::bench {
namespace {

// Adds to a sum the time that it lives.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// Vertices by their keys, which have d coordinates: the last one follows from the others.
class HashTable {
 public:
  explicit HashTable(size_t dims, size_t expected) : dims_(dims) {
    size_t slots = 1024;
    while (slots < 2 * expected) slots *= 2;
    slots_.assign(slots, 0);
    keys_.reserve(expected * dims);
  }

  size_t size() const { return keys_.size() / dims_; }
  // Of vertex number 1 … size().
  const int32_t* key(size_t vertex) const { return &keys_[(vertex - 1) * dims_]; }

  // The number of the vertex; 0 where it is not there.
  uint32_t Find(const int32_t* key) const { return slots_[SlotOf(key)]; }

  uint32_t FindOrAdd(const int32_t* key) {
    size_t slot = SlotOf(key);
    if (slots_[slot] != 0) return slots_[slot];
    if (2 * (size() + 1) > slots_.size()) {
      Grow();
      slot = SlotOf(key);
    }
    keys_.insert(keys_.end(), key, key + dims_);
    return slots_[slot] = static_cast<uint32_t>(size());
  }

 private:
  // Where the key stands, or the free slot that it would be put into.
  size_t SlotOf(const int32_t* key) const {
    uint64_t hash = 0;
    for (size_t i = 0; i < dims_; ++i)
      hash = (hash + static_cast<uint32_t>(key[i])) * 0x9E3779B97F4A7C15u;
    size_t slot = (hash >> 32) & (slots_.size() - 1);
    while (slots_[slot] != 0 && !std::equal(key, key + dims_, this->key(slots_[slot])))
      slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }
  void Grow() {
    slots_.assign(slots_.size() * 2, 0);
    for (uint32_t vertex = 1; vertex <= size(); ++vertex) slots_[SlotOf(key(vertex))] = vertex;
  }

  size_t dims_;
  std::vector<uint32_t> slots_;
  std::vector<int32_t> keys_;
};

// The simplex around one point after another.
class Simplex {
 public:
  explicit Simplex(size_t dims)
      : dims_(dims),
        side_(static_cast<float>(dims + 1)),
        scale_(dims),
        elevated_(dims + 1),
        nearest_(dims + 1),
        rank_(dims + 1),
        weights_(dims + 2) {
    for (size_t j = 0; j < dims; ++j)
      scale_[j] = side_ * std::sqrt(2.0F / 3.0F / static_cast<float>((j + 1) * (j + 2)));
  }

  void Enclose(const float* feature) {
    Elevate(feature);
    RoundToNearest();
    Rank();
    Weigh();
  }
  float weight(size_t k) const { return weights_[k]; }
  // The first d coordinates of vertex k.
  void Key(size_t k, int32_t* key) const {
    const auto d = static_cast<int32_t>(dims_);
    const auto residue = static_cast<int32_t>(k);
    for (size_t i = 0; i < dims_; ++i)
      key[i] = nearest_[i] + residue - (rank_[i] <= d - residue ? 0 : d + 1);
  }

 private:
  // Into the plane of d + 1 coordinates whose sum is 0.
  void Elevate(const float* feature) {
    float sum = 0;
    for (size_t j = dims_; j > 0; --j) {
      const float c = feature[j - 1] * scale_[j - 1];
      elevated_[j] = sum - static_cast<float>(j) * c;
      sum += c;
    }
    elevated_[0] = sum;
  }
  void RoundToNearest() {
    cells_ = 0;
    for (size_t i = 0; i <= dims_; ++i) {
      const float cell = elevated_[i] / side_;
      const float below = std::floor(cell);
      const float above = std::ceil(cell);
      const float chosen =
          above * side_ - elevated_[i] < elevated_[i] - below * side_ ? above : below;
      cells_ += static_cast<int32_t>(chosen);
      nearest_[i] = static_cast<int32_t>(chosen) * static_cast<int32_t>(dims_ + 1);
    }
  }
  // The order of the distances; and where the nearest multiples do not sum up to 0, those that are
  // farthest off give way.
  void Rank() {
    const auto d = static_cast<int32_t>(dims_);
    std::fill(rank_.begin(), rank_.end(), cells_);
    for (size_t i = 0; i < dims_; ++i) {
      const float distance = elevated_[i] - static_cast<float>(nearest_[i]);
      for (size_t j = i + 1; j <= dims_; ++j)
        ++rank_[distance < elevated_[j] - static_cast<float>(nearest_[j]) ? i : j];
    }
    for (size_t i = 0; i <= dims_; ++i) {
      const int32_t turn = rank_[i] < 0 ? d + 1 : rank_[i] > d ? -(d + 1) : 0;
      rank_[i] += turn;
      nearest_[i] += turn;
    }
  }
  // Barycentric.
  void Weigh() {
    std::fill(weights_.begin(), weights_.end(), 0.0F);
    for (size_t i = 0; i <= dims_; ++i) {
      const float v = (elevated_[i] - static_cast<float>(nearest_[i])) / side_;
      const size_t k = dims_ - static_cast<size_t>(rank_[i]);
      weights_[k] += v;
      weights_[k + 1] -= v;
    }
    weights_[0] += 1.0F + weights_[dims_ + 1];
  }

  size_t dims_;
  float side_;
  std::vector<float> scale_;
  std::vector<float> elevated_;
  std::vector<int32_t> nearest_;
  std::vector<int32_t> rank_;
  int32_t cells_ = 0;  // sum of nearest / (d + 1)
  std::vector<float> weights_;
};

// to += weight · from, for one row of labels.
inline void AddRow(float weight, const float* __restrict from, float* __restrict to,
                   size_t labels) {
  for (size_t l = 0; l < labels; ++l) to[l] += weight * from[l];
}

}  // namespace

PlainLattice::PlainLattice(std::span<const float> features, int dims)
    : dims_(dims), points_(static_cast<int64_t>(features.size()) / dims) {
  const auto d = static_cast<size_t>(dims);
  const auto points = static_cast<size_t>(points_);
  HashTable table(d, points);
  Simplex simplex(d);
  std::vector<int32_t> key(d);
  corners_.resize(points * (d + 1));
  weights_.resize(points * (d + 1));
  for (size_t p = 0; p < points; ++p) {
    simplex.Enclose(&features[p * d]);
    for (size_t k = 0; k <= d; ++k) {
      simplex.Key(k, key.data());
      corners_[p * (d + 1) + k] = table.FindOrAdd(key.data());
      weights_[p * (d + 1) + k] = simplex.weight(k);
    }
  }

  vertices_ = static_cast<int64_t>(table.size());
  neighbours_.reserve((d + 1) * table.size());
  std::vector<int32_t> minus(d);
  for (size_t axis = 0; axis <= d; ++axis) {
    for (size_t vertex = 1; vertex <= table.size(); ++vertex) {
      for (size_t i = 0; i < d; ++i) {
        const int32_t step = i == axis ? dims : -1;
        key[i] = table.key(vertex)[i] + step;
        minus[i] = table.key(vertex)[i] - step;
      }
      neighbours_.push_back({table.Find(key.data()), table.Find(minus.data())});
    }
  }
}

int64_t PlainLattice::Connected(int axis) const {
  const auto begin = neighbours_.begin() + axis * vertices_;
  return std::count_if(begin, begin + vertices_,
                       [](const Neighbours& n) { return n.plus != 0 || n.minus != 0; });
}

void PlainLattice::Splat(const std::vector<float>& in, int labels) {
  const auto row = static_cast<size_t>(labels);
  const auto d = static_cast<size_t>(dims_);
  values_.assign((1 + static_cast<size_t>(vertices_)) * row, 0.0F);
  for (size_t p = 0; p < static_cast<size_t>(points_); ++p)
    for (size_t c = p * (d + 1); c < (p + 1) * (d + 1); ++c)
      AddRow(weights_[c], &in[p * row], &values_[corners_[c] * row], row);
}

void PlainLattice::Blur(int labels) {
  const auto row = static_cast<size_t>(labels);
  const auto vertices = static_cast<size_t>(vertices_);
  blurred_.resize(values_.size());
  std::fill_n(blurred_.begin(), row, 0.0F);
  for (size_t axis = 0; axis <= static_cast<size_t>(dims_); ++axis) {
    const Neighbours* neighbours = &neighbours_[axis * vertices];
    for (size_t v = 1; v <= vertices; ++v) {
      const float* __restrict from = &values_[v * row];
      const float* __restrict plus = &values_[neighbours[v - 1].plus * row];
      const float* __restrict minus = &values_[neighbours[v - 1].minus * row];
      float* __restrict to = &blurred_[v * row];
      for (size_t l = 0; l < row; ++l) to[l] = from[l] + 0.5F * (plus[l] + minus[l]);
    }
    std::swap(values_, blurred_);
  }
}

void PlainLattice::Slice(int labels, std::vector<float>& out) const {
  const auto row = static_cast<size_t>(labels);
  const auto d = static_cast<size_t>(dims_);
  const float alpha = 1.0F / (1.0F + std::ldexp(1.0F, -dims_));
  out.assign(static_cast<size_t>(points_) * row, 0.0F);
  for (size_t p = 0; p < static_cast<size_t>(points_); ++p)
    for (size_t c = p * (d + 1); c < (p + 1) * (d + 1); ++c)
      AddRow(weights_[c] * alpha, &values_[corners_[c] * row], &out[p * row], row);
}

void PlainLattice::Filter(const std::vector<float>& in, int labels, std::vector<float>& out,
                          PlainTimes& times) {
  {
    const Stopwatch watch(times.splat);
    Splat(in, labels);
  }
  {
    const Stopwatch watch(times.blur);
    Blur(labels);
  }
  const Stopwatch watch(times.slice);
  Slice(labels, out);
}

PlainCrf::PlainCrf(int labels, int height, int width)
    : labels_(labels), height_(height), width_(width) {}

void PlainCrf::SetUnary(std::span<const float> energy) {
  const Stopwatch watch(times_.update);
  const auto labels = static_cast<size_t>(labels_);
  const size_t pixels = energy.size() / labels;
  negative_unary_.resize(energy.size());
  for (size_t l = 0; l < labels; ++l)
    for (size_t p = 0; p < pixels; ++p) negative_unary_[p * labels + l] = -energy[l * pixels + p];
}

void PlainCrf::AddGaussian(float sigma, float weight) {
  const Stopwatch watch(times_.build);
  std::vector<float> features;
  features.reserve(static_cast<size_t>(height_) * static_cast<size_t>(width_) * 2);
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x)
      features.insert(features.end(),
                      {static_cast<float>(x) / sigma, static_cast<float>(y) / sigma});
  AddTerm(features, 2, weight);
}

void PlainCrf::AddBilateral(float sigma_xy, float sigma_rgb, std::span<const uint8_t> rgb,
                            float weight) {
  const Stopwatch watch(times_.build);
  std::vector<float> features;
  features.reserve(rgb.size() / 3 * 5);
  const uint8_t* colour = rgb.data();
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x, colour += 3)
      features.insert(
          features.end(),
          {static_cast<float>(x) / sigma_xy, static_cast<float>(y) / sigma_xy,
           static_cast<float>(colour[0]) / sigma_rgb, static_cast<float>(colour[1]) / sigma_rgb,
           static_cast<float>(colour[2]) / sigma_rgb});
  AddTerm(features, 5, weight);
}

void PlainCrf::AddTerm(std::span<const float> features, int dims, float weight) {
  Term term{PlainLattice(features, dims), weight, {}};
  PlainTimes counted_as_build;
  const std::vector<float> ones(static_cast<size_t>(term.lattice.points()), 1.0F);
  term.lattice.Filter(ones, 1, term.scale, counted_as_build);
  for (float& z : term.scale) z = 1.0F / std::sqrt(z + 1e-20F);
  terms_.push_back(std::move(term));
}

void PlainCrf::Softmax() {
  const auto labels = static_cast<size_t>(labels_);
  marginals_.resize(energy_.size());
  for (size_t begin = 0; begin < energy_.size(); begin += labels) {
    const float* energy = &energy_[begin];
    float* marginals = &marginals_[begin];
    const float largest = *std::max_element(energy, energy + labels);
    float sum = 0;
    for (size_t l = 0; l < labels; ++l) sum += marginals[l] = std::exp(energy[l] - largest);
    const float inverse = 1.0F / sum;
    for (size_t l = 0; l < labels; ++l) marginals[l] *= inverse;
  }
}

void PlainCrf::Infer(int iterations) {
  const auto labels = static_cast<size_t>(labels_);
  {
    const Stopwatch watch(times_.update);
    energy_ = negative_unary_;
    Softmax();
  }
  std::vector<float> scaled(marginals_.size());
  for (int iteration = 0; iteration < iterations; ++iteration) {
    energy_ = negative_unary_;
    for (Term& term : terms_) {
      const size_t pixels = term.scale.size();
      {
        const Stopwatch watch(times_.update);
        for (size_t p = 0; p < pixels; ++p)
          for (size_t l = p * labels; l < (p + 1) * labels; ++l)
            scaled[l] = marginals_[l] * term.scale[p];
      }
      term.lattice.Filter(scaled, labels_, filtered_, times_);
      const Stopwatch watch(times_.update);
      for (size_t p = 0; p < pixels; ++p)
        AddRow(term.weight * term.scale[p], &filtered_[p * labels], &energy_[p * labels], labels);
    }
    const Stopwatch watch(times_.update);
    Softmax();
  }
}

void PlainCrf::Marginals(std::span<float> marginals) const {
  const auto labels = static_cast<size_t>(labels_);
  const size_t pixels = marginals.size() / labels;
  for (size_t l = 0; l < labels; ++l)
    for (size_t p = 0; p < pixels; ++p) marginals[l * pixels + p] = marginals_[p * labels + l];
}

void PlainCrf::ArgMax(std::span<int32_t> labels) const {
  const auto count = static_cast<size_t>(labels_);
  for (size_t p = 0; p < labels.size(); ++p) {
    const auto row = marginals_.begin() + static_cast<ptrdiff_t>(p * count);
    labels[p] = static_cast<int32_t>(std::max_element(row, row + labels_) - row);
  }
}

}  // namespace i2crc::bench
