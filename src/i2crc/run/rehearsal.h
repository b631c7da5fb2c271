// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/options/toml_file.h"
#include "i2crc/run/run_configuration.h"

namespace i2crc {

// What a stage costs: measured, or that of the whole.
struct StageCost {
  double seconds_once = 0;  // loading, checking, writing a checkpoint
  double seconds_each = 0;  // for a step of a training, elsewhere for an image
  double bytes_once = 0;
  double bytes_each = 0;  // for an image
};
using StageCosts = std::map<std::string, StageCost>;  // by the stage's name

// Does the stages of a run with its own options, but for a few of its photographs and the first
// steps of each training, in a temporary folder that is removed again, and measures them. Takes
// a minute or two for recipe practical. Throws Error as the stages do.
StageCosts Rehearse(const RunConfiguration& configuration, Context& context);

// What the whole of a stage takes, by what a rehearsal measured; 0 for a stage that was in none.
double SecondsOf(const std::string& stage, const RunConfiguration& configuration,
                 const StageCosts& costs);
double BytesOf(const std::string& stage, const RunConfiguration& configuration,
               const StageCosts& costs);

// The effort, in hundredths from 0.1 to 1, whose run takes the given minutes or a little less.
// minutes_with: what a run takes, growing with its effort. Throws Error where the least is too
// much.
double EffortFor(double minutes, const std::function<double(double effort)>& minutes_with);

// The configuration for [run] minutes: recipe practical's own where it takes no longer by a
// rehearsal, else with an effort that does. The configuration itself where no minutes are given, or
// where they were settled by an earlier run. Throws Error where there is no effort small enough.
RunConfiguration FitIntoMinutes(const RunConfiguration& configuration, const TomlFile& file,
                                Context& context);

}  // namespace i2crc
