// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/out_folder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "support/folder_holder.h"
#include "support/test_dirs.h"

namespace fs = std::filesystem;

// Stands in for the C library's, so that a test can have a file system without locks.
static bool g_has_locks = true;
extern "C" int flock(int descriptor, int operation) noexcept {
  if (g_has_locks) return static_cast<int>(syscall(SYS_flock, descriptor, operation));
  errno = ENOLCK;
  return -1;
}

namespace i2crc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class OutFolderTest : public ::testing::Test {
 protected:
  OutFolderTest() { testing::WriteBytes(dir_ / "mine", "x"); }
  ~OutFolderTest() override { g_has_locks = true; }

  // "taken", or why not.
  std::string Taken(const std::string& name = "out") {
    Context context;
    try {
      const OutFolder out(dir_ / name, context);
      return "taken";
    } catch (const Error& error) {
      return error.what();
    }
  }

  testing::TempDir dir_;
};

TEST_F(OutFolderTest, IsMadeAndLeavesNothingBehind) {
  EXPECT_EQ(Taken("new/folder"), "taken");
  EXPECT_TRUE(fs::is_empty(dir_ / "new/folder"));
  EXPECT_EQ(Taken("new/folder"), "taken");
  EXPECT_THAT(Taken("mine"), HasSubstr("mine: cannot make the folder"));
}

TEST_F(OutFolderTest, IsKeptFromOtherProcessesWhichAreToldWhoHoldsIt) {
  testing::FolderHolder holder(dir_ / "out");
  EXPECT_THAT(Taken(), AllOf(HasSubstr((dir_ / "out").string() + ": process " +
                                       std::to_string(holder.process()) + " ("),
                             HasSubstr("core_test"),
                             HasSubstr(") writes there; wait until it ends, stop it, or choose "
                                       "another --out")));
  EXPECT_EQ(Taken("other"), "taken");
  // By another name.
  fs::create_directory_symlink("out", dir_ / "link");
  EXPECT_THAT(Taken("link"), HasSubstr("writes there"));
}

TEST_F(OutFolderTest, IsFreeOnceItsHolderIsKilled) {
  testing::FolderHolder holder(dir_ / "out");
  holder.Kill();
  EXPECT_FALSE(fs::is_empty(dir_ / "out"));
  EXPECT_EQ(Taken(), "taken");
  EXPECT_TRUE(fs::is_empty(dir_ / "out"));
}

TEST_F(OutFolderTest, IsSharedByTheStepsOfOneProcessUntilTheLastIsDone) {
  Context context;
  std::optional<OutFolder> run(std::in_place, dir_ / "out", context);
  {
    const OutFolder stage(dir_ / "out", context);
    EXPECT_EQ(Taken(), "taken");
  }
  const auto taken_by_another = [&] {
    const pid_t child = fork();
    // A child shares the open file, and with it the lock, so that it has to begin anew.
    if (child == 0) {
      const int descriptor = open((dir_ / "out/.i2crc.lock").c_str(), O_RDWR | O_CREAT, 0666);
      std::_Exit(flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status) == 1;
  };
  EXPECT_FALSE(taken_by_another());
  run.reset();
  EXPECT_TRUE(taken_by_another());
}

TEST_F(OutFolderTest, AFolderThatWasMovedAwayIsAnotherOne) {
  Context context;
  std::optional<OutFolder> out(std::in_place, dir_ / "out", context);
  fs::rename(dir_ / "out", dir_ / "old");
  const OutFolder anew(dir_ / "out", context);
  fs::remove_all(dir_ / "old");
  out.reset();
  EXPECT_TRUE(fs::exists(dir_ / "out/.i2crc.lock"));
}

TEST_F(OutFolderTest, ClearsWhatAKilledWriteLeftAndNothingElse) {
  MakeFolder(dir_ / "out");
  const std::string foreign[] = {".tmp.1.2", ".a.tmp.1", ".a.tmp.x.1", "a.tmp.1.2", ".a.tmp.1.2x"};
  for (const std::string& name : foreign) testing::WriteBytes(dir_ / "out" / name, "x");
  testing::WriteBytes(dir_ / "out/.a.png.tmp.12.0", "half");
  EXPECT_EQ(Taken(), "taken");
  EXPECT_FALSE(fs::exists(dir_ / "out/.a.png.tmp.12.0"));
  for (const std::string& name : foreign) EXPECT_TRUE(fs::exists(dir_ / "out" / name)) << name;
  // What another process has under way stays.
  const testing::FolderHolder holder(dir_ / "out");
  testing::WriteBytes(dir_ / "out/.a.png.tmp.12.0", "half");
  EXPECT_THAT(Taken(), Not("taken"));
  EXPECT_TRUE(fs::exists(dir_ / "out/.a.png.tmp.12.0"));
}

TEST_F(OutFolderTest, WithoutLocksItWarnsAndGoesOn) {
  g_has_locks = false;
  std::ostringstream lines;
  Context context;
  context.SetLog(std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_st>(lines)));
  {
    const OutFolder out(dir_ / "out", context);
    const OutFolder again(dir_ / "out", context);
  }
  EXPECT_THAT(lines.str(), HasSubstr("out: the file system has no locks (No locks available); see "
                                     "that nothing else writes there"));
  EXPECT_TRUE(fs::is_empty(dir_ / "out"));
}

}  // namespace
}  // namespace i2crc
