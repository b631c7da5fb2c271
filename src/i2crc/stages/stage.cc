// SPDX-License-Identifier: Apache-2.0
#include "i2crc/stages/stage.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <set>
#include <sstream>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/core/error.h"
#include "i2crc/core/out_folder.h"
#include "i2crc/stages/stage_record.h"
#include "i2crc/weights/tensor_checksum.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kCheckpoint = "checkpoint.safetensors";

std::string ChecksumOfFiles(const StageInput& input) {
  std::string text;
  for (const fs::path& file : input.files) {
    // In a folder the name is the image's ID; a single file may be called anything.
    if (!input.folder.empty()) text += file.lexically_relative(input.folder).string() + "\t";
    text += RememberedFileChecksum(file) + "\n";
  }
  return Checksum(text);
}

using StageSet = std::set<std::string>;

// What the stage is made of: options and the contents of its inputs. What a cleaned stage had made
// is known from the record of the stage that read it.
Json Recipe(const Stage& stage, const std::optional<StageRecord>& before, const StageSet& cleaned) {
  Json known, checksums = Json::object();
  if (before && before->recipe.is_object()) known = before->recipe.value("inputs", Json());
  for (const StageInput& input : stage.inputs())
    checksums[input.name] = cleaned.contains(input.made_by) && known.contains(input.name)
                                ? known[input.name]
                                : Json(ChecksumOfFiles(input));
  return {{"stage", stage.name}, {"options", stage.options}, {"inputs", checksums}};
}

// What its scores depend on besides.
std::string ScoredWith(const Stage& stage) {
  if (!stage.scorer.inputs) return "";
  Json checksums = Json::object();
  for (const StageInput& input : stage.scorer.inputs())
    checksums[input.name] = ChecksumOfFiles(input);
  return Checksum(stage.scorer.options.dump() + checksums.dump());
}

// A finished training is its checkpoint, on which all that follows counts. One that will be done
// over is not looked at.
void RefuseDamagedCheckpoint(const Stage& stage, const StageRecord& record) {
  const bool is_of_these_options =
      record.recipe.is_object() && record.recipe.value("options", Json()) == stage.options;
  if (!record.finished || record.cleaned || !is_of_these_options) return;
  const fs::path checkpoint = stage.out / kCheckpoint;
  if (record.Has(kCheckpoint) && fs::exists(checkpoint))
    ReadCheckedTensorFile(checkpoint,
                          fmt::format("remove it, and the stage {} is done again", stage.name));
}

StagePlan FromTheStart(PlanReason reason, std::string why) {
  return {true, false, reason, std::move(why)};
}

// For a recipe that is not that of before: the first difference. Options come before inputs.
StagePlan PlanAnew(const Json& before, const Json& now) {
  for (const auto& [part, reason] : {std::pair{"options", PlanReason::kOptionsChanged},
                                     std::pair{"inputs", PlanReason::kInputsChanged}}) {
    const Json empty = Json::object();
    const Json& old_part = before.contains(part) ? before[part] : empty;
    for (const auto& [key, value] : now[part].items()) {
      if (old_part.contains(key) && old_part[key] == value) continue;
      if (reason == PlanReason::kInputsChanged)
        return FromTheStart(reason, fmt::format("input {} changed", key));
      return FromTheStart(
          reason,
          fmt::format("option {}: {} -> {}", key,
                      old_part.contains(key) ? old_part[key].dump() : "not set", value.dump()));
    }
    for (const auto& [key, value] : old_part.items())
      if (!now[part].contains(key))
        return FromTheStart(reason, fmt::format("{} {} is gone", part, key));
  }
  return FromTheStart(PlanReason::kOtherVersion, "made by another version");
}

// cleaned: the stages that may stay so.
StagePlan PlanAgainst(const Stage& stage, const std::optional<StageRecord>& record,
                      const Json& recipe, const StageSet& cleaned) {
  if (!record) return FromTheStart(PlanReason::kNotDoneYet, "not done yet");
  if (record->recipe != recipe) return PlanAnew(record->recipe, recipe);
  if (!record->finished) return {false, false, PlanReason::kInterrupted, "interrupted"};
  if (record->cleaned)
    return cleaned.contains(stage.name)
               ? StagePlan{false, true, PlanReason::kDone, "done, and cleaned"}
               : FromTheStart(PlanReason::kCleaned, "cleaned, and needed again");
  const std::string missing = MissingFile(stage.out, *record);
  if (!missing.empty()) return FromTheStart(PlanReason::kFilesChanged, missing + " is missing");
  // Results may be corrected by hand; what stages make for each other is made again.
  const std::string changed = stage.is_result ? "" : ChangedFile(stage.out, *record);
  if (!changed.empty())
    return FromTheStart(PlanReason::kFilesChanged, changed + " is not as it was made");
  return {false, true, PlanReason::kDone, "done"};
}

