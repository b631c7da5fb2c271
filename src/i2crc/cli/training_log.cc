// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/training_log.h"

#include <algorithm>

namespace i2crc {

void LogTraining(const std::string& command, const TrainingResult& result,
                 const std::filesystem::path& out, Context& context) {
  if (result.resumed_at == result.steps) return;  // it was finished before, which is said already
  const std::string bad =
      result.bad_steps > 0 ? fmt::format(" ({} passed over, whose loss or gradient was not finite)",
                                         result.bad_steps)
                           : "";
  context.log().info("{}: {} steps{}, loss {:.4f}, {:.1f} s ({:.1f} % waiting for data), {}",
                     command, result.steps, bad, result.last_loss, result.seconds,
                     100 * result.waited / std::max(result.seconds, 1e-9),
                     (out / "checkpoint.safetensors").string());
}

}  // namespace i2crc
