// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "i2crc/options/option_set.h"

namespace i2crc {

// A TOML configuration: sections named like commands ([train-cls]) that hold options under their
// own names.
class TomlFile {
 public:
  // Throws Error "FILE:LINE:COLUMN: …" where the file is missing or is not TOML.
  static TomlFile Read(const std::filesystem::path& path);
  // name stands in messages; relative paths are taken relative to base.
  static TomlFile Parse(const std::string& text, const std::string& name,
                        const std::filesystem::path& base);
  ~TomlFile();
  TomlFile(TomlFile&&) noexcept;
  TomlFile& operator=(TomlFile&&) noexcept;

  const std::filesystem::path& path() const;
  bool HasSection(const std::string& section) const;

  // Throws Error with position and nearest known name where the file has a section that is not in
  // `sections`, or a key outside any section.
  void CheckSections(const std::vector<std::string>& sections) const;

  // Sets the options that the section names; no section, nothing is set. An unknown key, a wrong
  // type or a value out of range is an Error "FILE:LINE:COLUMN: …". Relative paths become relative
  // to the file's folder.
  void Apply(const std::string& section, OptionSet& set) const;

 private:
  struct Impl;
  explicit TomlFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace i2crc
