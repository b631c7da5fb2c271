// SPDX-License-Identifier: Apache-2.0
// Same seed, same bytes: whole runs into two folders, with any number of loader threads, and cut
// off in the middle of every training.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "support/program.h"
#include "support/test_dirs.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

const std::vector<std::string> kTrainings = {"train-cls", "train-seg-1", "train-seg-2"};

class Reproducibility : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new TempDir;
    const auto result =
        RunProgram({"synth", "--out", (*dir_ / "data").string(), "--images", "20", "--size", "64"});
    ASSERT_EQ(result.status, 0) << result.err;
  }
  static void TearDownTestSuite() {
    delete dir_;
    dir_ = nullptr;
  }

  // A configuration of the smallest networks; `seg` are lines of [train-seg].
  static fs::path WriteConfig(const std::string& name, const std::string& seg, int iterations = 9) {
    const std::string text =
        "[run]\nrecipe = 'paper'\nimages = 'data/JPEGImages'\nsaliency = 'data/Saliency'\ntrain = "
        "'data/train.txt'\n"
        "val = 'data/val.txt'\ntruth = 'data/SegmentationClass'\nclasses = "
        "'data/classes.txt'\nseed = 3\n"
        "[train-cls]\narch = 'resnet18'\nwidth = 0.125\ninput-size = 64\nepochs = 10\nlr = 0.05\n"
        "checkpoint-every = 2\n[label]\nmin-foreground = 0\n[refine]\nmin-foreground = 0\n"
        "[train-seg]\nmsc = false\naccumulate = 2\nbatch = 3\ncrop = 49\nlr = 0.01\n"
        "checkpoint-every = 2\niterations = " +
        std::to_string(iterations) + "\n" + seg;
    const fs::path path = *dir_ / (name + ".toml");
    WriteBytes(path, text);
    return path;
  }
  static fs::path DeepLab(int iterations = 9) {
    return WriteConfig("deeplab", "arch = 'deeplab-resnet18'\nwidth = 0.125\n", iterations);
  }
  static fs::path LargeFov(int iterations = 9) {
    return WriteConfig("largefov", "arch = 'largefov-vgg16'\nwidth = 0.0625\n", iterations);
  }
  // So many that a signal in the fifth step comes before the last, however late it is noticed.
  static constexpr int kIterationsToCut = 40;

  static std::vector<std::string> RunArguments(const fs::path& config, const std::string& out,
                                               const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        "run", "--config", config.string(), "--out", (*dir_ / out).string(), "--threads", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  static void Run(const fs::path& config, const std::string& out,
                  const std::vector<std::string>& more = {}) {
    const auto result = RunProgram(RunArguments(config, out, more));
    ASSERT_EQ(result.status, 0) << result.err;
  }

  static std::string WithoutTimes(const std::string& lines) {
    std::string text;
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
      auto json = nlohmann::ordered_json::parse(line);
      json.erase("seconds");
      text += json.dump() + "\n";
    }
    return text;
  }

  // A record but for the time that its stage took and when its files were written; metrics have
  // times in them.
  static std::string RecordWithoutTimes(const std::string& text) {
    auto json = nlohmann::ordered_json::parse(text);
    json.erase("seconds");
    for (auto& file : json["files"]) {
      const bool has_times = file["name"] == "metrics.jsonl";
      for (const char* key : {"changed", "inode"}) file.erase(key);
      for (const char* key : {"checksum", "bytes"})
        if (has_times) file.erase(key);
    }
    return json.dump();
  }

  // Everything that a run made and that must not depend on when and how often it was started.
  static std::map<std::string, std::string> Results(const std::string& out) {
    std::map<std::string, std::string> files;
    const fs::path folder = *dir_ / out;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      const std::string name = entry.path().lexically_relative(folder).string();
      const std::string base = entry.path().filename().string();
      if (base == "run.json" || base == "run.log") continue;
      const std::string bytes = ReadBytes(entry.path());
      files[name] = base == "metrics.jsonl" ? WithoutTimes(bytes)
                    : base == "stage.json"  ? RecordWithoutTimes(bytes)
                                            : bytes;
    }
    return files;
  }

  static void ExpectSameResults(const std::string& a, const std::string& b, size_t least = 60) {
    const auto left = Results(a), right = Results(b);
    ASSERT_GT(left.size(), least);
    std::vector<std::string> left_names, right_names;
    for (const auto& [name, bytes] : left) left_names.push_back(name);
    for (const auto& [name, bytes] : right) right_names.push_back(name);
    ASSERT_EQ(left_names, right_names);
    for (const auto& [name, bytes] : left)
      EXPECT_TRUE(bytes == right.at(name)) << name << " differs between " << a << " and " << b;
  }

  static size_t Lines(const fs::path& path) {
    if (!fs::exists(path)) return 0;
    const std::string text = ReadBytes(path);
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  // A run that gets the signal in the fifth step of every training, and is started again each time.
  static void RunWithSignals(const fs::path& config, const std::string& out, int signal) {
    for (const std::string& training : kTrainings) {
      const fs::path metrics = *dir_ / out / training / "metrics.jsonl";
      ProgramOptions options;
      options.signal = signal;
      options.signal_when = [metrics] { return Lines(metrics) >= 5; };
      const auto result = RunProgram(RunArguments(config, out), options);
      ASSERT_EQ(result.status, signal == SIGINT ? 130 : 128 + SIGKILL) << training << "\n"
                                                                       << result.err;
      ASSERT_FALSE(fs::exists(*dir_ / out / training / "checkpoint.safetensors"))
          << "came too late";
    }
    Run(config, out);
  }

  static TempDir* dir_;
};

