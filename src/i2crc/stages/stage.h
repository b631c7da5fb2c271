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

// How a stage is scored, and what the scores depend on besides the stage's own files: where that
// changes, a finished stage is scored again.
struct StageScorer {
  nlohmann::ordered_json options;
  std::function<std::vector<StageInput>()> inputs;
  // No report where there is no truth.
  std::function<std::optional<ScoreReport>(Context&)> score;
};

// One stage of a run. It reads its inputs and writes into its own folder only.
struct Stage {
  std::string name;
  std::filesystem::path out;
  nlohmann::ordered_json options;  // what decides its result, without paths
  std::function<std::vector<StageInput>()> inputs;
  std::function<void(Context&)> work;
  StageScorer scorer = {};
  bool is_result = false;          // what the run is for: CleanStages keeps its files
  std::string only_to_go_on = "";  // a file that is of use only until the stage is finished, or ""
};

// Why a stage would be done, or not.
enum class PlanReason {
  kDone,
  kNotDoneYet,
  kOptionsChanged,
  kInputsChanged,  // and no option
  kOtherVersion,
  kInterrupted,
  kCleaned,
  kFilesChanged  // its own: missing, or not as they were made
};

struct StagePlan {
  bool from_the_start = false;  // what stands in the stage's folder is of other options or inputs
  bool finished = false;
  PlanReason reason = PlanReason::kNotDoneYet;
  std::string why = {};  // in words: "done", "option lr: 0.01 -> 0.02", "input images changed"
};

// What --dry-run says of a stage.
struct PlannedStage {
  std::string name;
  bool may_be_done = false;  // now, or if what a stage before it makes comes out otherwise
  std::string state;         // in words
};

struct StageOutcome {
  std::string name;
  bool skipped = false;  // finished before
  double seconds = 0;    // that it took, interrupted pieces included
  std::optional<nlohmann::ordered_json> scores;
};

// What a stage would do now. Throws Error as CheckStageFolder does.
StagePlan PlanStage(const Stage& stage);

// Throws Error where the stage's folder holds files that no run made, or where its record, or the
// checkpoint that it says is finished, is damaged.
void CheckStageFolder(const Stage& stage);

// Whether the stage was done to its end once, of whatever options and inputs.
bool WasFinished(const Stage& stage);

// Whether the stage's files were removed by CleanStages.
bool WasCleaned(const Stage& stage);

// Does the stages in order, each skipped where it is finished, its files are there, and neither its
// options nor the contents of its inputs changed. A stage's folder carries stage.json: what it was
// made of, its files, and that it is finished; scores.json: its scores. A changed stage begins with
// an empty folder, an interrupted one goes on; whenever it was cut off, the next run can go on. A
// line for each stage done goes to metrics (JSON lines). The folders are kept from other processes
// (core/out_folder.h).
std::vector<StageOutcome> RunStages(const std::vector<Stage>& stages,
                                    const std::filesystem::path& metrics, Context& context);

// For --dry-run: what would be done and why.
std::vector<PlannedStage> PlanStages(const std::vector<Stage>& stages);

// Removes the files of finished stages that are no result, but for their reports (.json, .jsonl),
// and of results what is of no use any more. A cleaned stage still counts as finished as long as no
// stage that reads its files has to be done over; then it is done again. Returns the bytes removed.
uintmax_t CleanStages(const std::vector<Stage>& stages);

}  // namespace i2crc
