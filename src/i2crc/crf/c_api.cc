// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/c_api.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/crf/dense_crf.h"

struct I2crcCrf {
  i2crc::crf::DenseCrf crf;
};

namespace i2crc::crf {
namespace {

// Fixed, so that telling of an error cannot fail.
thread_local std::array<char, 512> last_error = {};

int Failed(I2crcCrfStatus status, const char* message) {
  std::snprintf(last_error.data(), last_error.size(), "%s", message);
  return status;
}

// Runs what may throw and says how it ended.
template <typename Work>
int Status(const Work& work) {
  try {
    work();
    return I2CRC_CRF_OK;
  } catch (const std::invalid_argument& error) {
    return Failed(I2CRC_CRF_INVALID_ARGUMENT, error.what());
  } catch (const std::length_error&) {  // a vector beyond what can be
    return Failed(I2CRC_CRF_OUT_OF_MEMORY, "out of memory");
  } catch (const std::bad_alloc&) {
    return Failed(I2CRC_CRF_OUT_OF_MEMORY, "out of memory");
  } catch (const std::logic_error& error) {
    return Failed(I2CRC_CRF_OUT_OF_ORDER, error.what());
  } catch (const std::exception& error) {
    return Failed(I2CRC_CRF_INTERNAL_ERROR, error.what());
  } catch (...) {
    return Failed(I2CRC_CRF_INTERNAL_ERROR, "unknown exception");
  }
}

template <typename T>
T* Required(const char* name, T* pointer) {
  if (pointer == nullptr) throw std::invalid_argument(std::string(name) + ": NULL");
  return pointer;
}

// No elements may well stand at NULL: whether that many are right is the callee's to say.
template <typename T>
std::span<T> Array(const char* name, T* values, size_t count) {
  if (count > 0) Required(name, values);
  return {values, count};
}

template <typename Enum, size_t N>
Enum Choice(const char* name, int value, const std::array<Enum, N>& choices) {
  if (value < 0 || static_cast<size_t>(value) >= N)
    throw std::invalid_argument(std::string(name) + ": " + std::to_string(value) +
                                ", expected 0 to " + std::to_string(N - 1));
  return choices[static_cast<size_t>(value)];
}

Normalization NormalizationOf(int value) {
  return Choice("normalization", value,
                std::array{Normalization::kNone, Normalization::kBefore, Normalization::kAfter,
                           Normalization::kSymmetric});
}

DenseCrfOptions OptionsOf(const I2crcCrfOptions* options) {
  if (options == nullptr) return {};
  return {
      .threads = options->threads,
      .instruction_set = Choice("instruction_set", options->instruction_set,
                                std::array{InstructionSet::kBest, InstructionSet::kPortable,
                                           InstructionSet::kAvx2, InstructionSet::kAvx512}),
      .precision = Choice("precision", options->precision,
                          std::array{Precision::kAuto, Precision::kSingle, Precision::kPacked})};
}

Compatibility CompatibilityOf(const I2crcCrfCompatibility* given) {
  Required("compatibility", given);
  const auto values = Array("compatibility values", given->values, given->count);
  const std::vector<float> copy(values.begin(), values.end());
  switch (given->kind) {
    case I2CRC_CRF_POTTS:
      if (copy.size() != 1)
        throw std::invalid_argument("compatibility count: " + std::to_string(copy.size()) +
                                    ", a Potts weight is 1 value");
      return Compatibility::Potts(copy[0]);
    case I2CRC_CRF_PER_LABEL:
      return Compatibility::PerLabel(copy);
    case I2CRC_CRF_MATRIX:
      return Compatibility::Matrix(copy);
    default:
      throw std::invalid_argument("compatibility kind: " + std::to_string(given->kind) +
                                  ", expected 0 to 2");
  }
}

DenseCrf& Object(I2crcCrf* crf) { return Required("crf", crf)->crf; }
const DenseCrf& Object(const I2crcCrf* crf) { return Required("crf", crf)->crf; }

}  // namespace
}  // namespace i2crc::crf

using namespace i2crc::crf;

const char* i2crc_crf_last_error(void) { return last_error.data(); }

int i2crc_crf_create(const I2crcCrfOptions* options, I2crcCrf** crf) {
  return Status([&] {
    Required("crf", crf);
    *crf = new I2crcCrf{DenseCrf(OptionsOf(options))};
  });
}

int i2crc_crf_destroy(I2crcCrf* crf) {
  return Status([&] { delete crf; });
}

int i2crc_crf_reset(I2crcCrf* crf, int labels, int height, int width) {
  return Status([&] { Object(crf).Reset(labels, height, width); });
}

