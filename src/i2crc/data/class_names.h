// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace i2crc {

// The names of the classes, background not among them; class k is drawn as k + 1 in masks.
class ClassNames {
 public:
  // PASCAL VOC's twenty.
  static ClassNames Voc();
  // One name a line, 1 to 254, each once, not empty, no spaces inside, not a number. Throws Error "FILE:LINE: …".
  static ClassNames Read(const std::filesystem::path& path);
  explicit ClassNames(std::vector<std::string> names);

  int count() const { return static_cast<int>(names_.size()); }
  const std::string& name(int index) const { return names_[static_cast<size_t>(index)]; }
  const std::vector<std::string>& names() const { return names_; }
  // −1 where there is no such name.
  int Find(const std::string& name) const;

 private:
  std::vector<std::string> names_;
};

}  // namespace i2crc
