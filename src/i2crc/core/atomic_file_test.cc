// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/atomic_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <vector>

#include "i2crc/core/error.h"
#include "support/test_dirs.h"

namespace fs = std::filesystem;

namespace {

// What this program asks of the disk, in order: "fsync NAME", "syncfs NAME", "rename NAME". These
// stand in for the C library's functions, so that a test sees them.
std::mutex g_mutex;
std::vector<std::string> g_calls;
int g_failure = 0;  // what fsync and syncfs fail with; 0: they work

void Note(const char* call, const fs::path& path) {
  const std::lock_guard lock(g_mutex);
  g_calls.push_back(std::string(call) + " " + path.filename().string());
}

int Flush(const char* call, long number, int descriptor) {
  Note(call, fs::read_symlink("/proc/self/fd/" + std::to_string(descriptor)));
  if (g_failure == 0) return static_cast<int>(syscall(number, descriptor));
  errno = g_failure;
  return -1;
}

}  // namespace

extern "C" int fsync(int descriptor) { return Flush("fsync", SYS_fsync, descriptor); }
extern "C" int syncfs(int descriptor) noexcept { return Flush("syncfs", SYS_syncfs, descriptor); }
extern "C" int rename(const char* from, const char* to) noexcept {
  Note("rename", to);
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

namespace i2crc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class FlushTest : public ::testing::Test {
 protected:
  FlushTest() { g_calls.clear(); }
  ~FlushTest() override { g_failure = 0; }
  std::string name() const { return dir_.path().filename().string(); }

  testing::TempDir dir_;
};

TEST_F(FlushTest, AFileIsOnDiskBeforeItHasItsNameAndTheNameBeforeItIsCommitted) {
  WriteFileAtomically(dir_ / "a", "content");
  ASSERT_EQ(g_calls.size(), 3u);
  EXPECT_THAT(g_calls[0], StartsWith("fsync .a.tmp."));
  EXPECT_EQ(g_calls[1], "rename a");
  EXPECT_EQ(g_calls[2], "fsync " + name());
}

TEST_F(FlushTest, OneCallFlushesManyFiles) {
  for (const char* file : {"a", "b", "c"}) WriteFileAtomically(dir_ / file, "x", Flush::kLater);
  EXPECT_THAT(g_calls, ElementsAre("rename a", "rename b", "rename c"));
  FlushFolder(dir_.path());
  EXPECT_EQ(g_calls.back(), "syncfs " + name());
}

TEST_F(FlushTest, NewFoldersAreOnDiskWithTheirNames) {
  MakeFolder(dir_ / "b/c");
  EXPECT_THAT(g_calls, ElementsAre("fsync b", "fsync " + name()));
  MakeFolder(dir_ / "b/c");
  EXPECT_EQ(g_calls.size(), 2u);
}

TEST_F(FlushTest, ADiskThatFailsIsAnErrorWithTheFilesName) {
  const auto error_of = [](const auto& work) -> std::string {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  g_failure = EIO;
  EXPECT_THAT(error_of([&] { WriteFileAtomically(dir_ / "a", "x"); }),
              HasSubstr("/a: cannot write: Input/output error"));
  EXPECT_TRUE(fs::is_empty(dir_.path()));
  EXPECT_THAT(error_of([&] { FlushFolder(dir_.path()); }),
              HasSubstr(name() + ": cannot write: Input/output error"));
  // A file system that has nothing to flush says so by this.
  g_failure = EINVAL;
  WriteFileAtomically(dir_ / "a", "x");
  FlushFolder(dir_.path());
  EXPECT_EQ(ReadWholeFile(dir_ / "a"), "x");
}

}  // namespace
}  // namespace i2crc
