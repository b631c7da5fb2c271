// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/network_program.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "i2crc/core/error.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

// Beside the program in the build folder, beside its folder where it is installed.
fs::path FindNetworkProgram() {
  std::error_code failure;
  const fs::path own = fs::read_symlink("/proc/self/exe", failure).parent_path();
  const fs::path name = "libexec/i2crc/i2crc-network";
  for (const fs::path& folder : {own, own.parent_path()})
    if (fs::exists(folder / name, failure)) return folder / name;
  Fail(
      "{} is not there: it does the commands that run a network, and belongs beside this program "
      "or its folder; build or install both together",
      (own / name).string());
}

}  // namespace

void BecomeNetworkProgram(const std::string& command, const std::vector<std::string>& arguments) {
  const std::string program = FindNetworkProgram().string();
  if (std::getenv("GOMP_SPINCOUNT") == nullptr) setenv("OMP_WAIT_POLICY", "PASSIVE", /*replace=*/0);
  std::vector<std::string> words = {"i2crc", command};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execv(program.c_str(), pointers.data());
  Fail("{}: cannot be started: {}", program, std::strerror(errno));
}

}  // namespace i2crc
