// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace i2crc {

// The names of the classes, background not among them; class k is drawn as k + 1 in masks.
class ClassNames {
 public:
  // PASCAL VOC's twenty.
  static ClassNames Voc();
  // One name a line, which may have blanks in it; 1 to 254, each once, not empty, UTF-8, no control
  // characters, not a number, not a word for background, no quotation mark in front (lists put
  // names in them). Blanks around a name, lines that end in CRLF or CR, a byte-order mark and empty
  // lines at the end are taken. Throws Error "FILE:LINE: …".
  static ClassNames Read(const std::filesystem::path& path);
  // Those of the file, or VOC's where path is empty.
  static ClassNames ReadOrVoc(const std::filesystem::path& path);
  // What Read does, from memory; file stands in messages.
  static ClassNames Parse(const std::string& text, const std::string& file);
  // Throws Error "class name N: …", counted from 1. Checkpoints hold what earlier versions took for
  // names: words for background and quotation marks are taken.
  explicit ClassNames(std::vector<std::string> names);

  int count() const { return static_cast<int>(names_.size()); }
  const std::string& name(int index) const { return names_[static_cast<size_t>(index)]; }
  const std::vector<std::string>& names() const { return names_; }
  // −1 where there is no such name.
  int Find(std::string_view name) const;

 private:
  std::vector<std::string> names_;
};

// Whether a word would be read as a number (sign, decimals and exponent count too), so that in a
// list it can only be meant as a class index.
bool LooksLikeNumber(std::string_view word);

// Whether a word means background, which is no class: "background", "Background", "__background__",
// "bg" and the like.
bool MeansBackground(std::string_view word);

}  // namespace i2crc
