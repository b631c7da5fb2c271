// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/options/option_set.h"

namespace i2crc {

// What is known of a command besides its options.
struct CommandHelp {
  std::string name;     // "train-cls"
  std::string summary;  // one line
  std::string details;  // a paragraph or two for --help, may be empty
  // Positional arguments in order, for example {"FILE"}; empty for most commands. Those in
  // brackets, as in {"FILE", "[OUT]"}, stand last and may be missing.
  std::vector<std::string> positionals;
};

struct ParsedCommandLine {
  bool help = false;          // --help was given: print HelpText and end with 0
  bool print_config = false;  // --print-config: print ToToml of the section and end with 0
  std::filesystem::path config;
  int verbosity = 0;  // −1 with --quiet, 1 with --verbose
  std::vector<std::string> positionals;
};

// Fills the options of a command: defaults, then the section [help.name] of the file that --config
// names, then the flags. A bool option `x` takes --x and --no-x. Besides the command's own options
// every command has --help, --config FILE, --print-config, --quiet, --verbose. Throws Error for an
// unknown flag (with its position among the arguments and the nearest known name), a missing or
// superfluous value, a value that does not parse, a required option that is missing (not with
// --help or --print-config), and everything that TomlFile throws.
//
// sections: the names of all sections that a configuration may have; the file may hold more than
// this command's.
ParsedCommandLine ParseCommandLine(const CommandHelp& help,
                                   const std::vector<std::string>& arguments, OptionSet& set,
                                   const std::vector<std::string>& sections);

// The text of --help: usage, summary, options by group with defaults, ranges and choices.
std::string HelpText(const CommandHelp& help, const OptionSet& set);

// The section as TOML, one key a line with its help as a comment above it.
std::string ToToml(const std::string& section, const OptionSet& set);

}  // namespace i2crc
