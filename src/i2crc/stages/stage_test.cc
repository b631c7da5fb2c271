// SPDX-License-Identifier: Apache-2.0
#include "i2crc/stages/stage.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <sstream>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/inputs/made_folder.h"
#include "i2crc/weights/tensor_checksum.h"
#include "i2crc/weights/tensor_file.h"
#include "support/folder_holder.h"
#include "support/test_dirs.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using ::testing::HasSubstr;
using testing::ReadBytes;
using testing::TempDir;
using testing::WriteBytes;

// As records were before they had more than the names of files.
void KeepNamesAlone(const fs::path& record) {
  auto json = nlohmann::ordered_json::parse(ReadBytes(record));
  for (auto& file : json["files"]) file = nlohmann::ordered_json(file["name"]);
  WriteBytes(record, json.dump());
}

// Two stages: `copy` copies an input, `twice` writes it twice; their work is counted.
class StageTest : public ::testing::Test {
 protected:
  StageTest() {
    WriteBytes(input_, "in");
    WriteBytes(truth_, "true");
  }

  Stage Copy() {
    return {"copy",
            dir_ / "run/copy",
            options_,
            [this] {
              return std::vector<StageInput>{{"input", {input_}, {}, ""}};
            },
            [this](Context&) {
              ++copied_;
              if (before_copy_) before_copy_();
              WriteBytes(dir_ / "run/copy/out", ReadBytes(input_));
            },
            {{},
             [this] {
               return std::vector<StageInput>{{"truth", {truth_}, {}, ""}};
             },
             [this](Context&) -> std::optional<ScoreReport> {
               ++scored_;
               if (ReadBytes(truth_).empty()) return std::nullopt;
               ScoreReport report;
               report.mean_iou_ignored_as_background = 1.0 / ReadBytes(truth_).size();
               return report;
             }}};
  }

  Stage Twice() {
    return {"twice",
            dir_ / "run/twice",
            {},
            [this] {
              return std::vector<StageInput>{
                  {"copy", {dir_ / "run/copy/out"}, dir_ / "run/copy", "copy"}};
            },
            [this](Context&) {
              ++doubled_;
              const std::string text = ReadBytes(dir_ / "run/copy/out");
              WriteBytes(dir_ / "run/twice/out", text + text);
            },
            {}};
  }

  static Stage AsResult(Stage stage) {
    stage.is_result = true;
    stage.only_to_go_on = "state";
    return stage;
  }

  std::vector<StageOutcome> Run() {
    Context context;
    return RunStages({Copy(), Twice()}, dir_ / "run/metrics.jsonl", context);
  }
  std::string Why() { return PlanStage(Copy()).why; }

  TempDir dir_;
  fs::path input_ = dir_ / "input", truth_ = dir_ / "truth";
  nlohmann::ordered_json options_ = {{"lr", 0.01}};
  std::function<void()> before_copy_;
  int copied_ = 0, doubled_ = 0, scored_ = 0;
};

TEST_F(StageTest, SkipsWhatIsDone) {
  Run();
  EXPECT_EQ(ReadBytes(dir_ / "run/twice/out"), "inin");
  const std::string metrics = ReadBytes(dir_ / "run/metrics.jsonl");
  const auto outcomes = Run();
  EXPECT_TRUE(outcomes[0].skipped && outcomes[1].skipped);
  EXPECT_EQ(outcomes[0].scores->at("mean_iou"), 0.25);
  EXPECT_EQ(copied_, 1);
  EXPECT_EQ(doubled_, 1);
  EXPECT_EQ(scored_, 1);
  EXPECT_EQ(ReadBytes(dir_ / "run/metrics.jsonl"), metrics);
}

TEST_F(StageTest, DoesOverWhatChangedAndNoMore) {
  Run();
  options_["lr"] = 0.02;
  EXPECT_EQ(Why(), "option lr: 0.01 -> 0.02");
  Run();
  EXPECT_EQ(copied_, 2);
  // It came out the same, so what follows stands.
  EXPECT_EQ(doubled_, 1);
  WriteBytes(input_, "other");
  EXPECT_EQ(Why(), "input input changed");
  Run();
  EXPECT_EQ(doubled_, 2);
  EXPECT_EQ(ReadBytes(dir_ / "run/twice/out"), "otherother");
}

TEST_F(StageTest, ASingleFileMayBeRenamed) {
  Run();
  fs::rename(input_, dir_ / "renamed");
  input_ = dir_ / "renamed";
  EXPECT_EQ(Why(), "done");
}

