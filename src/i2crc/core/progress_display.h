// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/common.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "i2crc/core/context.h"

namespace i2crc {

// Makes displays of progress on `out` (which must outlive them), for Context. On a terminal one
// line, redrawn at most ten times a second: title, bar, count, rate, time left, note; at the end a
// plain line takes its place. Elsewhere plain lines, at most one in ten seconds and one at the end:
// "train-cls: 120/666 steps, 0.8 steps/s, 11:20 left, loss 0.41". total 0 or less: it is not known,
// and neither bar nor time left are shown. The rate is that of about the last half minute, and
// counts from the first Advance on, which is where resumed work jumps to. With quiet the function
// is empty: Context then shows nothing. Displays may be used from several threads and at once (the
// newest is drawn). now: another clock, for tests.
std::function<std::unique_ptr<Progress>(const std::string& title, int64_t total,
                                        const std::string& unit)>
MakeProgressDisplay(
    FILE* out, bool quiet,
    std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now);

// A sink for messages on the same `out`, which does not tear the line of progress: it is cleared,
// the message printed, the line drawn again. "i2crc: warning: …", "i2crc: error: …", anything below
// a warning as it is.
spdlog::sink_ptr MakeTerminalSink(FILE* out);

}  // namespace i2crc
