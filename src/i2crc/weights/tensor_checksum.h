// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/weights/tensor.h"

namespace i2crc {

// A file that others count on says in its metadata what its tensors were when it was written, so
// that what a disk lost or changed since then does not pass for them.

// Names, shapes and values, in whatever order, go into it; other metadata do not.
void AddChecksum(TensorMap& tensors);

// Throws Error "FILE: damaged: …; REMEDY" where the tensors are not those of the checksum. Files of
// before there was one, and those of other programs, have none and pass. remedy: what to do then.
void CheckChecksum(const TensorMap& tensors, const std::string& file, const std::string& remedy);

// A whole file of tensors, checked so. remedy stands behind every Error: what to remove, and what
// happens then.
TensorMap ReadCheckedTensorFile(const std::filesystem::path& path, const std::string& remedy);

}  // namespace i2crc
