// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/checksum.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

std::string Hex(XXH128_hash_t hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

bool IsSame(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         IsSame(a.st_mtim, b.st_mtim) && IsSame(a.st_ctim, b.st_ctim);
}

}  // namespace

std::string Checksum(std::string_view bytes) {
  return Hex(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string FileChecksum(const std::filesystem::path& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) Fail("{}: {}", path.string(), std::strerror(errno));
  RunningChecksum checksum;
  std::vector<char> buffer(1 << 18);
  size_t got = 0;
  while ((got = std::fread(buffer.data(), 1, buffer.size(), file.get())) > 0)
    checksum.Add(std::string_view(buffer.data(), got));
  if (std::ferror(file.get())) Fail("{}: {}", path.string(), std::strerror(errno));
  return checksum.Text();
}

std::string RememberedFileChecksum(const std::filesystem::path& path) {
  struct Remembered {
    struct stat then = {};
    std::string checksum;
  };
  static std::mutex mutex;
  static std::unordered_map<std::string, Remembered> known;
  struct stat now = {};
  if (::stat(path.c_str(), &now) != 0) Fail("{}: {}", path.string(), std::strerror(errno));
  {
    const std::lock_guard lock(mutex);
    const auto found = known.find(path.native());
    if (found != known.end() && IsSame(found->second.then, now)) return found->second.checksum;
  }
  std::string checksum = FileChecksum(path);
  const std::lock_guard lock(mutex);
  known[path.native()] = {now, checksum};
  return checksum;
}

struct RunningChecksum::State {
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> xxh3{XXH3_createState(),
                                                                       &XXH3_freeState};
};

RunningChecksum::RunningChecksum() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(state_->xxh3.get());
}

RunningChecksum::~RunningChecksum() = default;

void RunningChecksum::Add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->xxh3.get(), bytes.data(), bytes.size());
}

std::string RunningChecksum::Text() const { return Hex(XXH3_128bits_digest(state_->xxh3.get())); }

}  // namespace i2crc