TempDir* Reproducibility::dir_ = nullptr;

TEST_F(Reproducibility, LoaderThreadsChangeNothing) {
  const fs::path config = DeepLab();
  Run(config, "two", {"--loader-threads", "2"});
  Run(config, "one", {"--loader-threads", "1"});
  Run(config, "four", {"--loader-threads", "4"});
  ExpectSameResults("two", "one");
  ExpectSameResults("two", "four");
}

TEST_F(Reproducibility, Bf16) {
  const fs::path config = DeepLab();
  Run(config, "bf16-a", {"--precision", "bf16"});
  Run(config, "bf16-b", {"--precision", "bf16", "--loader-threads", "4"});
  ExpectSameResults("bf16-a", "bf16-b");
}

TEST_F(Reproducibility, LargeFovWithItsDropout) {
  const fs::path config = LargeFov();
  Run(config, "fov-a");
  Run(config, "fov-b", {"--loader-threads", "1"});
  ExpectSameResults("fov-a", "fov-b");
}

TEST_F(Reproducibility, InterruptedInEveryTrainingAndResumed) {
  const fs::path config = LargeFov(kIterationsToCut);
  Run(config, "fov-whole");
  RunWithSignals(config, "fov-int", SIGINT);
  ExpectSameResults("fov-whole", "fov-int");
}

TEST_F(Reproducibility, KilledInEveryTrainingAndResumed) {
  const fs::path config = DeepLab(kIterationsToCut);
  Run(config, "whole");
  RunWithSignals(config, "killed", SIGKILL);
  ExpectSameResults("whole", "killed");
}

// bench/kill_everywhere does so at every call. Half of the times what was not flushed is lost too,
// as in a power cut.
TEST_F(Reproducibility, KilledAtTenCallsThatChangeFilesAndResumed) {
  constexpr long kKills = 10;
  const fs::path config = *dir_ / "tiny.toml";
  WriteBytes(config,
             "[run]\nrecipe = 'paper'\nimages = 'data/JPEGImages'\nsaliency = 'data/Saliency'\n"
             "train = 'four.txt'\ntruth = 'data/SegmentationClass'\nclasses = 'data/classes.txt'\n"
             "[train-cls]\narch = 'vgg16'\nwidth = 0.0625\ninput-size = 32\nepochs = 2\nbatch = 2\n"
             "checkpoint-every = 2\n[label]\nmin-foreground = 0\n");
  std::istringstream all(ReadBytes(*dir_ / "data/train.txt"));
  std::string four;
  for (int i = 0; i < 4; ++i) {
    std::string line;
    std::getline(all, line);
    four += line + "\n";
  }
  WriteBytes(*dir_ / "four.txt", four);
  const auto arguments = [&](const std::string& out) {
    return RunArguments(config, out, {"--to", "label", "--quiet"});
  };
  // The policy is what the program starts itself once more for.
  const std::map<std::string, std::string> patient = {{"OMP_WAIT_POLICY", "PASSIVE"}};
  const auto with_shim = [&](const std::string& out, std::map<std::string, std::string> more) {
    more.insert(patient.begin(), patient.end());
    more["LD_PRELOAD"] = I2CRC_KILL_SHIM;
    more["I2CRC_KILL_UNDER"] = (*dir_ / out).string();
    return RunProgram(arguments(out), {.env = more});
  };
  const auto whole = with_shim("tiny", {{"I2CRC_KILL_COUNT", *dir_ / "count"}});
  ASSERT_EQ(whole.status, 0) << whole.err;
  const long calls = std::stol(ReadBytes(*dir_ / "count"));
  ASSERT_GT(calls, 20 * kKills);
  for (long i = 0; i < kKills; ++i) {
    const std::string out = "tiny-" + std::to_string(i);
    // From the first call to the last but one: of many writes the order may differ from run to run.
    std::map<std::string, std::string> kill = {
        {"I2CRC_KILL_AT", std::to_string(1 + i * (calls - 2) / (kKills - 1))}};
    if (i % 2 == 1) kill["I2CRC_KILL_LOSES"] = "1";
    const auto killed = with_shim(out, kill);
    ASSERT_EQ(killed.status, 128 + SIGKILL) << killed.err;
    const auto again = RunProgram(arguments(out), {.env = patient});
    ASSERT_EQ(again.status, 0) << kill["I2CRC_KILL_AT"] << ": " << again.err;
    ExpectSameResults("tiny", out, 15);
  }
}

