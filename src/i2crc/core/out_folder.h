// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include "i2crc/core/context.h"

namespace i2crc {

// A folder that a step writes to: made where it is not there, kept from all other processes that
// would write to it, and cleared of what writes of a killed one left. It is given free when the
// object goes or the process ends, however it ends. Who holds a folder may take it once more: a run
// does, and then the step that is its stage.
class OutFolder {
 public:
  // Throws Error that names the other process where one holds the folder. Where the file system has
  // no locks it warns, and the folder is not kept from anybody.
  OutFolder(const std::filesystem::path& path, Context& context);
  ~OutFolder();
  OutFolder(const OutFolder&) = delete;
  OutFolder& operator=(const OutFolder&) = delete;

 private:
  std::filesystem::path lock_file_;
  std::pair<uint64_t, uint64_t> file_id_;  // device and inode
};

}  // namespace i2crc
