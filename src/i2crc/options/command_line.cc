// SPDX-License-Identifier: Apache-2.0
#include "i2crc/options/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "i2crc/core/error.h"
#include "i2crc/options/quote.h"
#include "i2crc/options/toml_file.h"

namespace i2crc {
namespace {

// CLI11 tells flags, values and positional arguments apart; every value stays text. Where an
// argument stands is looked up afterwards, because CLI11 does not keep it.
class Flags {
 public:
  Flags(const std::vector<std::string>& arguments, const OptionSet& set);

  // How the flag was given, nullptr where it was not. Throws Error where it was given twice, or
  // with a value although it takes none.
  const std::string* Value(const std::string& name) const;
  bool Given(const std::string& name) const;

  // What is neither flag nor value. Throws Error for a flag that is not known.
  std::vector<std::string> Positionals() const;

 private:
  void AddValued(const std::string& name);
  void AddSwitch(const std::string& name);
  void Parse();
  // "--epochs (argument 3)": where it was given for the nth time, counted from 0.
  std::string Where(const std::string& flag, size_t nth = 0) const;
  bool HasAttachedValue(const std::string& flag) const;

  const std::vector<std::string>& arguments_;
  CLI::App app_;
  std::vector<std::string> known_;
};

Flags::Flags(const std::vector<std::string>& arguments, const OptionSet& set)
    : arguments_(arguments) {
  app_.set_help_flag();
  app_.allow_extras();
  for (const Option& option : set.options()) {
    if (option.is_flag()) {
      AddSwitch(option.name());
      AddSwitch("no-" + option.name());
    } else {
      AddValued(option.name());
    }
  }
  for (const char* name : {"help", "print-config", "quiet", "verbose"}) AddSwitch(name);
  AddValued("config");
  Parse();
}

void Flags::AddValued(const std::string& name) {
  known_.push_back(name);
  app_.add_option("--" + name)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void Flags::AddSwitch(const std::string& name) {
  known_.push_back(name);
  app_.add_flag("--" + name)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void Flags::Parse() {
  std::vector<std::string> rewritten;
  for (const std::string& argument : arguments_) {
    if (argument == "-h") {
      rewritten.emplace_back("--help");
    } else if (argument.size() > 3 && argument.starts_with("--") &&
               argument.find('=') == argument.size() - 1) {
      // CLI11 would take the next argument as the value of "--weights=".
      rewritten.push_back(argument.substr(0, argument.size() - 1));
      rewritten.emplace_back();
    } else {
      rewritten.push_back(argument);
    }
  }
  std::reverse(rewritten.begin(), rewritten.end());
  try {
    app_.parse(rewritten);
  } catch (const CLI::ArgumentMismatch&) {
    // An option eats whatever follows, so this one is the last.
    Fail("{} (argument {}) needs a value", arguments_.back(), arguments_.size());
  } catch (const CLI::Error& error) {
    Fail("{}", error.what());
  }
}

std::string Flags::Where(const std::string& flag, size_t nth) const {
  for (size_t i = 0; i < arguments_.size(); ++i) {
    if (arguments_[i] != flag && !arguments_[i].starts_with(flag + "=")) continue;
    if (nth-- == 0) return fmt::format("{} (argument {})", flag, i + 1);
  }
  return flag;
}

bool Flags::HasAttachedValue(const std::string& flag) const {
  return std::any_of(arguments_.begin(), arguments_.end(),
                     [&](const std::string& argument) { return argument.starts_with(flag + "="); });
}

const std::string* Flags::Value(const std::string& name) const {
  const std::string flag = "--" + name;
  const CLI::Option* option = app_.get_option(flag);
  if (option->count() == 0) return nullptr;
  if (option->count() > 1) Fail("{} is given for the second time", Where(flag, 1));
  const std::string& value = option->results().front();
  // A value that looks like a flag is a flag whose neighbour was forgotten, unless it is attached.
  if (value.starts_with("--") && !HasAttachedValue(flag)) Fail("{} needs a value", Where(flag));
  return &value;
}

bool Flags::Given(const std::string& name) const {
  const std::string flag = "--" + name;
  if (HasAttachedValue(flag)) Fail("{} takes no value", Where(flag));
  const size_t count = app_.get_option(flag)->count();
  if (count > 1) Fail("{} is given for the second time", Where(flag, 1));
  return count == 1;
}

std::vector<std::string> Flags::Positionals() const {
  std::vector<std::string> positionals;
  bool flags_are_over = false;
  for (const std::string& argument : app_.remaining()) {
    if (!flags_are_over && argument == "--") {
      flags_are_over = true;
    } else if (flags_are_over || !argument.starts_with("-") || argument == "-") {
      positionals.push_back(argument);
    } else {
      const std::string flag = argument.substr(0, argument.find('='));
      const std::string where = Where(flag).substr(flag.size());
      const std::string name = flag.substr(std::min(flag.find_first_not_of('-'), flag.size()));
      Fail("unknown option {}{}{}", Quoted(flag), where,
           Suggestion(NearestName(name, known_), "'--"));
    }
  }
  return positionals;
}

void SetFromFlags(const Flags& flags, OptionSet& set) {
  for (Option& option : set.options()) {
    const std::string& name = option.name();
    if (option.is_flag()) {
      const bool on = flags.Given(name);
      const bool off = flags.Given("no-" + name);
      if (on && off) Fail("--{0} and --no-{0} exclude each other", name);
      if (on || off) option.SetFromText(on ? "true" : "false");
    } else if (const std::string* value = flags.Value(name)) {
      try {
        option.SetFromText(*value);
      } catch (const Error& error) {
        Fail("--{}: {}", name, error.what());
      }
    }
  }
}

void CheckPositionals(const CommandHelp& help, const std::vector<std::string>& positionals) {
  const size_t most = help.positionals.size();
  const size_t given = positionals.size();
  if (given < most && !help.positionals[given].starts_with('['))
    Fail("{} is missing", help.positionals[given]);
  if (given <= most) return;
  Fail("unexpected argument {}: i2crc {} takes {}", Quoted(positionals[most]), help.name,
       most == 0 ? "options alone" : fmt::format("{}", fmt::join(help.positionals, " ")));
}

}  // namespace

ParsedCommandLine ParseCommandLine(const CommandHelp& help,
                                   const std::vector<std::string>& arguments, OptionSet& set,
                                   const std::vector<std::string>& sections) {
  const Flags flags(arguments, set);
  ParsedCommandLine parsed;
  parsed.positionals = flags.Positionals();
  // Nothing is set then, so that the help shows the defaults.
  parsed.help = flags.Given("help");
  if (parsed.help) return parsed;

  parsed.print_config = flags.Given("print-config");
  const bool quiet = flags.Given("quiet");
  const bool verbose = flags.Given("verbose");
  if (quiet && verbose) Fail("--quiet and --verbose exclude each other");
  parsed.verbosity = verbose ? 1 : quiet ? -1 : 0;

  if (const std::string* config = flags.Value("config")) {
    if (config->empty()) Fail("--config needs a file");
    parsed.config = *config;
    const TomlFile file = TomlFile::Read(parsed.config);
    file.CheckSections(sections);
    file.Apply(help.name, set);
  }
  SetFromFlags(flags, set);
  if (parsed.print_config) return parsed;
  CheckPositionals(help, parsed.positionals);
  set.CheckRequired();
  return parsed;
}

}  // namespace i2crc
