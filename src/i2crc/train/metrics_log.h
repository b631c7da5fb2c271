// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace i2crc {

// A file of one JSON object a line, written as training goes.
class MetricsLog {
 public:
  // Keeps the lines of an earlier run whose "step" is at most last_step (0: none) and goes on
  // behind them; a half-written line at the end is dropped. Throws Error where the file cannot be
  // written.
  MetricsLog(const std::filesystem::path& path, int64_t last_step);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  // The whole line or, with an Error, nothing of it.
  void Write(const nlohmann::ordered_json& line);
  // What was written is safe from a power cut.
  void Flush();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t bytes_ = 0;  // whole lines
};

}  // namespace i2crc