int i2crc_crf_size(const I2crcCrf* crf, int* labels, int* height, int* width) {
  return Status([&] {
    const DenseCrf& problem = Object(crf);
    Required("labels", labels);
    Required("height", height);
    Required("width", width);
    *labels = problem.labels();
    *height = problem.height();
    *width = problem.width();
  });
}

int i2crc_crf_set_unary(I2crcCrf* crf, const float* energy, size_t count) {
  return Status([&] { Object(crf).SetUnary(Array("energy", energy, count)); });
}

int i2crc_crf_set_probability(I2crcCrf* crf, const float* probability, size_t count, float clip) {
  return Status(
      [&] { Object(crf).SetProbability(Array("probability", probability, count), clip); });
}

int i2crc_crf_add_gaussian(I2crcCrf* crf, float sigma_x, float sigma_y,
                           const I2crcCrfCompatibility* compatibility, int normalization) {
  return Status([&] {
    Object(crf).AddGaussian(sigma_x, sigma_y, CompatibilityOf(compatibility),
                            NormalizationOf(normalization));
  });
}

int i2crc_crf_add_bilateral(I2crcCrf* crf, float sigma_x, float sigma_y, const float* sigma_rgb,
                            const uint8_t* rgb, size_t rgb_count,
                            const I2crcCrfCompatibility* compatibility, int normalization) {
  return Status([&] {
    DenseCrf& problem = Object(crf);
    std::array<float, 3> sigmas = {};
    std::copy_n(Required("sigma_rgb", sigma_rgb), sigmas.size(), sigmas.begin());
    problem.AddBilateral(sigma_x, sigma_y, sigmas, Array("rgb", rgb, rgb_count),
                         CompatibilityOf(compatibility), NormalizationOf(normalization));
  });
}

int i2crc_crf_add_features(I2crcCrf* crf, const float* features, size_t count, int dims,
                           const I2crcCrfCompatibility* compatibility, int normalization) {
  return Status([&] {
    Object(crf).AddFeatures(Array("features", features, count), dims,
                            CompatibilityOf(compatibility), NormalizationOf(normalization));
  });
}

int i2crc_crf_add_preset(I2crcCrf* crf, int preset, const uint8_t* rgb, size_t rgb_count,
                         int* iterations) {
  return Status([&] {
    const PairwiseSettings settings = SettingsOf(
        Choice("preset", preset, std::array{Preset::kDeeplab, Preset::kPsa, Preset::kIrn}));
    DenseCrf& problem = Object(crf);
    // Both terms or none: what is wrong with the second must be known before the first.
    const auto colours = Array("rgb", rgb, rgb_count);
    if (problem.labels() > 0 && std::cmp_not_equal(rgb_count, 3 * problem.pixels()))
      throw std::invalid_argument("rgb: " + std::to_string(rgb_count) + " values, expected " +
                                  std::to_string(3 * problem.pixels()));
    AddTerms(problem, settings, colours);
    if (iterations != nullptr) *iterations = settings.iterations;
  });
}

int i2crc_crf_infer(I2crcCrf* crf, int iterations) {
  return Status([&] { Object(crf).Infer(iterations); });
}

int i2crc_crf_infer_with_divergence(I2crcCrf* crf, int iterations, double* divergence,
                                    size_t count) {
  return Status([&] {
    DenseCrf& problem = Object(crf);
    // Before the work: a wrong size should not cost an inference.
    const auto values = Array("divergence", divergence, count);
    if (iterations >= 0 && values.size() != static_cast<size_t>(iterations) + 1)
      throw std::invalid_argument("divergence count: " + std::to_string(count) +
                                  ", expected iterations + 1");
    const std::vector<double> divergences = problem.InferWithDivergence(iterations);
    std::copy(divergences.begin(), divergences.end(), values.begin());
  });
}

int i2crc_crf_start(I2crcCrf* crf) {
  return Status([&] { Object(crf).Start(); });
}

int i2crc_crf_step(I2crcCrf* crf) {
  return Status([&] { Object(crf).Step(); });
}

int i2crc_crf_set_marginals(I2crcCrf* crf, const float* marginals, size_t count) {
  return Status([&] { Object(crf).SetMarginals(Array("marginals", marginals, count)); });
}

int i2crc_crf_divergence(I2crcCrf* crf, double* divergence) {
  return Status([&] {
    Required("divergence", divergence);
    *divergence = Object(crf).Divergence();
  });
}

int i2crc_crf_marginals(const I2crcCrf* crf, float* marginals, size_t count) {
  return Status([&] { Object(crf).Marginals(Array("marginals", marginals, count)); });
}

int i2crc_crf_argmax(const I2crcCrf* crf, int32_t* labels, size_t count) {
  return Status([&] { Object(crf).ArgMax(Array("labels", labels, count)); });
}
