// SPDX-License-Identifier: Apache-2.0
// Preloaded (LD_PRELOAD) into the program it ends it with SIGKILL at one of its calls that change
// files:
//   I2CRC_KILL_UNDER=DIR   only calls for files below this folder count
//   I2CRC_KILL_AT=N        the N-th of them, counted from 1, is not done any more (of a write the
//   first half is) I2CRC_KILL_LOSES=1     as a power cut: of every file what was not flushed is
//   lost I2CRC_KILL_COUNT=FILE  where the program comes to its end, how many calls there were is
//   written here
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Never destroyed: other destructors write files too.
struct Shim {
  std::mutex mutex;
  std::string under = Variable("I2CRC_KILL_UNDER");
  long kill_at = std::atol(Variable("I2CRC_KILL_AT").c_str());
  bool loses = !Variable("I2CRC_KILL_LOSES").empty();
  std::string count_file = Variable("I2CRC_KILL_COUNT");
  long calls = 0;
  std::map<std::string, off_t> flushed;  // of files that were written since: bytes that are safe
};

Shim& TheShim() {
  static auto* shim = new Shim;
  return *shim;
}

std::string Absolute(const char* path) {
  if (path[0] == '/') return path;
  char folder[PATH_MAX] = {};
  return getcwd(folder, sizeof(folder)) == nullptr ? path : std::string(folder) + "/" + path;
}

std::string PathOf(int descriptor) {
  char path[PATH_MAX] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  return readlink(link.c_str(), path, sizeof(path) - 1) < 0 ? "" : path;
}

bool IsUnder(const std::string& path, const std::string& folder) {
  return !folder.empty() &&
         (path == folder || path.compare(0, folder.size() + 1, folder + "/") == 0);
}

[[noreturn]] void End(const Shim& shim) {
  if (shim.loses)
    for (const auto& [path, bytes] : shim.flushed)
      static_cast<void>(!truncate(path.c_str(), bytes));
  kill(getpid(), SIGKILL);
  while (true) pause();
}

// Whether this call is the program's last. The mutex is held.
bool IsLast(Shim& shim, const std::string& path) {
  return IsUnder(path, shim.under) && ++shim.calls == shim.kill_at;
}

// A file or folder has another name, or with "" none.
void Rename(Shim& shim, const std::string& from, const std::string& to) {
  std::map<std::string, off_t> others;
  for (const auto& [path, bytes] : shim.flushed) {
    if (!to.empty() && IsUnder(path, to) && !IsUnder(path, from)) continue;
    if (!IsUnder(path, from)) others[path] = bytes;
    if (IsUnder(path, from) && !to.empty()) others[to + path.substr(from.size())] = bytes;
  }
  shim.flushed = std::move(others);
}

int Remove(const std::string& path, int folder, const char* name, int flags) {
  Shim& shim = TheShim();
  const std::lock_guard lock(shim.mutex);
  if (IsLast(shim, path)) End(shim);
  const int result = static_cast<int>(syscall(SYS_unlinkat, folder, name, flags));
  if (result == 0) Rename(shim, path, "");
  return result;
}

__attribute__((destructor)) void WriteCount() {
  const Shim& shim = TheShim();
  if (shim.count_file.empty()) return;
  if (FILE* file = std::fopen(shim.count_file.c_str(), "w")) {
    std::fprintf(file, "%ld\n", shim.calls);
    std::fclose(file);
  }
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t count) {
  Shim& shim = TheShim();
  const std::lock_guard lock(shim.mutex);
  const std::string path = PathOf(descriptor);
  const bool is_last = IsLast(shim, path);
  if (IsUnder(path, shim.under)) {
    struct stat status = {};
    if (fstat(descriptor, &status) == 0 && !shim.flushed.contains(path))
      shim.flushed[path] = status.st_size > 0 ? status.st_size : 0;
  }
  if (is_last) {
    static_cast<void>(syscall(SYS_write, descriptor, bytes, count / 2));
    End(shim);
  }
  return syscall(SYS_write, descriptor, bytes, count);
}

int fsync(int descriptor) {
  Shim& shim = TheShim();
  const std::lock_guard lock(shim.mutex);
  const std::string path = PathOf(descriptor);
  if (IsLast(shim, path)) End(shim);
  shim.flushed.erase(path);
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}

int syncfs(int descriptor) noexcept {
  Shim& shim = TheShim();
  const std::lock_guard lock(shim.mutex);
  if (IsLast(shim, PathOf(descriptor))) End(shim);
  shim.flushed.clear();
  return static_cast<int>(syscall(SYS_syncfs, descriptor));
}

int rename(const char* from, const char* to) noexcept {
  Shim& shim = TheShim();
  const std::lock_guard lock(shim.mutex);
  if (IsLast(shim, Absolute(to))) End(shim);
  const int result = static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
  if (result == 0) Rename(shim, Absolute(from), Absolute(to));
  return result;
}

int mkdir(const char* path, mode_t mode) noexcept {
  Shim& shim = TheShim();
  const std::lock_guard lock(shim.mutex);
  if (IsLast(shim, Absolute(path))) End(shim);
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int unlink(const char* path) noexcept { return Remove(Absolute(path), AT_FDCWD, path, 0); }

int unlinkat(int folder, const char* name, int flags) noexcept {
  const std::string path =
      name[0] == '/' || folder == AT_FDCWD ? Absolute(name) : PathOf(folder) + "/" + name;
  return Remove(path, folder, name, flags);
}

int remove(const char* path) noexcept {
  struct stat status = {};
  const bool is_folder = lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
  return Remove(Absolute(path), AT_FDCWD, path, is_folder ? AT_REMOVEDIR : 0);
}
}
