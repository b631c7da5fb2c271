// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/checksum.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

std::string Hex(XXH128_hash_t hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
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
