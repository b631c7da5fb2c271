// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/stage.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
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
  for (const fs::path& file : input.files)
    text +=
        file.lexically_relative(input.folder.empty() ? file.parent_path() : input.folder).string() +
        "\t" + FileChecksum(file) + "\n";
  return Checksum(text);
}

// What the stage is made of: options and the contents of its inputs.
Json Recipe(const Stage& stage) {
  Json inputs = Json::object();
  for (const StageInput& input : stage.inputs()) inputs[input.name] = ChecksumOfFiles(input);
  return {{"stage", stage.name}, {"options", stage.options}, {"inputs", inputs}};
}

// Everything in the stage's folder but what the driver itself writes there.
std::vector<std::string> Outputs(const fs::path& folder) {
  std::vector<std::string> names;
  if (!fs::is_directory(folder)) return names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (entry.is_regular_file() && name != kRecord && name != kScores &&
        !entry.path().filename().string().starts_with("."))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string OutputsChecksum(const fs::path& folder) {
  std::string text;
  for (const std::string& name : Outputs(folder)) text += name + "\n";
  return Checksum(text);
}

std::optional<Json> ReadRecord(const Stage& stage) {
  const fs::path path = stage.out / kRecord;
  if (!fs::exists(path)) return std::nullopt;
  Json record = Json::parse(ReadWholeFile(path), nullptr, /*allow_exceptions=*/false);
  if (!record.is_object() || !record.contains("recipe"))
    Fail("{}: damaged; remove the folder to do the stage again", path.string());
  return record;
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

StagePlan PlanAgainst(const Stage& stage, const Json& recipe) {
  const std::optional<Json> record = ReadRecord(stage);
  if (!record) {
    if (fs::exists(stage.out) && !fs::is_empty(stage.out))
      Fail("{}: holds files that no run made; choose another --out or remove it",
           stage.out.string());
    return {true, false, "not done yet"};
  }
  if ((*record)["recipe"] != recipe) return {true, false, Difference((*record)["recipe"], recipe)};
  if (!record->value("finished", false)) return {false, false, "interrupted"};
  if (record->value("outputs", "") != OutputsChecksum(stage.out))
    return {true, false, "files of it are missing"};
  return {false, true, "done"};
}

void WriteRecord(const Stage& stage, const Json& recipe, bool finished, double seconds) {
  Json record = {{"recipe", recipe}, {"finished", finished}};
  if (finished) {
    record["outputs"] = OutputsChecksum(stage.out);
    record["seconds"] = std::round(seconds * 1000) / 1000;
  }
  WriteFileAtomically(stage.out / kRecord, record.dump(1) + "\n");
}

std::optional<Json> ReadScores(const Stage& stage) {
  const fs::path path = stage.out / kScores;
  if (!fs::exists(path)) return std::nullopt;
  return Json::parse(ReadWholeFile(path), nullptr, false);
}

void Score(const Stage& stage, StageOutcome& outcome, Context& context) {
  if (!stage.score) return;
  const std::optional<ScoreReport> report = stage.score(context);
  if (!report) return;
  outcome.scores = report->ToJson();
  WriteFileAtomically(stage.out / kScores, outcome.scores->dump(1) + "\n");
  context.log().info(
      "{}: mIoU {:.2f}{}", stage.name, 100 * report->mean_iou(),
      report->best_threshold ? fmt::format(" at threshold {:.2f}", *report->best_threshold) : "");
}

// Goes behind the lines that are there: a run that was cut off and resumed has one history.
void AppendMetrics(const fs::path& path, const Json& line) {
  std::ofstream out(path, std::ios::app);
  out << line.dump() << '\n';
  if (!out.flush()) Fail("{}: cannot write", path.string());
}

StageOutcome DoStage(const Stage& stage, Context& context) {
  StageOutcome outcome;
  outcome.name = stage.name;
  const Json recipe = Recipe(stage);
  const StagePlan plan = PlanAgainst(stage, recipe);
  if (plan.finished) {
    outcome.skipped = true;
    outcome.seconds = (*ReadRecord(stage)).value("seconds", 0.0);
    outcome.scores = ReadScores(stage);
    context.log().info("{}: done before, skipped", stage.name);
    return outcome;
  }
  context.log().info("{}: {}", stage.name, plan.why);
  context.WorkBegins();
  if (plan.from_the_start) fs::remove_all(stage.out);
  MakeFolder(stage.out);
  WriteRecord(stage, recipe, false, 0);
  const auto begun = std::chrono::steady_clock::now();
  stage.work(context);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  Score(stage, outcome, context);
  WriteRecord(stage, recipe, true, outcome.seconds);
  return outcome;
}

}  // namespace

StagePlan PlanStage(const Stage& stage) { return PlanAgainst(stage, Recipe(stage)); }

std::vector<StageOutcome> RunStages(const std::vector<Stage>& stages, const fs::path& metrics,
                                    Context& context) {
  std::vector<StageOutcome> outcomes;
  for (const Stage& stage : stages) {
    context.CheckInterrupted();
    outcomes.push_back(DoStage(stage, context));
    const StageOutcome& outcome = outcomes.back();
    if (outcome.skipped) continue;
    Json line = {{"stage", outcome.name}};
    if (outcome.scores) {
      line["mean_iou"] = (*outcome.scores)["mean_iou"];
      line["scores"] = *outcome.scores;
    }
    line["seconds"] = std::round(outcome.seconds * 1000) / 1000;
    AppendMetrics(metrics, line);
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
