// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace i2crc::testing {

struct ProgramOptions {
  std::filesystem::path program = {};           // empty: the one that was built
  std::filesystem::path cwd = {};               // empty: the test's own
  std::map<std::string, std::string> env = {};  // added to the test's own
  std::filesystem::path out = {};               // empty: a file whose content is returned
  bool obeys_permissions = false;               // also where the test is run by root
  uint64_t file_bytes = 0;                      // no file may grow beyond; 0: no limit
  uint64_t threads = 0;                         // no more can be started; 0: no limit. Root's only
  std::chrono::seconds timeout =
      std::chrono::minutes(10);  // then it is killed: status 128 + SIGKILL
  // Sent as soon as signal_when holds (it is asked every few milliseconds), once or, a few
  // milliseconds apart, more often.
  int signal = 0;
  int times = 1;
  std::function<bool()> signal_when = {};
};

struct ProgramResult {
  int status = -1;  // exit status; 128 + signal where one ended it, as a shell says it
  std::string out;  // stdout
  std::string err;  // stderr
};

// The program that was built, or the one that the variable I2CRC_PROGRAM names.
std::filesystem::path BuiltProgram();

// Runs the program with these arguments (a leading "i2crc" is not among them), and
// waits for its end. stdin, stdout and stderr are files, no terminal; stdin is empty.
ProgramResult RunProgram(const std::vector<std::string>& arguments,
                         const ProgramOptions& options = {});

}  // namespace i2crc::testing