// The stages that were cleaned, and those of them whose files nothing needs.
struct Cleaned {
  StageSet all, stay;
};

// Each stage that has to be done takes what it reads of them from those that stay so, and what
// these read in turn. A stage that is done over for its files alone makes the same again.
Cleaned FindCleaned(const std::vector<Stage>& stages) {
  Cleaned cleaned;
  for (const Stage& stage : stages)
    if (WasCleaned(stage)) cleaned.all.insert(stage.name);
  cleaned.stay = cleaned.all;
  for (bool any_left = true; any_left && !cleaned.stay.empty();) {
    const size_t before = cleaned.stay.size();
    for (const Stage& stage : stages) {
      const std::optional<StageRecord> record = ReadStageRecord(stage.out);
      const Json recipe = Recipe(stage, record, cleaned.all);
      if (PlanAgainst(stage, record, recipe, cleaned.stay).finished) continue;
      cleaned.stay.erase(stage.name);
      for (const StageInput& input : stage.inputs()) cleaned.stay.erase(input.made_by);
    }
    any_left = cleaned.stay.size() < before;
  }
  return cleaned;
}

// IDs with a slash have folders of their own in the stage's.
void RemoveAsideFilesBelow(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory()) RemoveAsideFiles(entry.path());
}

fs::path SetAsidePath(const fs::path& folder) {
  return folder.parent_path() / fmt::format(".{}.old", folder.filename().string());
}

void Remove(const fs::path& folder) {
  std::error_code failure;
  fs::remove_all(folder, failure);
  if (failure) Fail("{}: cannot remove: {}", folder.string(), failure.message());
}

void Move(const fs::path& from, const fs::path& to) {
  std::error_code failure;
  fs::rename(from, to, failure);
  if (failure) Fail("{}: cannot move: {}", from.string(), failure.message());
  FlushNames(from.parent_path());
}

// Out of the way in one move, so that a cut in the middle leaves no half of a stage. It is removed
// when there is something new.
void SetAside(const fs::path& folder) {
  Remove(SetAsidePath(folder));
  if (fs::exists(folder)) Move(folder, SetAsidePath(folder));
}

std::optional<Json> ReadScores(const Stage& stage) {
  const fs::path path = stage.out / kStageScores;
  if (!fs::exists(path)) return std::nullopt;
  return Json::parse(ReadWholeFile(path), nullptr, false);
}

void Score(const Stage& stage, StageOutcome& outcome, Context& context) {
  if (!stage.scorer.score) return;
  const std::optional<ScoreReport> report = stage.scorer.score(context);
  if (!report) {
    fs::remove(stage.out / kStageScores);
    return;
  }
  outcome.scores = report->ToJson();
  WriteFileAtomically(stage.out / kStageScores, outcome.scores->dump(1) + "\n");
  context.log().info(
      "{}: mIoU {:.2f}{}", stage.name, 100 * report->mean_iou(),
      report->best_threshold ? fmt::format(" at threshold {:.2f}", *report->best_threshold) : "");
}

std::vector<std::string> LinesOf(const fs::path& metrics) {
  std::vector<std::string> lines;
  if (!fs::exists(metrics)) return lines;
  std::istringstream text(ReadWholeFile(metrics));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

bool IsLineOf(const std::string& line, const std::string& stage) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.value("stage", Json()) == stage;
}

int64_t CountLines(const fs::path& metrics, const std::string& stage) {
  const std::vector<std::string> lines = LinesOf(metrics);
  return std::count_if(lines.begin(), lines.end(),
                       [&](const std::string& line) { return IsLineOf(line, stage); });
}

