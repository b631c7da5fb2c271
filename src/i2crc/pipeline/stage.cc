// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/stage.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/core/error.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRecord = "stage.json";
constexpr const char* kScores = "scores.json";

std::string ChecksumOfFiles(const StageInput& input) {
  std::string text;
  for (const fs::path& file : input.files) {
    // In a folder the name is the image's ID; a single file may be called anything.
    if (!input.folder.empty()) text += file.lexically_relative(input.folder).string() + "\t";
    text += FileChecksum(file) + "\n";
  }
  return Checksum(text);
}

Json ChecksumsOfInputs(const std::vector<StageInput>& inputs) {
  Json checksums = Json::object();
  for (const StageInput& input : inputs) checksums[input.name] = ChecksumOfFiles(input);
  return checksums;
}

// What the stage is made of: options and the contents of its inputs.
Json Recipe(const Stage& stage) {
  return {{"stage", stage.name},
          {"options", stage.options},
          {"inputs", ChecksumsOfInputs(stage.inputs())}};
}

// What its scores depend on besides.
std::string ScoredWith(const Stage& stage) {
  if (!stage.scorer.inputs) return "";
  return Checksum(stage.scorer.options.dump() + ChecksumsOfInputs(stage.scorer.inputs()).dump());
}

// What stage.json says.
struct Record {
  Json recipe;
  bool finished = false;
  double seconds = 0;
  std::vector<std::string> files;  // where finished: what the stage made
  std::string scored_with;
};

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
    record.seconds = json.at("seconds");
    record.files = json.at("files").get<std::vector<std::string>>();
    record.scored_with = json.at("scored_with");
    return record;
  } catch (const Json::exception&) {
    Fail("{}: damaged, or of another version; remove the folder to do the stage again",
         path.string());
  }
}

void WriteRecord(const Stage& stage, const Record& record) {
  const Json json = {{"recipe", record.recipe},
                     {"finished", record.finished},
                     {"seconds", std::round(record.seconds * 1000) / 1000},
                     {"scored_with", record.scored_with},
                     {"files", record.files}};
  WriteFileAtomically(stage.out / kRecord, json.dump(1) + "\n");
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

StagePlan PlanAgainst(const Stage& stage, const std::optional<Record>& record, const Json& recipe) {
  if (!record) return {true, false, "not done yet"};
  if (record->recipe != recipe) return {true, false, Difference(record->recipe, recipe)};
  if (!record->finished) return {false, false, "interrupted"};
  for (const std::string& name : record->files)
    if (!fs::exists(stage.out / name)) return {true, false, name + " is missing"};
  return {false, true, "done"};
}

// Out of the way in one move, so that a cut in the middle leaves no half of a stage.
void Discard(const fs::path& folder) {
  const fs::path aside = folder.parent_path() / fmt::format(".{}.old", folder.filename().string());
  std::error_code failure;
  fs::remove_all(aside, failure);
  if (!failure && fs::exists(folder)) {
    fs::rename(folder, aside, failure);
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

// Goes behind the lines that are there: a run that was cut off and resumed has one history.
void AppendMetrics(const fs::path& path, const StageOutcome& outcome) {
  Json line = {{"stage", outcome.name}};
  if (outcome.scores) {
    line["mean_iou"] = (*outcome.scores)["mean_iou"];
    line["scores"] = *outcome.scores;
  }
  line["seconds"] = std::round(outcome.seconds * 1000) / 1000;
  const std::string text = fs::exists(path) ? ReadWholeFile(path) : "";
  WriteFileAtomically(path, text + line.dump() + "\n");
}

StageOutcome FinishedBefore(const Stage& stage, Record record, Context& context) {
  StageOutcome outcome;
  outcome.name = stage.name;
  outcome.skipped = true;
  outcome.seconds = record.seconds;
  const std::string scored_with = ScoredWith(stage);
  if (record.scored_with == scored_with) {
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

StageOutcome DoStage(const Stage& stage, const fs::path& metrics, Context& context) {
  const Json recipe = Recipe(stage);
  RefuseForeignFiles(stage);
  const std::optional<Record> before = ReadRecord(stage);
  const StagePlan plan = PlanAgainst(stage, before, recipe);
  if (plan.finished) return FinishedBefore(stage, *before, context);
  context.log().info("{}: {}", stage.name, plan.why);
  context.WorkBegins();
  if (plan.from_the_start) Discard(stage.out);
  MakeFolder(stage.out);
  RemoveAsideFiles(stage.out);
  Record record;
  record.recipe = recipe;
  if (!plan.from_the_start) record.seconds = before->seconds;
  WriteRecord(stage, record);
  DoWork(stage, record, context);
  StageOutcome outcome;
  outcome.name = stage.name;
  outcome.seconds = record.seconds;
  Score(stage, outcome, context);
  AppendMetrics(metrics, outcome);
  record.finished = true;
  record.files = FilesMade(stage.out);
  record.scored_with = ScoredWith(stage);
  WriteRecord(stage, record);
  return outcome;
}

}  // namespace

StagePlan PlanStage(const Stage& stage) {
  RefuseForeignFiles(stage);
  return PlanAgainst(stage, ReadRecord(stage), Recipe(stage));
}

void RefuseForeignFiles(const Stage& stage) {
  if (ReadRecord(stage) || !fs::is_directory(stage.out)) return;
  for (const auto& entry : fs::directory_iterator(stage.out))
    if (!IsAside(entry.path()))
      Fail("{}: holds files that no run made; choose another --out or remove it",
           stage.out.string());
}

bool WasFinished(const Stage& stage) {
  const std::optional<Record> record = ReadRecord(stage);
  return record && record->finished;
}

std::vector<StageOutcome> RunStages(const std::vector<Stage>& stages, const fs::path& metrics,
                                    Context& context) {
  std::vector<StageOutcome> outcomes;
  for (const Stage& stage : stages) {
    context.CheckInterrupted();
    outcomes.push_back(DoStage(stage, metrics, context));
  }
  return outcomes;
}

std::string DescribePlan(const std::vector<Stage>& stages) {
  std::string text;
  std::set<std::string> redone;
  for (const Stage& stage : stages) {
    std::string state;
    // What comes out of a stage that will be done over is not known yet.
    const auto inputs = stage.inputs();
    const auto changed = std::find_if(inputs.begin(), inputs.end(), [&](const StageInput& input) {
      return redone.contains(input.made_by);
    });
    const StagePlan plan = PlanStage(stage);
    if (changed != inputs.end() && (plan.finished || plan.why.starts_with("input "))) {
      state = fmt::format("would be done over if {} changes", changed->name);
      redone.insert(stage.name);
    } else if (plan.finished) {
      state = "done, would be skipped";
    } else {
      state = fmt::format("would be done: {}", plan.why);
      redone.insert(stage.name);
    }
    text += fmt::format("{:<14} {}\n", stage.name, state);
  }
  return text;
}

}  // namespace i2crc
