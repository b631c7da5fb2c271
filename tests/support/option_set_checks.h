// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "i2crc/core/error.h"
#include "i2crc/options/command_line.h"
#include "i2crc/options/option_set.h"
#include "i2crc/options/toml_file.h"

namespace i2crc::testing {

inline void CheckOptionName(const std::string& name) {
  ASSERT_FALSE(name.empty());
  EXPECT_TRUE(std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c == '-' || std::islower(c) != 0 || std::isdigit(c) != 0;
  })) << "small letters, digits and dashes alone";
  EXPECT_NE(std::islower(static_cast<unsigned char>(name.front())), 0);
  EXPECT_NE(name.back(), '-');
  const std::set<std::string> reserved = {"help", "config", "print-config", "quiet", "verbose"};
  EXPECT_EQ(reserved.count(name), 0u) << "every command has this one already";
}

inline void CheckOptionHelp(const Option& option) {
  ASSERT_FALSE(option.help().empty()) << "has no help";
  EXPECT_NE(option.help().back(), '.') << "its help ends with a period";
  EXPECT_EQ(option.help().find('\n'), std::string::npos);
  if (!option.is_flag()) {
    EXPECT_FALSE(option.placeholder().empty());
  }
}

// The default is legal, and comes back from JSON (run.json) the same. The option is left as it was.
inline void CheckOptionDefault(Option option) {
  if (option.empty()) return;  // not set
  const nlohmann::json value = option.ToJson();
  try {
    option.SetFromJson(nlohmann::json::parse(value.dump()), "");
    EXPECT_EQ(option.ToJson(), value);
  } catch (const Error& error) {
    ADD_FAILURE() << "the default is not legal: " << error.what();
  }
}

// What holds for the description of every command's options. set: with the defaults, nothing set
// yet.
inline void CheckOptionSet(OptionSet& set) {
  std::set<std::string> names;
  for (const Option& option : set.options()) {
    SCOPED_TRACE("--" + option.name());
    CheckOptionName(option.name());
    EXPECT_TRUE(names.insert(option.name()).second) << "is described twice";
    EXPECT_FALSE(option.given());
    CheckOptionHelp(option);
    CheckOptionDefault(option);
  }
  for (const Option& option : set.options())
    if (option.is_flag()) {
      EXPECT_EQ(names.count("no-" + option.name()), 0u) << "--no-" << option.name() << " is taken";
    }
  // --print-config's text gives the same values.
  const std::string before = set.ToJson().dump();
  TomlFile::Parse(ToToml("section", set), "printed.toml", "").Apply("section", set);
  EXPECT_EQ(set.ToJson().dump(), before);
}

}  // namespace i2crc::testing
