// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/stage.h"

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
#include "i2crc/weights/tensor_checksum.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRecord = "stage.json";
constexpr const char* kScores = "scores.json";
constexpr const char* kCheckpoint = "checkpoint.safetensors";

std::string ChecksumOfFiles(const StageInput& input) {
  std::string text;
  for (const fs::path& file : input.files) {
    // In a folder the name is the image's ID; a single file may be called anything.
    if (!input.folder.empty()) text += file.lexically_relative(input.folder).string() + "\t";
    text += FileChecksum(file) + "\n";
  }
  return Checksum(text);
}

// What stage.json says.
struct Record {
  Json recipe;
  bool finished = false;
  bool cleaned = false;  // its files were removed afterwards
  double seconds = 0;
  std::vector<std::string> files;  // where finished: what the stage made
  std::string scored_with;
  // Lines that the run's metrics had of this stage when it was begun; none in older records.
  std::optional<int64_t> lines_before;
};

using StageSet = std::set<std::string>;

// What the stage is made of: options and the contents of its inputs. What a cleaned stage had made
// is known from the record of the stage that read it.
Json Recipe(const Stage& stage, const std::optional<Record>& before, const StageSet& cleaned) {
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

// Files that begin with a dot are those of a write that was cut off.
bool IsAside(const fs::path& file) { return file.filename().string().starts_with("."); }

// Everything in the stage's folder but what the driver itself writes there.
std::vector<std::string> FilesMade(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (entry.is_regular_file() && name != kRecord && name != kScores && !IsAside(entry.path()))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<Record> ReadRecord(const Stage& stage) {
  const fs::path path = stage.out / kRecord;
  if (!fs::exists(path)) return std::nullopt;
  try {
    const Json json = Json::parse(ReadWholeFile(path));
    Record record;
    record.recipe = json.at("recipe");
    record.finished = json.at("finished");
    record.cleaned = json.value("cleaned", false);
    record.seconds = json.at("seconds");
    record.files = json.at("files").get<std::vector<std::string>>();
    record.scored_with = json.at("scored_with");
    if (json.contains("lines_before")) record.lines_before = json.at("lines_before");
    return record;
  } catch (const Json::exception&) {
    Fail("{}: damaged, or of another version; remove the folder to do the stage again",
         path.string());
  }
}

void WriteRecord(const Stage& stage, const Record& record) {
  Json json = {
      {"recipe", record.recipe},           {"finished", record.finished},
      {"cleaned", record.cleaned},         {"seconds", std::round(record.seconds * 1000) / 1000},
      {"scored_with", record.scored_with}, {"files", record.files}};
  if (record.lines_before) json["lines_before"] = *record.lines_before;
  WriteFileAtomically(stage.out / kRecord, json.dump(1) + "\n");
}

// A finished training is its checkpoint, on which all that follows counts. One that will be done
// over is not looked at.
void RefuseDamagedCheckpoint(const Stage& stage, const Record& record) {
  const bool is_of_these_options =
      record.recipe.is_object() && record.recipe.value("options", Json()) == stage.options;
  if (!record.finished || record.cleaned || !is_of_these_options) return;
  const fs::path checkpoint = stage.out / kCheckpoint;
  const auto& files = record.files;
  if (std::find(files.begin(), files.end(), kCheckpoint) != files.end() && fs::exists(checkpoint))
    ReadCheckedTensorFile(checkpoint,
                          fmt::format("remove it, and the stage {} is done again", stage.name));
}

// The first difference between two recipes, in words.
std::string Difference(const Json& before, const Json& now) {
  for (const char* part : {"options", "inputs"}) {
    const Json empty = Json::object();
    const Json& old_part = before.contains(part) ? before[part] : empty;
    for (const auto& [key, value] : now[part].items()) {
      if (old_part.contains(key) && old_part[key] == value) continue;
      if (std::string(part) == "inputs") return fmt::format("input {} changed", key);
      return fmt::format("option {}: {} -> {}", key,
                         old_part.contains(key) ? old_part[key].dump() : "not set", value.dump());
    }
    for (const auto& [key, value] : old_part.items())
      if (!now[part].contains(key)) return fmt::format("{} {} is gone", part, key);
  }
  return "made by another version";
}

// cleaned: the stages that may stay so.
StagePlan PlanAgainst(const Stage& stage, const std::optional<Record>& record, const Json& recipe,
                      const StageSet& cleaned) {
  if (!record) return {true, false, "not done yet"};
  if (record->recipe != recipe) return {true, false, Difference(record->recipe, recipe)};
  if (!record->finished) return {false, false, "interrupted"};
  if (record->cleaned)
    return cleaned.contains(stage.name) ? StagePlan{false, true, "done, and cleaned"}
                                        : StagePlan{true, false, "cleaned, and needed again"};
  for (const std::string& name : record->files)
    if (!fs::exists(stage.out / name)) return {true, false, name + " is missing"};
  return {false, true, "done"};
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
      const std::optional<Record> record = ReadRecord(stage);
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

// Out of the way in one move, so that a cut in the middle leaves no half of a stage.
void Discard(const fs::path& folder) {
  const fs::path aside = folder.parent_path() / fmt::format(".{}.old", folder.filename().string());
  std::error_code failure;
  fs::remove_all(aside, failure);
  if (!failure && fs::exists(folder)) {
    fs::rename(folder, aside, failure);
    FlushNames(folder.parent_path());
    if (!failure) fs::remove_all(aside, failure);
  }
  if (failure) Fail("{}: cannot remove: {}", folder.string(), failure.message());
}

std::optional<Json> ReadScores(const Stage& stage) {
  const fs::path path = stage.out / kScores;
  if (!fs::exists(path)) return std::nullopt;
  return Json::parse(ReadWholeFile(path), nullptr, false);
}

void Score(const Stage& stage, StageOutcome& outcome, Context& context) {
  if (!stage.scorer.score) return;
  const std::optional<ScoreReport> report = stage.scorer.score(context);
  if (!report) {
    fs::remove(stage.out / kScores);
    return;
  }
  outcome.scores = report->ToJson();
  WriteFileAtomically(stage.out / kScores, outcome.scores->dump(1) + "\n");
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

StageOutcome FinishedBefore(const Stage& stage, Record record, Context& context) {
  StageOutcome outcome;
  outcome.name = stage.name;
  outcome.skipped = true;
  outcome.seconds = record.seconds;
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
  record.scored_with = scored_with;
  WriteRecord(stage, record);
  return outcome;
}

// Adds the time to the record, also where the work is cut short.
void DoWork(const Stage& stage, Record& record, Context& context) {
  const auto begun = std::chrono::steady_clock::now();
  const auto stop = [&] {
    record.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  try {
    stage.work(context);
  } catch (const Interrupted&) {
    stop();
    WriteRecord(stage, record);
    throw;
  }
  stop();
}

// out: holds the stage's folder from here on.
StageOutcome DoStage(const Stage& stage, const StageSet& cleaned, const fs::path& metrics,
                     std::optional<OutFolder>& out, Context& context) {
  // Before anything is decided by what stands there, or moved away.
  if (fs::exists(stage.out)) out.emplace(stage.out, context);
  CheckStageFolder(stage);
  const std::optional<Record> before = ReadRecord(stage);
  const Json recipe = Recipe(stage, before, cleaned);
  const StagePlan plan = PlanAgainst(stage, before, recipe, cleaned);
  if (plan.finished) return FinishedBefore(stage, *before, context);
  context.log().info("{}: {}", stage.name, plan.why);
  context.WorkBegins();
  if (plan.from_the_start) {
    Discard(stage.out);
    out.reset();
  }
  if (!out) out.emplace(stage.out, context);
  RemoveAsideFilesBelow(stage.out);
  Record record;
  record.recipe = recipe;
  if (!plan.from_the_start) {
    record.seconds = before->seconds;
    record.lines_before = before->lines_before;
  }
  if (!record.lines_before) record.lines_before = CountLines(metrics, stage.name);
  WriteRecord(stage, record);
  DoWork(stage, record, context);
  StageOutcome outcome;
  outcome.name = stage.name;
  outcome.seconds = record.seconds;
  Score(stage, outcome, context);
  AppendMetrics(metrics, outcome, *record.lines_before);
  record.finished = true;
  record.files = FilesMade(stage.out);
  record.scored_with = ScoredWith(stage);
  // A power cut must not leave a record that says more than the disk holds.
  FlushFolder(stage.out);
  WriteRecord(stage, record);
  return outcome;
}

}  // namespace

StagePlan PlanStage(const Stage& stage) {
  CheckStageFolder(stage);
  const std::optional<Record> record = ReadRecord(stage);
  return PlanAgainst(stage, record, Recipe(stage, record, {}), {});
}

void CheckStageFolder(const Stage& stage) {
  if (const auto record = ReadRecord(stage)) return RefuseDamagedCheckpoint(stage, *record);
  if (!fs::is_directory(stage.out)) return;
  for (const auto& entry : fs::directory_iterator(stage.out))
    if (!IsAside(entry.path()))
      Fail("{}: holds files that no run made; choose another --out or remove it",
           stage.out.string());
}

bool WasFinished(const Stage& stage) {
  const std::optional<Record> record = ReadRecord(stage);
  return record && record->finished;
}

bool WasCleaned(const Stage& stage) {
  const std::optional<Record> record = ReadRecord(stage);
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
    const std::optional<Record> record = ReadRecord(stage);
    const StagePlan plan =
        PlanAgainst(stage, record, Recipe(stage, record, cleaned.all), cleaned.stay);
    // What comes out of a stage that will be done over is not known yet.
    const auto inputs = stage.inputs();
    const auto changed = std::find_if(inputs.begin(), inputs.end(), [&](const StageInput& input) {
      return redone.contains(input.made_by);
    });
    std::string state;
    if (changed != inputs.end() && (plan.finished || plan.why.starts_with("input "))) {
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
    std::optional<Record> record = ReadRecord(stage);
    if (!record || !record->finished) continue;
    std::vector<std::string> gone;
    // Whether the record names it or not: an attempt that was cut off may have left it.
    if (stage.is_result && !stage.only_to_go_on.empty()) gone.push_back(stage.only_to_go_on);
    for (const std::string& name : record->files) {
      const bool is_report = name.ends_with(".json") || name.ends_with(".jsonl");
      if (!stage.is_result && !is_report) gone.push_back(name);
    }
    // First the record: cut off in between, nobody takes what is left for the whole.
    if (stage.is_result) {
      std::erase(record->files, stage.only_to_go_on);
    } else {
      record->cleaned = true;
    }
    WriteRecord(stage, *record);
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
