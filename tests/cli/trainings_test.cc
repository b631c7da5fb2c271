// SPDX-License-Identifier: Apache-2.0
// Trainings that go wrong or are stopped.
#include <algorithm>
#include <csignal>

#include "support/scenes_world.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class TrainingsTest : public ProgramTest {
 protected:
  size_t StepsDone() const {
    if (!fs::exists(dir_ / "out/metrics.jsonl")) return 0;
    const std::string text = ReadBytes(dir_ / "out/metrics.jsonl");
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  ProgramResult RunUntilStep(const Arguments& arguments, size_t step, int signal) {
    ProgramOptions options;
    options.signal = signal;
    options.signal_when = [this, step] { return StepsDone() >= step; };
    return Run(arguments, std::move(options));
  }
};

TEST_F(TrainingsTest, ALossThatIsNoNumberStops) {
  ExpectFailed(TrainCls() + Arguments{"--lr", "1e30"},
               "train-cls: the loss is nan at step 2; lower the learning rate (--lr)");
  EXPECT_THAT(Files("out"), Not(Contains("checkpoint.safetensors")));
  fs::remove_all(dir_ / "out");
  ExpectFailed(TrainSeg() + Arguments{"--lr", "1e30"},
               "train-seg: the loss is nan at step 2; lower the learning rate (--lr)");
  EXPECT_THAT(Files("out"), Not(Contains("checkpoint.safetensors")));
  fs::remove_all(dir_ / "out");
  // No loss comes after the last step.
  Arguments once = TrainSeg();
  *(std::find(once.begin(), once.end(), "--iterations") + 1) = "1";
  ExpectFailed(once + Arguments{"--lr", "1e40"}, "is not finite after step 1; lower");
  EXPECT_THAT(Files("out"), Not(Contains("checkpoint.safetensors")));
}

TEST_F(TrainingsTest, StepsThatAreNotFiniteMayBePassedOver) {
  // All steps but the first. The state of before them goes on with any number.
  for (Arguments training : {TrainCls(), TrainSeg()}) {
    training = training + Arguments{"--lr", "1e30", "--checkpoint-every", "1"};
    const ProgramResult one =
        ExpectFailed(training + Arguments{"--max-bad-steps", "1"},
                     "the loss is nan at step 3; lower the learning rate (--lr)");
    EXPECT_THAT(one.err, HasSubstr("the loss is nan at step 2, which is passed over"));
    const ProgramResult two = Run(training + Arguments{"--max-bad-steps", "2"});
    EXPECT_EQ(two.status, 0) << two.err;
    EXPECT_THAT(two.err, HasSubstr(" (2 passed over, whose loss or gradient was not finite), "));
    fs::remove_all(dir_ / "out");
  }
}

TEST_F(TrainingsTest, AnotherTrainingIsNotContinued) {
  ASSERT_EQ(Run(TrainCls()).status, 0);
  const std::string checkpoint = ReadBytes(dir_ / "out/checkpoint.safetensors");
  Arguments longer = TrainCls();
  *(std::find(longer.begin(), longer.end(), "--epochs") + 1) = "2";
  ExpectRefused(longer, "a training with other settings (epochs is 1 there, 2 here)");
  // A finished one is not done over.
  const ProgramResult again = Run(TrainCls());
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.err, HasSubstr("out holds this training, finished"));
  EXPECT_EQ(ReadBytes(dir_ / "out/checkpoint.safetensors"), checkpoint);

  Truncate("out/training-state.safetensors", 5000);
  ExpectRefused(TrainCls(), "out/training-state.safetensors: ");
}

TEST_F(TrainingsTest, ADamagedCheckpointIsNotTakenForAFinishedTraining) {
  const fs::path checkpoint = dir_ / "out/checkpoint.safetensors",
                 state = dir_ / "out/training-state.safetensors";
  for (const Arguments& training : {TrainCls(), TrainSeg()}) {
    ASSERT_EQ(Run(training).status, 0);
    const std::string whole = ReadBytes(checkpoint);
    std::string damaged = whole;
    damaged[damaged.size() - 100] ^= 1;
    Write("out/checkpoint.safetensors", damaged);
    ExpectRefused(training,
                  "out/checkpoint.safetensors: damaged: its tensors are not those that were "
                  "written; remove it, and the same command writes it again");
    Write("out/checkpoint.safetensors", "");
    ExpectRefused(training, "out/checkpoint.safetensors: empty file; remove it, and");
    fs::remove(checkpoint);
    ASSERT_EQ(Run(training).status, 0);
    EXPECT_TRUE(ReadBytes(checkpoint) == whole);

    damaged = ReadBytes(state);
    damaged[damaged.size() - 100] ^= 1;
    Write("out/training-state.safetensors", damaged);
    ExpectRefused(training,
                  "out/training-state.safetensors: damaged: its tensors are not those that were "
                  "written; remove it to train from the start");
    fs::remove_all(dir_ / "out");
  }
}

