// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "i2crc/core/error.h"

namespace fs = std::filesystem;

namespace i2crc {

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  // The counter keeps two threads that write the same name apart. A file that is there already was
  // left by a killed process of the same number, as a container's may be.
  static std::atomic<unsigned> counter{0};
  do {
    aside_ = path_.parent_path() / fmt::format(".{}.tmp.{}.{}", path_.filename().string(), getpid(),
                                               counter.fetch_add(1));
    descriptor_ = open(aside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) Fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(aside_.c_str());
}

void AtomicFile::Write(std::span<const std::byte> bytes) {
  ENSURE(descriptor_ >= 0, "write to {} after Commit", path_.string());
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      Fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::Commit() {
  ENSURE(descriptor_ >= 0, "{} committed twice", path_.string());
  const int descriptor = std::exchange(descriptor_, -1);
  // close() is where some file systems report that the disk is full.
  if (close(descriptor) != 0 || rename(aside_.c_str(), path_.c_str()) != 0) {
    const int cause = errno;
    unlink(aside_.c_str());
    Fail("{}: cannot write: {}", path_.string(), std::strerror(cause));
  }
}

void WriteFileAtomically(const fs::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.Write(bytes);
  file.Commit();
}

void WriteFileAtomically(const fs::path& path, std::string_view text) {
  WriteFileAtomically(path, std::as_bytes(std::span(text)));
}

void RemoveAsideFiles(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") && name.find(".tmp.") != std::string::npos)
      fs::remove(entry.path(), ignored);
  }
}

namespace {

// A file that is open for reading, for as long as this lives.
struct OpenFile {
  explicit OpenFile(const fs::path& path) : descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor < 0) Fail("{}: {}", path.string(), std::strerror(errno));
  }
  ~OpenFile() { close(descriptor); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  const int descriptor;
};

std::string ReadToEnd(int descriptor, const fs::path& path, size_t max_bytes) {
  std::string bytes;
  struct stat status = {};
  if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
    bytes.reserve(std::min(static_cast<size_t>(status.st_size), max_bytes) + 1);
  while (true) {
    const size_t have = bytes.size();
    bytes.resize(std::max(bytes.capacity(), have + 65536));
    const ssize_t got = read(descriptor, bytes.data() + have, bytes.size() - have);
    const int cause = errno;
    bytes.resize(have + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && cause == EINTR) continue;
    if (got < 0) Fail("{}: {}", path.string(), std::strerror(cause));
    if (bytes.size() > max_bytes) Fail("{}: larger than {} bytes", path.string(), max_bytes);
    if (got == 0) return bytes;
  }
}

}  // namespace

std::string ReadWholeFile(const fs::path& path, size_t max_bytes) {
  const OpenFile file(path);
  return WithMemoryFor(path.native(), [&] { return ReadToEnd(file.descriptor, path, max_bytes); });
}

bool FileIsThere(const fs::path& path) {
  std::error_code failure;
  const fs::file_type type = fs::status(path, failure).type();
  if (type == fs::file_type::none) Fail("{}: {}", path.string(), failure.message());
  return type != fs::file_type::not_found;
}

void CheckWritable(const fs::path& folder, const std::string& name) {
  // What is not there yet is made below the first folder that is.
  fs::path base = folder;
  while (!FileIsThere(base) && base.has_relative_path()) base = base.parent_path();
  if (base.empty()) base = ".";
  if (!fs::is_directory(base))
    Fail("{}: {}not a folder", name, base == folder ? "" : base.string() + " is ");
  if (access(base.c_str(), W_OK | X_OK) != 0)
    Fail("{}: cannot write: {}", name, std::strerror(errno));
}

void MakeFolder(const fs::path& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (failure) Fail("{}: cannot make the folder: {}", path.string(), failure.message());
}

}  // namespace i2crc
