// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/architectures.h"

#include <algorithm>

namespace i2crc {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

const std::vector<std::string>& AttentionArchs() {
  static const std::vector<std::string> archs = {"vgg16",
                                                 "resnet18",
                                                 "resnet50",
                                                 "resnet101",
                                                 "resnet18-stride16",
                                                 "resnet50-stride16",
                                                 "resnet101-stride16",
                                                 "resnet18-stride32",
                                                 "resnet50-stride32",
                                                 "resnet101-stride32"};
  return archs;
}

const std::vector<std::string>& SegmentationArchs() {
  static const std::vector<std::string> archs = {
      "deeplab-resnet101",    "deeplab-resnet50",     "deeplab-resnet18", "deeplabplus-resnet101",
      "deeplabplus-resnet50", "deeplabplus-resnet18", "largefov-vgg16"};
  return archs;
}

bool IsAttentionArch(const std::string& arch) { return Contains(AttentionArchs(), arch); }
bool IsSegmentationArch(const std::string& arch) { return Contains(SegmentationArchs(), arch); }
std::string WithoutStride(const std::string& arch) { return arch.substr(0, arch.find("-stride")); }

}  // namespace i2crc
