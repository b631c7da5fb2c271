// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <regex>
#include <system_error>
#include <utility>
#include <vector>

#include "i2crc/core/error.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

// Whether the disk failed or is full. Otherwise the file system has nothing to flush, or the folder
// cannot be opened, and there is no more to be done.
bool IsLoss(int cause) { return cause == EIO || cause == ENOSPC || cause == EDQUOT; }

// Calls fsync or syncfs for a folder.
void FlushThrough(const fs::path& folder, int (*flush)(int)) {
  const std::string name = folder.empty() ? "." : folder.string();
  const int descriptor = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  const int cause = flush(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  if (IsLoss(cause)) Fail("{}: cannot write: {}", name, std::strerror(cause));
}

}  // namespace

AtomicFile::AtomicFile(fs::path path, Flush flush) : path_(std::move(path)), flush_(flush) {
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
  // Before it has its name: else a power cut may leave the name and no content.
  if (flush_ == Flush::kNow) FlushFile(descriptor_, path_);
  const int descriptor = std::exchange(descriptor_, -1);
  // close() is where some file systems report that the disk is full.
  if (close(descriptor) != 0 || rename(aside_.c_str(), path_.c_str()) != 0) {
    const int cause = errno;
    unlink(aside_.c_str());
    Fail("{}: cannot write: {}", path_.string(), std::strerror(cause));
  }
  if (flush_ == Flush::kNow) FlushNames(path_.parent_path());
}

void WriteFileAtomically(const fs::path& path, std::span<const std::byte> bytes, Flush flush) {
  AtomicFile file(path, flush);
  file.Write(bytes);
  file.Commit();
}

void WriteFileAtomically(const fs::path& path, std::string_view text, Flush flush) {
  WriteFileAtomically(path, std::as_bytes(std::span(text)), flush);
}

void FlushFile(int descriptor, const fs::path& path) {
  if (fsync(descriptor) == 0) return;
  const int cause = errno;
  if (IsLoss(cause)) Fail("{}: cannot write: {}", path.string(), std::strerror(cause));
}

void FlushNames(const fs::path& folder) { FlushThrough(folder, fsync); }

// One call for all: 500 masks of 20 kB take 0.02 s, by fsync of each 1.3 s (ext4 on a virtual
// disk).
void FlushFolder(const fs::path& folder) { FlushThrough(folder, syncfs); }

void RemoveAsideFiles(const fs::path& folder) {
  // Another program's file may look like one of ours but for its end.
  static const std::regex ours(R"(\..+\.tmp\.[0-9]+\.[0-9]+)");
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (std::regex_match(entry.path().filename().string(), ours)) fs::remove(entry.path(), ignored);
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
  std::vector<fs::path> missing;
  std::error_code failure;
  for (fs::path part = path; !part.empty() && !fs::exists(part, failure); part = part.parent_path())
    missing.push_back(part);
  fs::create_directories(path, failure);
  if (failure) Fail("{}: cannot make the folder: {}", path.string(), failure.message());
  for (const fs::path& part : missing) FlushNames(part.parent_path());
}

}  // namespace i2crc
