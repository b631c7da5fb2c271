// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "i2crc/core/columns.h"
#include "i2crc/options/command_line.h"

namespace i2crc {
namespace {

constexpr size_t kWidth = 100;
constexpr size_t kWidestFlag = 34;  // a wider one stands on a line of its own

struct Row {
  std::string flag;
  std::string text;
};

// text in lines of at most kWidth columns that begin with indent spaces, the first one with `first`
// instead. Line ends in the text stay.
std::string Wrapped(const std::string& text, std::string first, size_t indent) {
  std::string result;
  std::string line = std::move(first);
  bool line_has_word = false;
  const auto end_line = [&] {
    result += line + "\n";
    line = std::string(indent, ' ');
    line_has_word = false;
  };
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!word.empty()) {
      if (line_has_word && Columns(line) + 1 + Columns(word) > kWidth) end_line();
      line += (line_has_word ? " " : "") + word;
      line_has_word = true;
    }
    if (end < text.size() && text[end] == '\n') end_line();
    begin = end + 1;
  }
  end_line();
  return result;
}

std::string FlagText(const Option& option) {
  if (option.is_flag()) return fmt::format("--{0}, --no-{0}", option.name());
  return fmt::format("--{} {}", option.name(), option.placeholder());
}

// "Learning rate (above 0; default 0.001)". Once options are set, nobody knows the default any
// more.
enum class WithDefault { kYes, kNo };
std::string DescriptionText(const Option& option, WithDefault with_default) {
  std::vector<std::string> facts;
  if (!option.choices().empty())
    facts.push_back(fmt::format("{}", fmt::join(option.choices(), ", ")));
  if (const std::string range = option.RangeText(); !range.empty()) facts.push_back(range);
  if (option.required()) {
    facts.emplace_back("required");
  } else if (with_default == WithDefault::kYes && !option.empty()) {
    facts.push_back("default " + option.ToText());
  }
  if (facts.empty()) return option.help();
  return fmt::format("{} ({})", option.help(), fmt::join(facts, "; "));
}

std::string Table(const std::vector<Row>& rows, size_t flag_columns) {
  std::string text;
  const size_t indent = 2 + flag_columns + 2;
  for (const Row& row : rows) {
    std::string flag = "  " + row.flag;
    if (Columns(row.flag) > flag_columns) {
      text += flag + "\n";
      flag.clear();
    }
    flag.append(indent - Columns(flag), ' ');
    text += Wrapped(row.text, std::move(flag), indent);
  }
  return text;
}

using Groups = std::vector<std::pair<std::string, std::vector<Row>>>;

Groups AllGroups(const OptionSet& set) {
  Groups groups;
  for (const Option& option : set.options()) {
    const std::string& title = option.group().empty() ? "Options" : option.group();
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& known) { return known.first == title; });
    if (group == groups.end()) group = groups.insert(groups.end(), {title, {}});
    group->second.push_back({FlagText(option), DescriptionText(option, WithDefault::kYes)});
  }
  groups.push_back(
      {"Every command",
       {{"--config FILE", "TOML file; this command's section sets its options, flags win over it"},
        {"--print-config", "Print the options as they stand, as TOML, and end"},
        {"--quiet", "Print warnings and errors alone"},
        {"--verbose", "Print more"},
        {"-h, --help", "Print this text and end"}}});
  return groups;
}

// A TOML string: JSON's escapes, and DEL, which TOML does not take as it is.
std::string TomlString(const std::string& text) {
  std::string quoted;
  for (const char c : nlohmann::json(text).dump()) {
    if (c == '\x7f') {
      quoted += "\\u007F";
    } else {
      quoted += c;
    }
  }
  return quoted;
}

std::string TomlValue(const nlohmann::json& value, bool is_number) {
  if (value.is_array()) {
    std::vector<std::string> items;
    for (const auto& item : value) items.push_back(TomlValue(item, true));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  if (!value.is_string()) return value.dump();
  const auto& text = value.get_ref<const std::string&>();
  return is_number ? text : TomlString(text);  // inf and -inf are texts in JSON, words in TOML
}

}  // namespace

std::string HelpText(const CommandHelp& help, const OptionSet& set) {
  std::string usage = fmt::format("Usage: i2crc {}", help.name);
  for (const std::string& positional : help.positionals) usage += " " + positional;
  std::string text = fmt::format("{} [options]\n\n{}", usage, Wrapped(help.summary, "", 0));
  if (!help.details.empty()) text += fmt::format("\n{}", Wrapped(help.details, "", 0));

  const Groups groups = AllGroups(set);
  size_t flag_columns = 0;
  for (const auto& [title, rows] : groups)
    for (const Row& row : rows)
      if (Columns(row.flag) <= kWidestFlag)
        flag_columns = std::max(flag_columns, Columns(row.flag));
  for (const auto& [title, rows] : groups)
    text += fmt::format("\n{}:\n{}", title, Table(rows, flag_columns));
  return text;
}

std::string ToToml(const std::string& section, const OptionSet& set) {
  std::string text = fmt::format("[{}]\n", section);
  for (const Option& option : set.options()) {
    const bool is_number = !option.is_path() && !option.is_text();
    text += fmt::format("\n# {}\n{}{} = {}\n", DescriptionText(option, WithDefault::kNo),
                        option.empty() && !option.may_be_empty() ? "# " : "", option.name(),
                        TomlValue(option.ToJson(), is_number));
  }
  return text;
}

}  // namespace i2crc
