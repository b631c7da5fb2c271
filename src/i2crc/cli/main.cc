// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "i2crc/cli/command.h"
#include "i2crc/cli/network_program.h"
#include "i2crc/core/progress_display.h"
#include "i2crc/version.h"

namespace i2crc {
namespace {

enum ExitStatus { kDone = 0, kLeftOut = 1, kBadInput = 2, kFailed = 3, kInterrupted = 130 };

std::string Overview(const std::vector<Command>& commands) {
  std::string text =
      "i2crc: from photographs with tags to masks and a trained segmentation network\n\n"
      "usage: i2crc COMMAND [--option …]      i2crc COMMAND --help\n\n";
  for (const Command& command : commands)
    text += fmt::format("  {:<10} {}\n", command.help.name, command.help.summary);
  text +=
      "\nExit status: 0 done; 1 done, but items were left out or a threshold was missed; 2 found "
      "before work\n"
      "began, nothing written; 3 failed during work, what is finished stays; 130 interrupted.\n";
  return text;
}

std::vector<std::string> SectionNames(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.help.name);
  names.insert(names.end(), {"train-seg-1", "train-seg-2"});
  return names;
}

// The whole life of one command. error lines go to stderr, what the command has to say to stdout.
int RunCommandLine(const std::vector<Command>& commands, const Command& command,
                   const std::vector<std::string>& arguments) {
  bool work_began = false;
  auto log = std::make_shared<spdlog::logger>("i2crc", MakeTerminalSink(stderr));
  try {
    OptionSet set;
    command.describe(set);
    const ParsedCommandLine line =
        ParseCommandLine(command.help, arguments, set, SectionNames(commands));
    if (line.help) {
      std::fputs(HelpText(command.help, set).c_str(), stdout);
      return kDone;
    }
    if (!command.run) BecomeNetworkProgram(command.help.name, arguments);
    if (line.print_config) {
      const std::string text =
          command.print_config ? command.print_config(set, line) : ToToml(command.help.name, set);
      std::fputs(text.c_str(), stdout);
      return kDone;
    }
    log->set_level(line.verbosity < 0   ? spdlog::level::warn
                   : line.verbosity > 0 ? spdlog::level::debug
                                        : spdlog::level::info);
    Context::InstallSignalHandlers();
    Context context(log, MakeProgressDisplay(stderr, line.verbosity < 0));
    try {
      const int status = command.run(line, context);
      if (context.left_out() > 0) {
        context.log().warn("{} left out", context.left_out());
        return std::max<int>(status, kLeftOut);
      }
      return status;
    } catch (...) {
      work_began = context.work_began();
      log = context.shared_log();  // of a run also the file in its folder
      throw;
    }
  } catch (const Interrupted&) {
    log->error(
        "interrupted; run the same command again: a training or a run goes on where it was, other "
        "work starts over");
    return kInterrupted;
  } catch (const Error& error) {
    log->error("{}", error.what());
    return work_began ? kFailed : kBadInput;
  } catch (const std::bad_alloc&) {
    log->error("out of memory; end other programs or use fewer threads");
    return work_began ? kFailed : kBadInput;
  } catch (const std::exception& error) {
    // A bug of ours or of a library; libtorch puts a stack trace behind its first line.
    const std::string what = error.what();
    log->error("{}", what.substr(0, what.find('\n')));
    return work_began ? kFailed : kBadInput;
  }
}

const Command* FindCommand(const std::vector<Command>& commands, std::string_view name) {
  const auto found = std::find_if(commands.begin(), commands.end(), [&](const Command& command) {
    return command.help.name == name;
  });
  return found == commands.end() ? nullptr : &*found;
}

int Main(const std::vector<Command>& commands, const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" ||
      arguments[0] == "help") {
    std::fputs(Overview(commands).c_str(), arguments.empty() ? stderr : stdout);
    return arguments.empty() ? kBadInput : kDone;
  }
  if (arguments[0] == "--version") {
    fmt::print("i2crc {}\n", kVersion);
    return kDone;
  }
  if (const Command* command = FindCommand(commands, arguments[0]))
    return RunCommandLine(commands, *command, {arguments.begin() + 1, arguments.end()});
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.help.name);
  const std::string nearest = NearestName(arguments[0], names);
  fmt::print(
      stderr, "i2crc: error: unknown command '{}'{}\n", arguments[0],
      nearest.empty() ? "; i2crc --help lists them" : fmt::format("; did you mean '{}'?", nearest));
  return kBadInput;
}

// A table that did not reach its file is a failure like any other.
int FlushStdout(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  fmt::print(stderr, "i2crc: error: cannot write to stdout: {}\n", std::strerror(errno));
  return kFailed;
}

}  // namespace
}  // namespace i2crc

int main(int argc, char** argv) {
  const std::vector<i2crc::Command> commands = i2crc::AllCommands();
  return i2crc::FlushStdout(i2crc::Main(commands, {argv + 1, argv + argc}));
}
