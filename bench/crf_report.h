// SPDX-License-Identifier: Apache-2.0
// What dense_crf_bench has measured, as Markdown and as JSON.
#pragma once

#include <string>
#include <vector>

#include "crf_measure.h"

namespace i2crc::bench {

struct CrfReport {
  std::string machine;
  std::string instruction_set;
  std::string precision;
  std::string image;
  MeasureOptions options;
  LatticeSizes sizes;
  std::vector<GoldenAgreement> goldens;
  double gaussian_build_seconds = 0;
  double copy_rate = 0;  // of kLargeCopy bytes
  std::vector<LabelMeasurement> measurements;
};

inline constexpr size_t kLargeCopy = size_t{256} << 20;

std::string ToMarkdown(const CrfReport& report);
std::string ToJson(const CrfReport& report);

}  // namespace i2crc::bench
