// SPDX-License-Identifier: Apache-2.0
#include "support/program.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>

#include "support/permissions.h"

namespace i2crc::testing {
namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

// A file without a name, so that neither a full pipe nor a deadlock between two can come up.
File NamelessFile() {
  File file(std::tmpfile(), &std::fclose);
  if (!file) throw std::runtime_error("cannot make a temporary file");
  return file;
}

std::string Content(FILE* file) {
  std::rewind(file);
  std::string content;
  char buffer[4096];
  for (size_t got; (got = std::fread(buffer, 1, sizeof(buffer), file)) > 0;)
    content.append(buffer, got);
  return content;
}

// In the child: nothing that could fail quietly.
[[noreturn]] void Become(std::vector<char*> arguments, const ProgramOptions& options, int in,
                         int out, int err) {
  for (const auto& [name, value] : options.env) setenv(name.c_str(), value.c_str(), 1);
  if (!options.out.empty()) out = open(options.out.c_str(), O_WRONLY | O_CLOEXEC);
  if (options.obeys_permissions) ObeyPermissions();
  if (options.threads > 0) LimitThreads(options.threads);
  const rlimit limit = {options.file_bytes, options.file_bytes};
  if (options.file_bytes > 0) setrlimit(RLIMIT_FSIZE, &limit);
  const bool ready = dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0 &&
                     (options.cwd.empty() || chdir(options.cwd.c_str()) == 0);
  if (ready) execv(arguments[0], arguments.data());
  std::perror(arguments[0]);
  std::_Exit(127);
}

int WaitFor(pid_t child, const ProgramOptions& options) {
  const auto deadline = std::chrono::steady_clock::now() + options.timeout;
  int left = options.signal_when ? options.times : 0;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (left > 0 && (left < options.times || options.signal_when())) {
      kill(child, options.signal);
      --left;
    }
    if (std::chrono::steady_clock::now() > deadline) kill(child, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::filesystem::path BuiltProgram() {
  const char* other = std::getenv("I2CRC_PROGRAM");
  return other != nullptr ? other : I2CRC_PROGRAM;
}

ProgramResult RunProgram(const std::vector<std::string>& arguments, const ProgramOptions& options) {
  const File in = NamelessFile(), out = NamelessFile(), err = NamelessFile();
  std::string program =
      options.program.empty() ? BuiltProgram().string() : options.program.string();
  std::vector<std::string> texts = arguments;
  std::vector<char*> pointers = {program.data()};
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);

  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child == 0)
    Become(std::move(pointers), options, fileno(in.get()), fileno(out.get()), fileno(err.get()));
  ProgramResult result;
  result.status = WaitFor(child, options);
  result.out = Content(out.get());
  result.err = Content(err.get());
  return result;
}

}  // namespace i2crc::testing
