// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/network_options/demo_options.h"
#include "i2crc/options/option_set.h"

namespace i2crc {

struct DemoResult {
  // Shares 0…1; those that were not made are 0.
  double cam_plain = 0;       // attention maps without relation losses, at their best threshold
  double cam = 0;             // with them
  double initial_labels = 0;  // ignored pixels count as background
  double crossed_labels = 0;  // of the first round: each half's by the network of the other
  double masks = 0;           // of the tagged scenes, by the final network
  double final_network = 0;   // on val.txt
  double ceiling = 0;         // the same network and schedule on the true masks, on val.txt
  std::string table;          // the summary, with each stage's time
};

// Writes OUT/data (synth), OUT/demo.toml (the configuration, good for `i2crc run`), OUT/run (the
// stages), OUT/summary.txt. Again into the same folder it goes on where it stopped.
DemoResult RunDemo(const DemoOptions& options, Context& context);

}  // namespace i2crc
