// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "i2crc/core/error.h"

namespace i2crc {

MappedFile::MappedFile(const std::filesystem::path& path) {
  // Not blocking: opening a pipe would wait for its writer.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) Fail("{}: {}", path.string(), std::strerror(errno));
  struct stat status = {};
  int cause = fstat(descriptor, &status) == 0 ? 0 : errno;
  const bool regular = cause == 0 && S_ISREG(status.st_mode);
  if (regular && status.st_size > 0) {
    size_ = static_cast<size_t>(status.st_size);
    begin_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (begin_ == MAP_FAILED) cause = errno;
  }
  close(descriptor);
  if (cause != 0) Fail("{}: cannot read: {}", path.string(), std::strerror(cause));
  if (!regular) Fail("{}: no regular file", path.string());
}

MappedFile::~MappedFile() {
  if (begin_ != nullptr) munmap(begin_, size_);
}

}  // namespace i2crc