// Goes behind the lines that are there: a run that was cut off and resumed has one history. Of the
// stage itself so many stay as there were when it was begun: one more is of an attempt that was cut
// off before its record said that it was finished.
void AppendMetrics(const fs::path& path, const StageOutcome& outcome, int64_t lines_before) {
  Json line = {{"stage", outcome.name}};
  if (outcome.scores) {
    line["mean_iou"] = (*outcome.scores)["mean_iou"];
    line["scores"] = *outcome.scores;
  }
  line["seconds"] = std::round(outcome.seconds * 1000) / 1000;
  std::string text;
  int64_t of_stage = 0;
  for (const std::string& earlier : LinesOf(path))
    if (!IsLineOf(earlier, outcome.name) || ++of_stage <= lines_before) text += earlier + "\n";
  WriteFileAtomically(path, text + line.dump() + "\n");
}

StageOutcome FinishedBefore(const Stage& stage, StageRecord record, Context& context) {
  StageOutcome outcome;
  outcome.name = stage.name;
  outcome.skipped = true;
  outcome.seconds = record.seconds;
  // Any other stage with a changed file is not skipped, but done over.
  const std::string changed = stage.is_result ? ChangedFile(stage.out, record) : "";
  if (!changed.empty())
    context.log().warn(
        "{}: was changed since it was made, and is kept; remove it to have the stage {} done again",
        (stage.out / changed).string(), stage.name);
  const std::string scored_with = ScoredWith(stage);
  // Of a cleaned stage the scores of before are all that there is.
  if (record.scored_with == scored_with || record.cleaned) {
    outcome.scores = ReadScores(stage);
    context.log().info("{}: done before, skipped", stage.name);
    return outcome;
  }
  context.log().info("{}: done before, scored again", stage.name);
  context.WorkBegins();
  Score(stage, outcome, context);
  record.files = MadeFiles(stage.out);  // the scores of some stages are files of their own
  record.scored_with = scored_with;
  WriteStageRecord(stage.out, record);
  return outcome;
}

// Adds the time to the record, also where the work is cut short.
void DoWork(const Stage& stage, StageRecord& record, Context& context) {
  const auto begun = std::chrono::steady_clock::now();
  const auto stop = [&] {
    record.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  try {
    stage.work(context);
  } catch (const Interrupted&) {
    stop();
    WriteStageRecord(stage.out, record);
    throw;
  }
  stop();
}

// What a stage of other options or inputs had made stays where the new one fails before it has made
// anything, as where an input cannot be read.
void DoWorkInPlaceOfOld(const Stage& stage, StageRecord& record, Context& context) {
  const fs::path old = SetAsidePath(stage.out);
  try {
    DoWork(stage, record, context);
  } catch (const Error&) {
    if (fs::exists(old) && FilesIn(stage.out).empty()) {
      Remove(stage.out);
      Move(old, stage.out);
    }
    throw;
  }
  Remove(old);
}

// out: holds the stage's folder from here on.
StageOutcome DoStage(const Stage& stage, const StageSet& cleaned, const fs::path& metrics,
                     std::optional<OutFolder>& out, Context& context) {
  // Before anything is decided by what stands there, or moved away.
  if (fs::exists(stage.out)) out.emplace(stage.out, context);
  CheckStageFolder(stage);
  const std::optional<StageRecord> before = ReadStageRecord(stage.out);
  const Json recipe = Recipe(stage, before, cleaned);
  const StagePlan plan = PlanAgainst(stage, before, recipe, cleaned);
  if (plan.finished) return FinishedBefore(stage, *before, context);
  context.log().info("{}: {}", stage.name, plan.why);
  context.WorkBegins();
  if (plan.from_the_start) {
    SetAside(stage.out);
    out.reset();
  }
  if (!out) out.emplace(stage.out, context);
  RemoveAsideFilesBelow(stage.out);
  StageRecord record;
  record.recipe = recipe;
  if (!plan.from_the_start) {
    record.seconds = before->seconds;
    record.lines_before = before->lines_before;
  }
  if (!record.lines_before) record.lines_before = CountLines(metrics, stage.name);
  WriteStageRecord(stage.out, record);
  DoWorkInPlaceOfOld(stage, record, context);
  StageOutcome outcome;
  outcome.name = stage.name;
  outcome.seconds = record.seconds;
  Score(stage, outcome, context);
  AppendMetrics(metrics, outcome, *record.lines_before);
  record.finished = true;
  record.files = MadeFiles(stage.out);
  record.scored_with = ScoredWith(stage);
  // A power cut must not leave a record that says more than the disk holds.
  FlushFolder(stage.out);
  WriteStageRecord(stage.out, record);
  return outcome;
}

}  // namespace

