// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/run_plan.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "i2crc/core/error.h"
#include "i2crc/run/rehearsal.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

// "40 s", "12 min", "3 h 20 min"
std::string Duration(double seconds) {
  if (seconds < 59.5) return fmt::format("{:.0f} s", std::ceil(seconds));
  const auto minutes = static_cast<int64_t>(std::ceil(seconds / 60));
  return minutes < 60 ? fmt::format("{} min", minutes)
                      : fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

std::string Size(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.0f} MB", std::ceil(bytes / 1e6))
                     : fmt::format("{:.1f} GB", bytes / 1e9);
}

// Free bytes of the disk that the folder, or the first of its parents that is there, lies on.
std::optional<double> FreeBytes(fs::path folder) {
  folder = fs::absolute(folder);
  while (!fs::exists(folder) && folder.has_relative_path()) folder = folder.parent_path();
  std::error_code failure;
  const fs::space_info space = fs::space(folder, failure);
  if (failure) return std::nullopt;
  return static_cast<double>(space.available);
}

std::optional<StageCosts> Costs(const RunConfiguration& c, const std::vector<PlannedStage>& planned,
                                Context& context) {
  if (std::none_of(planned.begin(), planned.end(),
                   [](const PlannedStage& stage) { return stage.may_be_done; }))
    return std::nullopt;
  try {
    return Rehearse(c, context);
  } catch (const Error& error) {
    context.log().warn("time and disk are not known: {}", error.what());
    return std::nullopt;
  }
}

}  // namespace

std::string DescribePlan(const RunConfiguration& c, const std::vector<Stage>& stages,
                         Context& context) {
  const std::vector<PlannedStage> planned = PlanStages(stages);
  const std::optional<StageCosts> costs = Costs(c, planned, context);
  std::string text;
  double seconds = 0, bytes = 0;
  for (const PlannedStage& stage : planned) {
    std::string cost;
    if (costs && stage.may_be_done && costs->contains(stage.name)) {
      const double of_stage = SecondsOf(stage.name, c, *costs);
      const double size = BytesOf(stage.name, c, *costs);
      cost = fmt::format(" ({}, {})", Duration(of_stage), Size(size));
      seconds += of_stage;
      bytes += size;
    }
    text += fmt::format("{:<14} {}{}\n", stage.name, stage.state, cost);
  }
  if (!costs) return text;
  text += fmt::format("{:<14} about {} and {}, measured on a few photographs and steps\n", "in all",
                      Duration(seconds), Size(bytes));
  if (const auto available = FreeBytes(c.run.out); available && *available < bytes)
    context.log().warn("{}: {} are needed, {} are free", c.run.out.string(), Size(bytes),
                       Size(*available));
  return text;
}

}  // namespace i2crc