TEST_F(StageTest, DoesOverWhereAFileIsMissingButNotForAnAddedOne) {
  Run();
  WriteBytes(dir_ / "run/copy/notes.txt", "mine");
  EXPECT_EQ(Why(), "done");
  fs::remove(dir_ / "run/copy/out");
  EXPECT_EQ(Why(), "out is missing");
  Run();
  EXPECT_EQ(ReadBytes(dir_ / "run/copy/out"), "in");
}

TEST_F(StageTest, ScoresAgainWhereTheTruthChanged) {
  Run();
  WriteBytes(truth_, "10bytes!!!");
  EXPECT_EQ(Run()[0].scores->at("mean_iou"), 0.1);
  EXPECT_EQ(copied_, 1);
  EXPECT_EQ(scored_, 2);
  WriteBytes(truth_, "");
  EXPECT_FALSE(Run()[0].scores.has_value());
  EXPECT_FALSE(fs::exists(dir_ / "run/copy/scores.json"));
}

TEST_F(StageTest, GoesOnWithWhatWasInterrupted) {
  before_copy_ = [this] {
    WriteBytes(dir_ / "run/copy/half", "kept");
    throw Interrupted();
  };
  EXPECT_THROW(Run(), Interrupted);
  EXPECT_FALSE(WasFinished(Copy()));
  EXPECT_EQ(Why(), "interrupted");
  before_copy_ = nullptr;
  Run();
  EXPECT_TRUE(WasFinished(Copy()));
  EXPECT_EQ(ReadBytes(dir_ / "run/copy/half"), "kept");
  // An option that changed meanwhile empties the folder.
  options_["lr"] = 1;
  Run();
  EXPECT_FALSE(fs::exists(dir_ / "run/copy/half"));
}

// What a kill in the middle of a write or of a removal leaves.
TEST_F(StageTest, LeftoversOfAKillDoNotStandInTheWay) {
  fs::create_directories(dir_ / "run/copy");
  WriteBytes(dir_ / "run/copy/.stage.json.tmp.1.0", "{");
  fs::create_directories(dir_ / "run/.copy.old");
  WriteBytes(dir_ / "run/.copy.old/out", "old");
  Run();
  EXPECT_EQ(ReadBytes(dir_ / "run/copy/out"), "in");
  EXPECT_FALSE(fs::exists(dir_ / "run/copy/.stage.json.tmp.1.0"));
  EXPECT_FALSE(fs::exists(dir_ / "run/.copy.old"));
  // Of an attempt that goes on, too.
  before_copy_ = [this] {
    fs::create_directories(dir_ / "run/copy/a/b");
    WriteBytes(dir_ / "run/copy/a/b/.c.png.tmp.1.0", "{");
    throw Interrupted();
  };
  options_["lr"] = 1;
  EXPECT_THROW(Run(), Interrupted);
  before_copy_ = nullptr;
  Run();
  EXPECT_FALSE(fs::exists(dir_ / "run/copy/a/b/.c.png.tmp.1.0"));
}

std::string ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_F(StageTest, RefusesAFolderOfForeignFilesAndADamagedRecord) {
  fs::create_directories(dir_ / "run/copy");
  WriteBytes(dir_ / "run/copy/thesis.txt", "mine");
  EXPECT_THAT(ErrorOf([&] { Run(); }), HasSubstr("run/copy: holds files that no run made"));
  EXPECT_EQ(ReadBytes(dir_ / "run/copy/thesis.txt"), "mine");
  for (const char* record : {"{", "[]", "{\"recipe\": {}, \"finished\": 3}"}) {
    WriteBytes(dir_ / "run/copy/stage.json", record);
    EXPECT_THAT(ErrorOf([&] { Run(); }), HasSubstr("run/copy/stage.json: damaged")) << record;
  }
}

TEST_F(StageTest, LeavesAFolderAloneThatAnotherProcessWritesTo) {
  Run();
  options_["lr"] = 5;
  {
    const testing::FolderHolder holder(dir_ / "run/copy");
    EXPECT_THAT(ErrorOf([&] { Run(); }), HasSubstr("run/copy: process "));
    EXPECT_EQ(ReadBytes(dir_ / "run/copy/out"), "in");
    EXPECT_EQ(copied_, 1);
  }
  Run();
  EXPECT_EQ(copied_, 2);
}