// Neither the run as a whole nor a step of its own that someone gives a stage's folder to.
TEST_F(Reproducibility, OthersCannotWriteIntoARun) {
  const fs::path config = DeepLab(kIterationsToCut);
  Run(config, "alone");
  ProgramResult run, step;
  ProgramOptions options;
  options.signal_when = [&] {
    if (Lines(*dir_ / "shared/train-cls/metrics.jsonl") < 3) return false;
    // It stands still meanwhile.
    const pid_t process = std::stoi(ReadBytes(*dir_ / "shared/.i2crc.lock"));
    kill(process, SIGSTOP);
    run = RunProgram(RunArguments(config, "shared"));
    step = RunProgram({"cam", "--checkpoint", *dir_ / "alone/train-cls/checkpoint.safetensors",
                       "--images", *dir_ / "data/JPEGImages", "--list", *dir_ / "data/train.txt",
                       "--out", *dir_ / "shared/train-cls"});
    kill(process, SIGCONT);
    return true;
  };
  const auto first = RunProgram(RunArguments(config, "shared"), options);
  EXPECT_EQ(first.status, 0) << first.err;
  for (const auto& [refused, folder] : {std::pair{&run, "shared"}, {&step, "shared/train-cls"}}) {
    EXPECT_EQ(refused->status, 2) << refused->err;
    EXPECT_NE(refused->err.find((*dir_ / folder).string() + ": process "), std::string::npos)
        << refused->err;
    EXPECT_NE(refused->err.find(" run --config "), std::string::npos) << refused->err;
  }
  ExpectSameResults("alone", "shared");
}

TEST_F(Reproducibility, AnotherSeedGivesOtherBytes) {
  const fs::path config = DeepLab();
  Run(config, "seed-3", {"--to", "train-cls"});
  Run(config, "seed-4", {"--to", "train-cls", "--seed", "4"});
  EXPECT_NE(Results("seed-3"), Results("seed-4"));
}

TEST_F(Reproducibility, ASecondRunSkipsAndAChangedOptionDoesOver) {
  const fs::path config = DeepLab();
  Run(config, "again");
  const auto before = Results("again");
  const auto skipped = RunProgram(RunArguments(config, "again", {"--dry-run"}));
  EXPECT_EQ(skipped.status, 0);
  EXPECT_EQ(skipped.out.find("would be done"), std::string::npos) << skipped.out;
  Run(config, "again");
  EXPECT_EQ(Results("again"), before);

  const fs::path changed =
      WriteConfig("changed", "arch = 'deeplab-resnet18'\nwidth = 0.125\n[cam]\nflip = true\n");
  const auto plan = RunProgram(RunArguments(changed, "again", {"--dry-run"}));
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_NE(plan.out.find("train-cls      done, would be skipped"), std::string::npos) << plan.out;
  EXPECT_NE(plan.out.find("cam            would be done: option flip: false -> true"),
            std::string::npos)
      << plan.out;
  EXPECT_NE(plan.out.find("label          would be done over if cams changes"), std::string::npos)
      << plan.out;
  EXPECT_EQ(Results("again"), before) << "a dry run must not do anything";

  const fs::path trained = *dir_ / "again/train-cls/training-state.safetensors";
  const auto trained_at = fs::last_write_time(trained);
  Run(changed, "again");
  const auto after = Results("again");
  ASSERT_EQ(after.size(), before.size());
  const auto differing = [&](const std::string& stage) {
    size_t files = 0;
    for (const auto& [name, bytes] : before)
      if (name.starts_with(stage + "/") && after.at(name) != bytes) ++files;
    return files;
  };
  EXPECT_EQ(differing("train-cls"), 0u);
  EXPECT_EQ(fs::last_write_time(trained), trained_at) << "was trained again";
  EXPECT_GT(differing("cam"), 0u);
}

}  // namespace
}  // namespace i2crc::testing
