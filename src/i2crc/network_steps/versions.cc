// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/versions.h"

#include <torch/torch.h>
#include <torch/version.h>

#include <opencv2/core/version.hpp>

#include "i2crc/version.h"

namespace i2crc {

nlohmann::ordered_json Versions() {
  return {{"i2crc", kVersion},
          {"libtorch", TORCH_VERSION},
          {"opencv", CV_VERSION},
          {"compiler", __VERSION__}};
}

}  // namespace i2crc