TEST_F(StageTest, KeepsWhatItMadeFromOthersUntilAllIsDone) {
  std::string refusal;
  Stage last = Twice();
  last.work = [&](Context&) {
    // As another process would.
    const int descriptor = open((dir_ / "run/copy/.i2crc.lock").c_str(), O_RDWR);
    refusal = flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? "" : std::strerror(errno);
    close(descriptor);
  };
  Context context;
  RunStages({Copy(), last}, dir_ / "run/metrics.jsonl", context);
  EXPECT_EQ(refusal, "Resource temporarily unavailable");
  EXPECT_FALSE(fs::exists(dir_ / "run/copy/.i2crc.lock"));
}

TEST_F(StageTest, RefusesAFinishedStageWhoseCheckpointIsDamaged) {
  const fs::path checkpoint = dir_ / "run/copy/checkpoint.safetensors";
  const auto write = [&](bool with_checksum) {
    TensorMap tensors;
    tensors.Add("w", Tensor::FromF32({2}, std::vector<float>{1, 2}));
    if (with_checksum) AddChecksum(tensors);
    WriteSafetensors(checkpoint, tensors);
  };
  before_copy_ = [&] { write(true); };
  Run();
  Run();
  EXPECT_EQ(copied_, 1);
  const std::string remedy = "; remove it, and the stage copy is done again";
  std::string bytes = ReadBytes(checkpoint);
  bytes.back() ^= 1;
  WriteBytes(checkpoint, bytes);
  const std::string damaged =
      checkpoint.string() + ": damaged: its tensors are not those that were written" + remedy;
  EXPECT_EQ(ErrorOf([&] { Run(); }), damaged);
  EXPECT_EQ(ErrorOf([&] { PlanStages({Copy()}); }), damaged);
  EXPECT_EQ(ErrorOf([&] { CheckStageFolder(Copy()); }), damaged);
  // As a power cut leaves what was never flushed.
  WriteBytes(checkpoint, "");
  EXPECT_EQ(ErrorOf([&] { Run(); }), checkpoint.string() + ": empty file" + remedy);
  // Other options do it over, whatever it is.
  options_["lr"] = 3;
  Run();
  EXPECT_EQ(copied_, 2);
  fs::remove(checkpoint);
  Run();
  EXPECT_EQ(copied_, 3);
  // One of before there were checksums, in the checkpoint and in the record.
  write(false);
  KeepNamesAlone(dir_ / "run/copy/stage.json");
  Run();
  EXPECT_EQ(copied_, 3);
}

TEST_F(StageTest, DoesOverWhatIsNotAsItWasMade) {
  Run();
  const fs::path out = dir_ / "run/copy/out";
  const auto expect_made_again = [&](int copied) {
    EXPECT_EQ(Why(), "out is not as it was made");
    Run();
    EXPECT_EQ(copied_, copied);
    EXPECT_EQ(doubled_, 1);  // of what is as before
    EXPECT_EQ(ReadBytes(out), "in");
  };
  WriteBytes(out, "i");
  expect_made_again(2);
  WriteBytes(out, "on");
  expect_made_again(3);
  // Touched, but the same; copied elsewhere with all of the run.
  WriteBytes(out, "in");
  fs::last_write_time(out, fs::last_write_time(out) + std::chrono::seconds(5));
  EXPECT_EQ(Why(), "done");
  WriteBytes(out, "on");
  // A record of before names the files, no more.
  KeepNamesAlone(dir_ / "run/copy/stage.json");
  EXPECT_EQ(Why(), "done");
}

TEST_F(StageTest, KeepsAResultThatWasCorrectedByHand) {
  const Stage result = AsResult(Copy());
  testing::LoggedContext context;
  RunStages({result}, dir_ / "run/metrics.jsonl", context);
  WriteBytes(dir_ / "run/copy/out", "by hand");
  EXPECT_TRUE(RunStages({result}, dir_ / "run/metrics.jsonl", context).front().skipped);
  EXPECT_EQ(ReadBytes(dir_ / "run/copy/out"), "by hand");
  EXPECT_THAT(context.lines(),
              HasSubstr("run/copy/out: was changed since it was made, and is kept"));
}

TEST_F(StageTest, WhatIsThereStaysWhereItsSuccessorCannotBegin) {
  Run();
  WriteBytes(input_, "damaged");
  before_copy_ = [this] { Fail("{}: damaged", input_.string()); };
  EXPECT_THAT(ErrorOf([&] { Run(); }), HasSubstr("input: damaged"));
  EXPECT_EQ(ReadBytes(dir_ / "run/copy/out"), "in");
  WriteBytes(input_, "in");
  EXPECT_EQ(Why(), "done");
  // One that had begun to make files is gone on with.
  options_["lr"] = 2;
  before_copy_ = [this] {
    WriteBytes(dir_ / "run/copy/half", "made");
    Fail("no more");
  };
  EXPECT_THAT(ErrorOf([&] { Run(); }), HasSubstr("no more"));
  EXPECT_EQ(Why(), "interrupted");
  before_copy_ = nullptr;
  Run();
  EXPECT_EQ(ReadBytes(dir_ / "run/copy/half"), "made");
  EXPECT_FALSE(fs::exists(dir_ / "run/.copy.old"));
}

