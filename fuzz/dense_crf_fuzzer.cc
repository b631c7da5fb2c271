// SPDX-License-Identifier: Apache-2.0
// Calls on one DenseCrf, chosen by the bytes, in any order and with any numbers: what is accepted
// gives distributions without NaN, and what is refused is refused with the exceptions of the
// header. Images are tiny; the numbers are not.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "i2crc/crf/dense_crf.h"

namespace {

namespace crf = i2crc::crf;

constexpr int kMaxCalls = 24;
constexpr int kMaxTerms = 6;
constexpr size_t kMaxValues = 4096;  // of labels times pixels

void Check(bool holds, const char* what, double value = 0) {
  if (holds) return;
  std::fprintf(stderr, "%s: %g\n", what, value);
  std::abort();
}

// Numbers out of the bytes; zeros when they are used up.
class Bytes {
 public:
  explicit Bytes(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  int Below(size_t count) { return static_cast<int>(Byte() % count); }
  // Mostly numbers that mean something; else the borders of floats, or any bits.
  float Number() {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kMax = std::numeric_limits<float>::max();
    constexpr std::array kBorders{
        0.0F,   -0.0F,  1.0F,    -1.0F,     1e-5F,      1e-20F,
        1e-38F, 1e-45F, 1e5F,    1e10F,     1e20F,      1e30F,
        kMax,   -kMax,  -1e20F,  -1e30F,    0x1p22F,    1e7F,
        0.5F,   3e-6F,  65504.F, kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
    const int kind = Byte();
    if (kind < 160) return static_cast<float>(kind + 1) / 16;
    if (kind < 230) return static_cast<float>(int8_t(Byte())) / 8;
    if (kind < 250) return kBorders[Byte() % kBorders.size()];
    std::array<uint8_t, 4> bits{Byte(), Byte(), Byte(), Byte()};
    float value;
    std::memcpy(&value, bits.data(), sizeof(value));
    return value;
  }
  // Many values from few bytes: one kind of them, and one that differs.
  std::vector<float> Numbers(size_t count) {
    std::mt19937 random(Byte());
    const float scale = Number();
    const float offset = Number();
    const bool whole = Byte() % 2 != 0;
    std::vector<float> values(count);
    for (float& value : values) {
      const float uniform = static_cast<float>(random() >> 8) * 0x1p-24F;
      value = scale * (whole ? std::round(4 * uniform) : uniform) + offset;
    }
    const size_t odd = Byte();
    const float other = Number();
    if (!values.empty() && odd < 128) values[odd % values.size()] = other;
    return values;
  }

 private:
  std::span<const uint8_t> bytes_;
};

class Caller {
 public:
  Caller(std::span<const uint8_t> input) : bytes_(input) {}

  void Run() {
    MakeCrf();
    Refusable([&] { Reset(); });
    for (int call = 0; call < kMaxCalls && !bytes_.empty(); ++call) Refusable([&] { CallOne(); });
    if (crf_->labels() == 0) return;
    Refusable([&] { CheckMarginals(); });
  }

 private:
  // Only these exceptions, each with what it is about in front.
  template <typename Call>
  void Refusable(const Call& call) {
    try {
      call();
    } catch (const std::invalid_argument& error) {
      const std::string message = error.what();
      Check(message.find(':') != std::string::npos && message.find(':') > 0, "no argument named");
    } catch (const std::logic_error& error) {
      Check(std::string(error.what()).starts_with("DenseCrf: "), "another logic_error");
    }
  }

  void MakeCrf() {
    const auto sets = crf::AvailableInstructionSets();
    constexpr std::array kPrecisions{crf::Precision::kAuto, crf::Precision::kSingle,
                                     crf::Precision::kPacked};
    crf::DenseCrfOptions options;
    const int choice = bytes_.Byte();
    options.instruction_set = sets[static_cast<size_t>(choice) % sets.size()];
    options.precision = kPrecisions[static_cast<size_t>(choice) / 8 % 3];
    options.threads = choice >= 240 ? 3 : 1;
    try {
      crf_ = std::make_unique<crf::DenseCrf>(options);
    } catch (const std::invalid_argument&) {
      Check(options.precision == crf::Precision::kPacked, "options refused");
      options.precision = crf::Precision::kAuto;
      crf_ = std::make_unique<crf::DenseCrf>(options);
    }
  }

  size_t pixels() const { return static_cast<size_t>(crf_->pixels()); }
  size_t values() const { return static_cast<size_t>(crf_->labels()) * pixels(); }
  // Now and then one value too many or too few.
  size_t Near(size_t count) {
    const int change = bytes_.Byte();
    return change == 255 ? count + 1 : change == 254 && count > 0 ? count - 1 : count;
  }

  void Reset() {
    constexpr std::array kOddLabels{0, -1, 65537, std::numeric_limits<int>::max(),
                                    std::numeric_limits<int>::min()};
    int labels = 1 + bytes_.Below(45);
    int height = 1 + bytes_.Below(24);
    int width = 1 + bytes_.Below(40);
    const int odd = bytes_.Byte();
    if (odd >= 128 && odd < 160) labels = 300;
    if (static_cast<size_t>(labels * height * width) > kMaxValues) {
      height = 1;
      width = 1 + width % 12;
    }
    if (odd == 255) height = -height;
    if (odd == 254) width = 0;
    if (odd == 253) height = width = 1 << 30;
    if (odd == 252) labels = kOddLabels[static_cast<size_t>(bytes_.Below(kOddLabels.size()))];
    if (odd == 251) height = 1;
    if (odd == 250) width = 1;
    crf_->Reset(labels, height, width);
    has_distribution_ = false;
    Check(values() <= kMaxValues, "a size was accepted that should not be");
  }

  crf::Compatibility Compatibility() {
    const auto labels = static_cast<size_t>(crf_->labels());
    switch (bytes_.Below(4)) {
      case 0:
        return crf::Compatibility::PerLabel(bytes_.Numbers(Near(labels)));
      case 1:
        return crf::Compatibility::Matrix(bytes_.Numbers(Near(labels * labels)));
      default:
        return crf::Compatibility::Potts(bytes_.Number());
    }
  }
  crf::Normalization Normalization() {
    constexpr std::array kAll{crf::Normalization::kSymmetric, crf::Normalization::kNone,
                              crf::Normalization::kBefore, crf::Normalization::kAfter};
    return kAll[static_cast<size_t>(bytes_.Below(4))];
  }

  void AddTerm(int kind) {
    if (crf_->lattice_sizes().size() >= kMaxTerms) return;
    const size_t terms = crf_->lattice_sizes().size();
    const crf::Compatibility compatibility = Compatibility();
    const crf::Normalization normalization = Normalization();
    if (kind == 0) {
      const float sigma_x = bytes_.Number(), sigma_y = bytes_.Number();
      crf_->AddGaussian(sigma_x, sigma_y, compatibility, normalization);
    } else if (kind == 1) {
      const float sigma_x = bytes_.Number(), sigma_y = bytes_.Number();
      const std::array sigma_rgb{bytes_.Number(), bytes_.Number(), bytes_.Number()};
      std::mt19937 random(bytes_.Byte());
      const uint32_t range = 1u + bytes_.Byte();
      std::vector<uint8_t> rgb(Near(3 * pixels()));
      for (uint8_t& value : rgb) value = static_cast<uint8_t>(random() % range);
      crf_->AddBilateral(sigma_x, sigma_y, sigma_rgb, rgb, compatibility, normalization);
    } else {
      const int dims = bytes_.Below(8) == 0 ? bytes_.Below(36) - 1 : 1 + bytes_.Below(7);
      const size_t rows = dims > 0 ? static_cast<size_t>(dims) : 0;
      const std::vector<float> features = bytes_.Numbers(Near(rows * pixels()));
      crf_->AddFeatures(features, dims, compatibility, normalization);
    }
    Check(crf_->lattice_sizes().size() == terms + 1, "a term got lost");
    Check(crf_->lattice_sizes().back() >= 1, "a lattice without vertices");
  }

  void CheckMarginals() {
    std::vector<float> marginals(values());
    crf_->Marginals(marginals);
    std::vector<int32_t> best(pixels());
    crf_->ArgMax(best);
    for (size_t p = 0; p < pixels(); ++p) {
      double sum = 0;
      for (size_t i = p; i < marginals.size(); i += pixels()) {
        Check(std::isfinite(marginals[i]) && marginals[i] >= 0, "a marginal is not a probability",
              double{marginals[i]});
        sum += marginals[i];
      }
      if (has_distribution_) Check(std::abs(sum - 1) < 1e-3, "marginals do not sum to 1", sum);
      Check(best[p] >= 0 && best[p] < crf_->labels(), "a best label is none");
      for (size_t i = p; i < marginals.size(); i += pixels())
        Check(marginals[i] <= marginals[static_cast<size_t>(best[p]) * pixels() + p],
              "a best label is not the best");
    }
  }
  void CheckDivergence(double divergence) {
    if (has_distribution_) Check(!std::isnan(divergence), "a divergence is NaN");
  }

  void Infer() {
    const int iterations = bytes_.Below(6) - 1;
    const bool with_divergence = bytes_.Byte() % 2 != 0;
    if (with_divergence) {
      const std::vector<double> divergence = crf_->InferWithDivergence(iterations);
      has_distribution_ = true;
      Check(divergence.size() == static_cast<size_t>(iterations) + 1, "divergences are missing");
      for (const double value : divergence) CheckDivergence(value);
    } else {
      crf_->Infer(iterations);
      has_distribution_ = true;
    }
    CheckMarginals();
  }

  void CallOne() {
    switch (bytes_.Below(16)) {
      case 0:
        return Reset();
      case 1:
      case 2:
        return crf_->SetUnary(bytes_.Numbers(Near(values())));
      case 3: {
        const std::vector<float> probability = bytes_.Numbers(Near(values()));
        const int odd = bytes_.Byte();
        return odd < 128 ? crf_->SetProbability(probability)
                         : crf_->SetProbability(probability, bytes_.Number());
      }
      case 4:
      case 5:
        return AddTerm(0);
      case 6:
      case 7:
        return AddTerm(1);
      case 8:
        return AddTerm(2);
      case 9:
        crf_->Start();
        has_distribution_ = true;
        return;
      case 10:
      case 11:
        crf_->Step();
        has_distribution_ = true;
        return CheckMarginals();
      case 12:
        crf_->SetMarginals(bytes_.Numbers(Near(values())));
        has_distribution_ = false;
        return;
      case 13:
        return CheckDivergence(crf_->Divergence());
      default:
        return Infer();
    }
  }

  Bytes bytes_;
  std::unique_ptr<crf::DenseCrf> crf_;
  bool has_distribution_ = false;  // the marginals are some, of the engine's own making
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size <= 4096) Caller({data, size}).Run();
  return 0;
}
