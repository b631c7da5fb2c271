// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/tensor_file.h"

#include <algorithm>
#include <string_view>

#include "i2crc/core/error.h"
#include "i2crc/weights/mapped_file.h"
#include "i2crc/weights/readers.h"

namespace i2crc {
namespace {

bool HasAt(std::span<const uint8_t> bytes, size_t offset, std::string_view text) {
  return bytes.size() >= offset + text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

TensorFileFormat Sniff(std::span<const uint8_t> bytes, const std::string& name) {
  if (bytes.empty()) Fail("{}: empty file", name);
  if (HasAt(bytes, 0, "PK\x03\x04")) return TensorFileFormat::kTorchZip;
  if (HasAt(bytes, 257, "ustar"))
    Fail(
        "{}: a tar archive, as PyTorch wrote before version 0.1.12: unsupported; load it with "
        "PyTorch and save it again",
        name);
  if (HasAt(bytes, 8, "{")) return TensorFileFormat::kSafetensors;
  const bool pickle = bytes.size() >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
  // Protocols 0 and 1 begin with the magic number in decimals.
  if (pickle || HasAt(bytes, 0, "L119547037146038801333356")) return TensorFileFormat::kTorchLegacy;
  Fail("{}: neither a safetensors file nor a PyTorch checkpoint (or a truncated one)", name);
}

TensorMap ReadAny(const std::filesystem::path& path, ReadWhat what) {
  const MappedFile file(path);
  const std::string name = path.string();
  switch (Sniff(file.bytes(), name)) {
    case TensorFileFormat::kSafetensors:
      return ReadSafetensors(file.bytes(), name, what);
    case TensorFileFormat::kTorchZip:
      return ReadTorchZip(file.bytes(), name, what);
    case TensorFileFormat::kTorchLegacy:
      return ReadTorchLegacy(file.bytes(), name, what);
  }
  ENSURE(false, "a format without a reader");
  return {};
}

TensorMap Read(const std::filesystem::path& path, ReadWhat what) {
  return WithMemoryFor(path.native(), [&] { return ReadAny(path, what); });
}

}  // namespace

TensorFileFormat SniffTensorFile(const std::filesystem::path& path) {
  const MappedFile file(path);
  return Sniff(file.bytes(), path.string());
}

TensorMap ReadTensorFile(const std::filesystem::path& path) { return Read(path, ReadWhat::kAll); }

TensorMap ReadTensorHeaders(const std::filesystem::path& path) {
  return Read(path, ReadWhat::kHeaders);
}

}  // namespace i2crc