TEST_F(StageTest, ThePlanSaysWhatFollowsFromAChange) {
  EXPECT_EQ(PlanStages({Copy()})[0].state, "would be done: not done yet");
  Run();
  WriteBytes(input_, "other");
  const auto plan = PlanStages({Copy(), Twice()});
  EXPECT_EQ(plan[0].state, "would be done: input input changed");
  EXPECT_EQ(plan[1].state, "would be done over if copy changes");
  EXPECT_TRUE(plan[0].may_be_done && plan[1].may_be_done);
  EXPECT_EQ(copied_, 1);
}

// The results are what a run is for; `copy` is made again only where `twice` has to be.
TEST_F(StageTest, WhatIsCleanedIsMissedOnlyWhereItIsNeeded) {
  const auto stages = [this] { return std::vector<Stage>{Copy(), AsResult(Twice())}; };
  Run();
  WriteBytes(dir_ / "run/copy/report.json", "{}");
  EXPECT_EQ(CleanStages(stages()), 2);
  EXPECT_FALSE(fs::exists(dir_ / "run/copy/out"));
  EXPECT_EQ(ReadBytes(dir_ / "run/twice/out"), "inin");
  EXPECT_EQ(PlanStages(stages())[0].state, "done, and cleaned, would be skipped");
  EXPECT_EQ(Run()[0].scores->at("mean_iou"), 0.25);
  EXPECT_EQ(copied_, 1);
  EXPECT_EQ(doubled_, 1);

  fs::remove(dir_ / "run/twice/out");
  EXPECT_EQ(PlanStages(stages())[0].state, "would be done: cleaned, and needed again");
  Run();
  EXPECT_EQ(copied_, 2);
  EXPECT_EQ(doubled_, 2);
  EXPECT_EQ(ReadBytes(dir_ / "run/twice/out"), "inin");

  // An option of its own, or an input of the user's, does it over as ever.
  CleanStages(stages());
  WriteBytes(input_, "new");
  Run();
  EXPECT_EQ(ReadBytes(dir_ / "run/twice/out"), "newnew");
}

// Cut off where the line stands and the record does not say yet that the stage is finished.
TEST_F(StageTest, AnAttemptThatWasCutOffBehindItsLineLeavesNoSecondOne) {
  const auto names = [this] {
    std::string text;
    std::istringstream lines(ReadBytes(dir_ / "run/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);)
      text += nlohmann::json::parse(line)["stage"].get<std::string>() + " ";
    return text;
  };
  const auto cut = [this] {
    const fs::path path = dir_ / "run/copy/stage.json";
    auto record = nlohmann::ordered_json::parse(ReadBytes(path));
    record["finished"] = false;
    WriteBytes(path, record.dump());
  };
  Run();
  EXPECT_EQ(names(), "copy twice ");
  cut();
  Run();
  EXPECT_EQ(names(), "twice copy ");
  // Done over it is another line of the same history.
  options_["lr"] = 1;
  Run();
  EXPECT_EQ(names(), "twice copy copy ");
  cut();
  Run();
  EXPECT_EQ(names(), "twice copy copy ");
  EXPECT_EQ(copied_, 4);
  EXPECT_EQ(doubled_, 1);
}

TEST_F(StageTest, CleaningThatWasCutOffIsDoneByTheNext) {
  const Stage result = AsResult(Copy());
  before_copy_ = [this] { WriteBytes(dir_ / "run/copy/state", "half"); };
  Run();
  CleanStages({result});
  WriteBytes(dir_ / "run/copy/state", "half");
  EXPECT_EQ(CleanStages({result}), 4);
  EXPECT_FALSE(fs::exists(dir_ / "run/copy/state"));
}

TEST_F(StageTest, OfAResultOnlyWhatWentOnWithItIsCleaned) {
  const Stage result = AsResult(Copy());
  before_copy_ = [this] { WriteBytes(dir_ / "run/copy/state", "half"); };
  Run();
  EXPECT_EQ(CleanStages({result}), 4);
  EXPECT_FALSE(fs::exists(dir_ / "run/copy/state"));
  EXPECT_EQ(Why(), "done");
}

}  // namespace
}  // namespace i2crc
