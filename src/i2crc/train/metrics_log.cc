// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/metrics_log.h"

#include <fcntl.h>
#include <unistd.h>

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

MetricsLog::MetricsLog(const std::filesystem::path& path, int64_t last_step) : path_(path) {
  const std::string before = last_step > 0 && std::filesystem::exists(path)
                                 ? LinesUpTo(ReadWholeFile(path), last_step)
                                 : "";
  WriteFileAtomically(path, before);
  bytes_ = static_cast<int64_t>(before.size());
  descriptor_ = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) Fail("{}: cannot write: {}", path.string(), std::strerror(errno));
}

MetricsLog::~MetricsLog() { close(descriptor_); }

void MetricsLog::Flush() { FlushFile(descriptor_, path_); }

void MetricsLog::Write(const nlohmann::ordered_json& line) {
  const std::string text = line.dump() + "\n";
  for (size_t done = 0; done < text.size();) {
    const ssize_t written = write(descriptor_, text.data() + done, text.size() - done);
    if (written >= 0) {
      done += static_cast<size_t>(written);
    } else if (errno != EINTR) {
      const int cause = errno;
      // Where even this fails, whoever goes on drops the half line.
      static_cast<void>(!ftruncate(descriptor_, bytes_));
      Fail("{}: cannot write: {}", path_.string(), std::strerror(cause));
    }
  }
  bytes_ += static_cast<int64_t>(text.size());
}

}  // namespace i2crc
