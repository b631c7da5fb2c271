// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/out_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

constexpr const char* kLockFile = ".i2crc.lock";
constexpr size_t kMaxCommand = 200;

using FileId = std::pair<uint64_t, uint64_t>;  // device, inode

// The lock files that this process holds. A lock belongs to an open file: opened once more, even by
// the same process, it would be refused.
struct Held {
  int descriptor;
  int holders;
};
std::mutex g_mutex;
std::map<FileId, Held>& AllHeld() {
  static std::map<FileId, Held> held;
  return held;
}

FileId IdOf(const struct stat& status) { return {status.st_dev, status.st_ino}; }

FileId IdOf(int descriptor, const fs::path& file) {
  struct stat status = {};
  if (fstat(descriptor, &status) != 0) Fail("{}: {}", file.string(), std::strerror(errno));
  return IdOf(status);
}

bool IsAt(const FileId& id, const fs::path& file) {
  struct stat status = {};
  return stat(file.c_str(), &status) == 0 && IdOf(status) == id;
}

std::string Host() {
  std::array<char, 256> name = {};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

// As it was typed, on one line.
std::string OwnCommand() {
  std::string command = ReadWholeFile("/proc/self/cmdline");
  if (command.ends_with('\0')) command.pop_back();
  std::replace_if(
      command.begin(), command.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  if (command.size() > kMaxCommand) command = command.substr(0, kMaxCommand) + "…";
  return command;
}

// For whoever is refused. Where it cannot be written the lock holds all the same.
void WriteHolder(int descriptor) {
  const std::string text = fmt::format("{}\n{}\n{}\n", getpid(), Host(), OwnCommand());
  static_cast<void>(!ftruncate(descriptor, 0));
  static_cast<void>(!pwrite(descriptor, text.data(), text.size(), 0));
}

// "process 12 (i2crc run --config x.toml)"
std::string ReadHolder(int descriptor) {
  std::array<char, 1024> buffer = {};
  if (pread(descriptor, buffer.data(), buffer.size() - 1, 0) <= 0) return "another process";
  std::istringstream lines(buffer.data());
  std::string process, host, command;
  std::getline(lines, process);
  std::getline(lines, host);
  std::getline(lines, command);
  return fmt::format("process {}{} ({})", process, host == Host() ? "" : " on " + host, command);
}

// The lock file of the folder, opened and locked, or one that this process holds already.
int OpenLocked(const fs::path& folder, const fs::path& file, Context& context) {
  while (true) {
    const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) Fail("{}: cannot write: {}", file.string(), std::strerror(errno));
    if (AllHeld().contains(IdOf(descriptor, file))) return descriptor;
    const int cause = flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    if (cause == EWOULDBLOCK) {
      const std::string holder = ReadHolder(descriptor);
      close(descriptor);
      Fail("{}: {} writes there; wait until it ends, stop it, or choose another --out",
           folder.string(), holder);
    }
    if (cause != 0)
      context.WarnOnce(
          fmt::format("{}: the file system has no locks ({}); see that nothing else writes there",
                      folder.string(), std::strerror(cause)));
    // The one who held it may have removed the file meanwhile.
    if (IsAt(IdOf(descriptor, file), file)) return descriptor;
    close(descriptor);
  }
}

}  // namespace

OutFolder::OutFolder(const fs::path& path, Context& context) : lock_file_(path / kLockFile) {
  MakeFolder(path);
  const std::lock_guard lock(g_mutex);
  const int descriptor = OpenLocked(path, lock_file_, context);
  file_id_ = IdOf(descriptor, lock_file_);
  const auto [held, is_new] = AllHeld().try_emplace(file_id_, Held{descriptor, 0});
  ++held->second.holders;
  if (!is_new) {
    close(descriptor);
    return;
  }
  WriteHolder(descriptor);
  RemoveAsideFiles(path);
}

OutFolder::~OutFolder() {
  const std::lock_guard lock(g_mutex);
  const auto held = AllHeld().find(file_id_);
  if (--held->second.holders > 0) return;
  // While it is locked, so that nobody's file is removed; the folder may have been moved away.
  if (IsAt(file_id_, lock_file_)) unlink(lock_file_.c_str());
  close(held->second.descriptor);
  AllHeld().erase(held);
}

}  // namespace i2crc