TEST_F(TrainingsTest, ASecondOneIntoTheSameFolderIsRefused) {
  Arguments training = TrainCls();
  *(std::find(training.begin(), training.end(), "--epochs") + 1) = "12";
  ProgramResult second, other_step;
  ProgramOptions options;
  options.signal_when = [&] {
    if (StepsDone() < 2) return false;
    // It stands still meanwhile.
    const pid_t process = std::stoi(ReadBytes(dir_ / "out/.i2crc.lock"));
    kill(process, SIGSTOP);
    second = Run(training);
    other_step = Run(Cam());
    kill(process, SIGCONT);
    return true;
  };
  const ProgramResult first = Run(training, std::move(options));
  EXPECT_EQ(first.status, 0) << first.err;
  for (const ProgramResult& refused : {second, other_step}) {
    EXPECT_EQ(refused.status, 2) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("i2crc: error: out: process "));
    EXPECT_THAT(refused.err, HasSubstr("i2crc train-cls --images s/JPEGImages"));
    EXPECT_THAT(refused.err, HasSubstr(") writes there; wait until it ends, stop it, or choose "
                                       "another --out"));
  }
  EXPECT_EQ(Files("out"), (std::vector<std::string>{"checkpoint.safetensors", "metrics.jsonl",
                                                    "training-state.safetensors"}));
}

TEST_F(TrainingsTest, CtrlCAndOn) {
  Arguments training = TrainCls();
  *(std::find(training.begin(), training.end(), "--epochs") + 1) = "12";
  Arguments whole = training;
  *(std::find(whole.begin(), whole.end(), "--out") + 1) = "whole";
  ASSERT_EQ(Run(whole).status, 0);

  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const ProgramResult cut = RunUntilStep(training, StepsDone() + 5, signal);
    EXPECT_EQ(cut.status, 130) << cut.err;
    EXPECT_THAT(cut.err, HasSubstr("i2crc: error: interrupted; run the same command again"));
    EXPECT_THAT(Files("out"), Contains("training-state.safetensors"));
    EXPECT_THAT(Files("out"), Not(Contains("checkpoint.safetensors")));
  }
  const ProgramResult rest = Run(training);
  EXPECT_EQ(rest.status, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr("train-cls: going on from step "));
  EXPECT_EQ(Files("out"), Files("whole"));
  for (const char* name : {"checkpoint.safetensors", "training-state.safetensors"})
    EXPECT_TRUE(ReadBytes(dir_ / "out" / name) == ReadBytes(dir_ / "whole" / name)) << name;
}

TEST_F(TrainingsTest, ATerminalThatGoesAway) {
  Arguments training = TrainCls();
  *(std::find(training.begin(), training.end(), "--epochs") + 1) = "12";
  ProgramOptions options;
  options.signal = SIGHUP;
  options.times = 3;
  options.signal_when = [this] { return StepsDone() >= 3; };
  EXPECT_EQ(Run(training, options).status, 130);
  EXPECT_THAT(Files("out"), Contains("training-state.safetensors"));
  // What nohup does.
  const auto before = std::signal(SIGHUP, SIG_IGN);
  const ProgramResult rest = Run(training, options);
  std::signal(SIGHUP, before);
  EXPECT_EQ(rest.status, 0) << rest.err;
}

TEST_F(TrainingsTest, CtrlCInPrediction) {
  std::string list;
  for (int i = 0; i < 400; ++i) {
    const std::string id = "copy" + std::to_string(i);
    fs::create_symlink("scene_00000.jpg", dir_ / ("s/JPEGImages/" + id + ".jpg"));
    list += id + " 1\n";
  }
  Write("l.txt", list);
  ProgramOptions options;
  options.signal = SIGINT;
  options.signal_when = [this] { return fs::exists(dir_ / "out/copy2.png"); };
  const ProgramResult cut = Run(Predict("l.txt"), std::move(options));
  EXPECT_EQ(cut.status, 130) << cut.err;
  EXPECT_LT(Files("out").size(), 400u);
  EXPECT_EQ(Run(Predict("l.txt")).status, 0);
  EXPECT_EQ(Files("out").size(), 400u);
}

}  // namespace
}  // namespace i2crc::testing
