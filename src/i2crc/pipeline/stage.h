// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/metrics/score_report.h"

namespace i2crc {

// Something that a stage reads: a file, or the files that it takes from a folder.
struct StageInput {
  std::string name;  // "images", "list", "cam"
  std::vector<std::filesystem::path>
      files;  // those that are there; where a stage made them, looked up when it is its turn
  std::filesystem::path folder;  // what names are relative to; part of no checksum
  std::string made_by;           // the stage whose folder this is, or ""
};

// One stage of a run. It reads its inputs and writes into its own folder only.
struct Stage {
  std::string name;
  std::filesystem::path out;
  nlohmann::ordered_json options;  // what decides its result, without paths
  std::function<std::vector<StageInput>()> inputs;
  std::function<void(Context&)> work;
  // Its scores against the truth, where there is one.
  std::function<std::optional<ScoreReport>(Context&)> score;
};

struct StagePlan {
  bool from_the_start = false;  // what stands in the stage's folder is of other options or inputs
  bool finished = false;
  std::string why;  // "done", "not done yet", "interrupted", "option lr: 0.01 -> 0.02", "input
                    // images changed"
};

struct StageOutcome {
  std::string name;
  bool skipped = false;  // finished before
  double seconds = 0;    // of the run that did it
  std::optional<nlohmann::ordered_json> scores;
};

// What a stage would do now. Throws Error where its folder holds files that no run made.
StagePlan PlanStage(const Stage& stage);

// Does the stages in order, each skipped where it is finished and neither its options nor the
// contents of its inputs changed. A stage's folder carries stage.json: what it was made of, and
// that it is finished; scores.json: its scores. A changed stage begins with an empty folder, an
// interrupted one goes on. A line for each goes to metrics (JSON lines).
std::vector<StageOutcome> RunStages(const std::vector<Stage>& stages,
                                    const std::filesystem::path& metrics, Context& context);

// For --dry-run: a line a stage, what would be done and why.
std::string DescribePlan(const std::vector<Stage>& stages);

}  // namespace i2crc
