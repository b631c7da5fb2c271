// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/metrics_log.h"

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"

namespace i2crc {
namespace {

std::string LinesUpTo(const std::string& text, int64_t last_step) {
  std::string kept;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) break;
    if (json["step"].get<int64_t>() > last_step) break;
    kept += line + "\n";
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& path, int64_t last_step)
    : path_(path), file_(nullptr, &std::fclose) {
  const std::string before = last_step > 0 && std::filesystem::exists(path)
                                 ? LinesUpTo(ReadWholeFile(path), last_step)
                                 : "";
  WriteFileAtomically(path, before);
  file_.reset(std::fopen(path.c_str(), "ab"));
  if (!file_) Fail("{}: cannot write: {}", path.string(), std::strerror(errno));
}

void MetricsLog::Write(const nlohmann::ordered_json& line) {
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() ||
      std::fflush(file_.get()) != 0)
    Fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

}  // namespace i2crc
