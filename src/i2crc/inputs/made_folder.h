// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/context.h"
#include "i2crc/core/image.h"
#include "i2crc/image/image_file.h"
#include "support/test_dirs.h"

// What the tests of the steps share.
namespace i2crc::testing {

// A context whose log can be read: "warning left out: …" a line.
class LoggedContext : public Context {
 public:
  explicit LoggedContext(spdlog::level::level_enum level = spdlog::level::info) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(lines_);
    sink->set_pattern("%l %v");
    SetLog(std::make_shared<spdlog::logger>("test", sink));
    log().set_level(level);
  }
  std::string lines() const { return lines_.str(); }

 private:
  std::ostringstream lines_;
};

// A one-channel image by a function of (y, x).
inline ImageU8 MadeImage(int height, int width, const std::function<int(int y, int x)>& value) {
  ImageU8 image(height, width, 1);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) image.at(y, x) = static_cast<uint8_t>(value(y, x));
  return image;
}

// A folder with inputs of a step.
class MadeFolder {
 public:
  std::filesystem::path operator/(const std::string& name) const { return dir_ / name; }

  void Grey(const std::string& name, const ImageU8& image) { WriteGreyPng(Ready(name), image); }
  void Mask(const std::string& name, const ImageU8& image) {
    WriteMaskPng(Ready(name), image, VocPalette());
  }
  void Text(const std::string& name, const std::string& text) { WriteBytes(Ready(name), text); }

  // Every file under a folder, by name. Fails the test for what a writer left aside.
  std::map<std::string, std::string> Files(const std::string& folder) const {
    std::map<std::string, std::string> files;
    if (!std::filesystem::exists(dir_ / folder)) return files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / folder))
      if (entry.is_regular_file()) {
        const auto name = std::filesystem::relative(entry.path(), dir_ / folder).string();
        EXPECT_EQ(name.find(".tmp"), std::string::npos) << name;
        files[name] = ReadBytes(entry.path());
      }
    return files;
  }

 private:
  std::filesystem::path Ready(const std::string& name) const {
    MakeFolder((dir_ / name).parent_path());
    return dir_ / name;
  }

  TempDir dir_;
};

// The message of the Error that run throws, with the temporary folder's name taken out.
inline std::string ErrorOf(const std::function<void()>& run, const MadeFolder& folder) {
  try {
    run();
  } catch (const Error& error) {
    std::string message = error.what();
    const std::string root = (folder / "").string();
    for (size_t at; (at = message.find(root)) != std::string::npos;) message.erase(at, root.size());
    return message;
  }
  return "no error";
}

}  // namespace i2crc::testing
