// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>
#include <vector>

namespace i2crc {

// One option of a command: a name, a place to put its value, and what is legal. The flag is --name,
// the TOML key is name.
class Option {
 public:
  using Target = std::variant<bool*, int*, uint64_t*, double*, std::string*, std::filesystem::path*,
                              std::vector<double>*>;

  Option(std::string name, Target target, std::string help);

  // Chained after OptionSet::Add. Without a range every value that the type holds is legal, for
  // uint64_t up to 2⁶³ − 1 (what TOML can hold), for double every finite one; infinity is legal
  // where an end of Range is infinite. For a list the range is that of each number.
  Option& Range(double low, double high);           // numbers, both ends legal
  Option& Above(double low);                        // numbers, the end itself is not legal
  Option& OneOf(std::vector<std::string> choices);  // strings
  Option& Required();                               // must be given by flag or TOML
  Option& MayBeEmpty();                             // lists: a list of no numbers is legal too
  Option& Value(std::string placeholder);           // "FILE", "DIR", "N" in --help
  Option& Keyword(std::string word);                // paths: a word that is no path
  Option& Group(std::string title);                 // heading in --help
  // The value that a record means which does not name this option, because it was made before the
  // option was there. An option that stands at it is left out of records.
  Option& AbsentMeans(const nlohmann::json& value);
  // Says that the result does not depend on it, only how it is come by, or whether there is one.
  Option& KeepsResult();

  const std::string& name() const { return name_; }
  const std::string& help() const { return help_; }
  const std::string& placeholder() const { return placeholder_; }
  const std::string& group() const { return group_; }
  const std::vector<std::string>& choices() const { return choices_; }
  bool required() const { return required_; }
  bool may_be_empty() const { return may_be_empty_; }
  bool is_flag() const { return std::holds_alternative<bool*>(target_); }
  bool is_path() const { return std::holds_alternative<std::filesystem::path*>(target_); }
  bool is_text() const { return std::holds_alternative<std::string*>(target_); }
  bool keeps_result() const { return keeps_result_; }
  // Whether something other than the default was given.
  bool given() const { return given_; }

  // Parses text as the command line gives it ("0.01", "true", "1,0.5,0.75"). Throws Error, without
  // the option's name, where it does not parse, is out of range, no choice, not UTF-8 or an empty
  // list without MayBeEmpty; the value then stays as it was.
  void SetFromText(const std::string& text);
  // Takes a JSON value of the right type (an integer is good for a double). Throws Error as above.
  // Relative paths are taken relative to base, an empty one stays empty.
  void SetFromJson(const nlohmann::json& value, const std::filesystem::path& base);

  // The value now, as it would stand in run.json or TOML.
  nlohmann::json ToJson() const;
  // The value now, as a reader of --help wants it ("0.01", "on", "(none)").
  std::string ToText() const;
  // What the range allows, in words ("0 to 1", "above 0"), or "" where it does not bound anything.
  std::string RangeText() const;
  // Whether a record can do without this option (AbsentMeans).
  bool IsAsAbsent() const;
  // Whether the value now is an empty text, path or list.
  bool empty() const;

 private:
  void CheckNumber(double number) const;
  void CheckChoice(const std::string& text) const;
  // Takes a value whose path, if it is one, needs no base any more.
  void Assign(const nlohmann::json& value);

  std::string name_;
  Target target_;
  std::string help_;
  std::string placeholder_;
  std::string group_;
  std::vector<std::string> choices_;
  std::string keyword_;
  std::string absent_means_;  // JSON, "" where every record names the option
  double low_;
  double high_;
  bool low_is_open_ = false;
  bool required_ = false;
  bool may_be_empty_ = false;
  bool keeps_result_ = false;
  bool given_ = false;
};

// The one description of an options struct, from which flags, TOML, --print-config and run.json all
// come. A struct XOptions has a function  void Describe(XOptions& options, OptionSet& set)  beside
// it.
class OptionSet {
 public:
  Option& Add(std::string name, Option::Target target, std::string help);

  std::vector<Option>& options() { return options_; }
  const std::vector<Option>& options() const { return options_; }
  Option* Find(const std::string& name);

  // Throws Error naming the first required option that was not given or is empty ("--images is
  // missing").
  void CheckRequired() const;

  // An object with every option's value, in the order of description.
  nlohmann::ordered_json ToJson() const;

 private:
  std::vector<Option> options_;
};

// Of the candidates the one nearest to name by edit distance, or that name is the beginning of; ""
// where none is near.
std::string NearestName(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace i2crc
