// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/error.h"

namespace i2crc::internal {

void EnsureFailed(const char* condition, const char* file, int line, const std::string& message) {
  throw InternalError(
      fmt::format("internal error: {} ({}:{}: {} does not hold)", message, file, line, condition));
}

}  // namespace i2crc::internal
