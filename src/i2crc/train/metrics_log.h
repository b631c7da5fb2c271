// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>

namespace i2crc {

// A file of one JSON object a line, written as training goes.
class MetricsLog {
 public:
  // Keeps the lines of an earlier run whose "step" is at most last_step (0: none) and goes on
  // behind them; a half-written line at the end is dropped. Throws Error where the file cannot be
  // written.
  MetricsLog(const std::filesystem::path& path, int64_t last_step);
  void Write(const nlohmann::ordered_json& line);

 private:
  std::filesystem::path path_;
  std::unique_ptr<FILE, int (*)(FILE*)> file_;
};

}  // namespace i2crc
