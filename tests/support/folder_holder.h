// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "i2crc/core/error.h"
#include "i2crc/core/out_folder.h"

namespace i2crc::testing {

// Another process that holds a folder until it is killed.
class FolderHolder {
 public:
  explicit FolderHolder(const std::filesystem::path& folder) {
    std::array<int, 2> ready = {};
    EXPECT_EQ(pipe(ready.data()), 0);
    child_ = fork();
    if (child_ == 0) Hold(folder, ready[1]);
    close(ready[1]);
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the other process could not take " << folder;
    close(ready[0]);
  }
  ~FolderHolder() { Kill(); }
  FolderHolder(const FolderHolder&) = delete;
  FolderHolder& operator=(const FolderHolder&) = delete;
  void Kill() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = 0;
  }
  pid_t process() const { return child_; }

 private:
  [[noreturn]] static void Hold(const std::filesystem::path& folder, int ready) {
    try {
      Context context;
      const OutFolder out(folder, context);
      if (write(ready, "x", 1) != 1) std::_Exit(1);
      while (true) pause();
    } catch (const Error&) {
      std::_Exit(1);
    }
  }

  pid_t child_ = 0;
};

}  // namespace i2crc::testing