StagePlan PlanStage(const Stage& stage) {
  CheckStageFolder(stage);
  const std::optional<StageRecord> record = ReadStageRecord(stage.out);
  return PlanAgainst(stage, record, Recipe(stage, record, {}), {});
}

void CheckStageFolder(const Stage& stage) {
  if (const auto record = ReadStageRecord(stage.out))
    return RefuseDamagedCheckpoint(stage, *record);
  if (!fs::is_directory(stage.out)) return;
  for (const auto& entry : fs::directory_iterator(stage.out))
    if (!IsAside(entry.path()))
      Fail("{}: holds files that no run made; choose another --out or remove it",
           stage.out.string());
}

bool WasFinished(const Stage& stage) {
  const std::optional<StageRecord> record = ReadStageRecord(stage.out);
  return record && record->finished;
}

bool WasCleaned(const Stage& stage) {
  const std::optional<StageRecord> record = ReadStageRecord(stage.out);
  return record && record->finished && record->cleaned;
}

std::vector<StageOutcome> RunStages(const std::vector<Stage>& stages, const fs::path& metrics,
                                    Context& context) {
  std::vector<StageOutcome> outcomes;
  const StageSet cleaned = FindCleaned(stages).stay;
  // Until the end: stages to come read what those before them made.
  std::deque<std::optional<OutFolder>> held;
  for (const Stage& stage : stages) {
    context.CheckInterrupted();
    outcomes.push_back(DoStage(stage, cleaned, metrics, held.emplace_back(), context));
  }
  return outcomes;
}

std::vector<PlannedStage> PlanStages(const std::vector<Stage>& stages) {
  std::vector<PlannedStage> planned;
  const Cleaned cleaned = FindCleaned(stages);
  StageSet redone;
  for (const Stage& stage : stages) {
    CheckStageFolder(stage);
    const std::optional<StageRecord> record = ReadStageRecord(stage.out);
    const StagePlan plan =
        PlanAgainst(stage, record, Recipe(stage, record, cleaned.all), cleaned.stay);
    // What comes out of a stage that will be done over is not known yet.
    const auto inputs = stage.inputs();
    const auto changed = std::find_if(inputs.begin(), inputs.end(), [&](const StageInput& input) {
      return redone.contains(input.made_by);
    });
    std::string state;
    if (changed != inputs.end() && (plan.finished || plan.reason == PlanReason::kInputsChanged)) {
      state = fmt::format("would be done over if {} changes", changed->name);
      redone.insert(stage.name);
    } else if (plan.finished) {
      state = plan.why + ", would be skipped";
    } else {
      state = fmt::format("would be done: {}", plan.why);
      redone.insert(stage.name);
    }
    planned.push_back({stage.name, redone.contains(stage.name), state});
  }
  return planned;
}

uintmax_t CleanStages(const std::vector<Stage>& stages) {
  uintmax_t bytes = 0;
  for (const Stage& stage : stages) {
    std::optional<StageRecord> record = ReadStageRecord(stage.out);
    if (!record || !record->finished) continue;
    std::vector<std::string> gone;
    // Whether the record names it or not: an attempt that was cut off may have left it.
    if (stage.is_result && !stage.only_to_go_on.empty()) gone.push_back(stage.only_to_go_on);
    for (const MadeFile& file : record->files) {
      const bool is_report = file.name.ends_with(".json") || file.name.ends_with(".jsonl");
      if (!stage.is_result && !is_report) gone.push_back(file.name);
    }
    // First the record: cut off in between, nobody takes what is left for the whole.
    if (stage.is_result) {
      std::erase_if(record->files,
                    [&](const MadeFile& file) { return file.name == stage.only_to_go_on; });
    } else {
      record->cleaned = true;
    }
    WriteStageRecord(stage.out, *record);
    for (const std::string& name : gone) {
      const fs::path file = stage.out / name;
      if (!fs::exists(file)) continue;
      bytes += fs::file_size(file);
      std::error_code failure;
      fs::remove(file, failure);
      if (failure) Fail("{}: cannot remove: {}", file.string(), failure.message());
    }
  }
  return bytes;
}

}  // namespace i2crc
