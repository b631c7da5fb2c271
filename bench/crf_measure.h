// SPDX-License-Identifier: Apache-2.0
// The measurements of dense_crf_bench, without their printing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "crf_workload.h"
#include "i2crc/core/image.h"
#include "i2crc/crf/dense_crf.h"
#include "plain_lattice.h"

namespace i2crc::bench {

struct MeasureOptions {
  int repetitions = 5;
  int batch_repetitions = 3;
  double batch_seconds = 1.5;  // a batch has as many images as one thread does in this time
  int copy_rounds = 8;
  crf::InstructionSet instruction_set = crf::InstructionSet::kBest;
  crf::Precision precision = crf::Precision::kAuto;

  crf::DenseCrfOptions Crf(int threads) const { return {threads, instruction_set, precision}; }
};

// How far two answers to one problem are from each other.
struct Agreement {
  double labels_equal = 0;  // of all pixels
  double largest_difference = 0;
  double mean_difference = 0;
  // What the goldens ask for: labels equal on 99.99 %, marginals within 0.002.
  bool good() const { return labels_equal >= 0.9999 && largest_difference <= 0.002; }
};

// The goldens' answer against the peer's and against ours.
struct GoldenAgreement {
  std::string name;
  Agreement peer;
  Agreement ours;
};
// Throws Error where one of them is not as good as the goldens ask for.
GoldenAgreement CompareWithGolden(const std::string& name, const CrfGolden& golden,
                                  const MeasureOptions& options);

// Repetitions of one thing, in seconds.
struct Series {
  std::vector<double> seconds;
  double Least() const;
  double Median() const;
};

// Medians over the repetitions, phase by phase.
crf::DenseCrfTimes MedianOf(const std::vector<crf::DenseCrfTimes>& times);
PlainTimes MedianOf(const std::vector<PlainTimes>& times);

// One image, the three in turn.
struct ImageTimes {
  Series peer;
  Series one_thread;
  Series two_threads;
  PlainTimes peer_phases;
  crf::DenseCrfTimes phases;  // of one thread
};

struct BatchRates {
  int64_t images = 0;
  Series one_thread;
  Series two_threads;
  double ratio = 0;  // median over the repetitions
};

// What an iteration moves if every row and every entry of a table is fetched once a pass.
struct Traffic {
  bool packed = false;     // whether marginals and lattice values are
  bool scattered = false;  // whether the update splats at once, for the next iteration
  double row_bytes = 0;    // of marginals and lattice values, filled up
  double energy_bytes = 0;
  int blocks = 0;  // of labels, each a pass of its own
  double bytes = 0;
  double working_set = 0;
  double iteration_seconds = 0;    // splat + blur + update, median
  double copy_at_working_set = 0;  // bytes a second, read + written

  double Rate() const { return bytes / iteration_seconds; }
};
std::string TrafficText();

struct LabelMeasurement {
  int labels = 0;
  double mean_largest = 0;  // as in Prediction
  double least_share = 0;
  double most_share = 0;
  Agreement agreement;  // ours with the peer
  ImageTimes image;
  BatchRates batch;
  Traffic traffic;
};

// Everything but the times. Throws Error where ours and the peer disagree, or where the number of
// threads changes the answer.
LabelMeasurement CheckLabels(int labels, const ImageU8& rgb, const MeasureOptions& options);
// The times of what was checked.
void TimeLabels(const ImageU8& rgb, const MeasureOptions& options, LabelMeasurement& measured);

struct LatticeSizes {
  double gaussian = 0;  // vertices a pixel
  double bilateral = 0;
};
LatticeSizes SizesOf(const ImageU8& rgb);

// Building the Gaussian lattice for an image size that an object has not seen, least of the
// repetitions.
double GaussianBuildSeconds(const ImageU8& rgb, const MeasureOptions& options);

// Bytes a second, read + written, of memcpy on one thread between two arrays of that size.
double CopyRate(size_t bytes, int rounds);

}  // namespace i2crc::bench
