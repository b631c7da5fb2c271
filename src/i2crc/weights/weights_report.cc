// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/weights_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace i2crc {
namespace {

// A terminal obeys control characters, and a file from anywhere may hold some.
std::string Printable(const std::string& text) {
  std::string printable;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      printable += fmt::format("\\x{:02x}", byte);
    else
      printable += c;
  }
  return printable;
}

}  // namespace

std::string InspectText(const TensorMap& tensors) {
  std::string text;
  for (const auto& [key, value] : tensors.metadata)
    text += fmt::format("{}: {}\n", Printable(key), Printable(value));
  if (!tensors.metadata.empty()) text += '\n';

  size_t width = 4;
  for (const auto& [name, tensor] : tensors.items())
    width = std::max(width, std::min<size_t>(Printable(name).size(), 80));
  text += fmt::format("{:<{}}  dtype  shape\n", "name", width);
  uint64_t parameters = 0;
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors.items()) {
    const auto elements = static_cast<uint64_t>(tensor.elements());
    parameters += elements;
    bytes += elements * ItemSize(tensor.dtype);
    text += fmt::format("{:<{}}  {:<5}  {}\n", Printable(name), width, DTypeName(tensor.dtype),
                        ShapeText(tensor.shape));
  }
  text += fmt::format("\n{} tensors, {} parameters, {} bytes\n", tensors.size(), parameters, bytes);
  return text;
}

}  // namespace i2crc
