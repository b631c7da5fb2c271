// SPDX-License-Identifier: Apache-2.0
// The recipe `practical` through the program: a whole run, and the options that it is made of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "i2crc/image/image_file.h"
#include "i2crc/weights/tensor_file.h"
#include "support/scenes_world.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class RecipesTest : public ProgramTest {
 protected:
  static std::string Config(const std::string& run = "saliency = 's/Saliency'\n") {
    return "[run]\nout = 'out'\nimages = 's/JPEGImages'\ntrain = 's/train.txt'\n"
           "val = 's/val.txt'\nclasses = 's/classes.txt'\ntruth = 's/SegmentationClass'\n" +
           run +
           "[train-cls]\narch = 'resnet18'\nwidth = 0.125\ninput-size = 64\nepochs = 1\n"
           "[train-seg]\narch = 'deeplabplus-resnet18'\nwidth = 0.125\ncrop = 65\n"
           "iterations = 3\n[train-seg-1]\niterations = 3\n[train-seg-2]\niterations = 3\n";
  }
  ProgramResult RunConfig(const std::string& text, const Arguments& more = {}) {
    Write("c.toml", text);
    return Run(Arguments{"run", "--config", "c.toml"} + more);
  }
  nlohmann::json RunJson() const { return nlohmann::json::parse(ReadBytes(dir_ / "out/run.json")); }
  static Arguments TrainSegOn(const std::string& labels, const std::string& arch) {
    return {"train-seg",   "--images",  "s/JPEGImages",  "--labels", labels,         "--list",
            "s/train.txt", "--classes", "s/classes.txt", "--out",    "out",          "--arch",
            arch,          "--width",   "0.125",         "--no-msc", "--accumulate", "1",
            "--crop",      "65",        "--iterations",  "2"};
  }
  // Lines of s/train.txt: the labels that a mask of each image may have.
  std::map<std::string, std::set<uint8_t>> AllowedLabels() const {
    std::map<std::string, std::set<uint8_t>> allowed;
    std::istringstream lines(ReadBytes(dir_ / "s/train.txt"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string id;
      words >> id;
      auto& labels = allowed[id];
      labels.insert(0);
      for (int tag = 0; words >> tag;) labels.insert(static_cast<uint8_t>(tag + 1));
    }
    return allowed;
  }
  void ExpectMasksOfTheTags(const std::string& folder) const {
    for (const auto& [id, allowed] : AllowedLabels()) {
      const ImageU8 mask = ReadMask(dir_ / folder / (id + ".png"));
      for (const uint8_t label : mask.values())
        ASSERT_TRUE(allowed.contains(label)) << id << " has " << int{label};
    }
  }
};

TEST_F(RecipesTest, ARunMakesMasksOfTheTaggedPhotographsAndIsDoneOnce) {
  const ProgramResult result = RunConfig(Config());
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("masks"), HasSubstr("eval"), Not(HasSubstr("refine"))));
  ExpectMasksOfTheTags("out/masks");
  const nlohmann::json recipe = RunJson()["recipe"];
  EXPECT_EQ(recipe["name"], "practical");
  EXPECT_EQ(recipe["facts"]["images"], 12);
  EXPECT_EQ(RunJson()["options"]["label"]["rule"], "object");
  const ProgramResult again = RunConfig(Config(), {"--dry-run"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.out, Not(HasSubstr("would be done")));
}

TEST_F(RecipesTest, PrintConfigIsTheWholeConfigurationAndReadsAsTheSame) {
  Write("c.toml", Config());
  const ProgramResult printed = Run({"run", "--config", "c.toml", "--print-config"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  for (const char* line :
       {"[run]", "recipe = \"practical\"", "[train-cls]", "[cam]", "rule = \"object\"",
        "[train-seg-1]", "[train-seg-2]", "[crf]", "network-share-apart = 0.9", "[eval]"})
    EXPECT_THAT(printed.out, HasSubstr(line));
  Write("printed.toml", printed.out);
  const ProgramResult again = Run({"run", "--config", "printed.toml", "--print-config"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(again.out, printed.out);
  // What sections say stays, whichever command's it is.
  std::string text = Config() + "[predict]\ncrf-iterations = 3\n";
  text.insert(text.find("arch = 'deeplabplus"), "partial-labels = true\n");
  Write("own.toml", text);
  const ProgramResult own = Run({"run", "--config", "own.toml", "--print-config"});
  EXPECT_THAT(own.out, HasSubstr("crf-iterations = 3\n")) << own.err;
  EXPECT_THAT(own.out.substr(own.out.find("[train-seg-1]")), HasSubstr("partial-labels = true\n"));
  ASSERT_EQ(RunConfig(Config(), {"--to", "train-cls"}).status, 0);
  EXPECT_THAT(Run({"run", "--config", "printed.toml", "--to", "train-cls", "--dry-run"}).out,
              HasSubstr("done, would be skipped"));
  // Nothing to derive it from yet: [run] alone, as other commands print their section.
  EXPECT_THAT(Run({"run", "--print-config"}).out,
              AllOf(HasSubstr("[run]"), Not(HasSubstr("[cam]"))));
}

TEST_F(RecipesTest, ANetworkOfHalfThePhotographsJudgesTheOtherHalf) {
  const ProgramResult result = RunConfig(Config(), {"--to", "predict-train"});
  ASSERT_EQ(result.status, 0) << result.err;
  ExpectMasksOfTheTags("out/predict-train");
  EXPECT_TRUE(fs::exists(dir_ / "out/predict-train" / (TrainIds()[0] + "_object.png")));
  // Photographs of the first half are the second network's.
  const auto predicted_by = [&](const std::string& stage) {
    fs::remove_all(dir_ / "alone");
    EXPECT_EQ(
        Run({"predict", "--checkpoint", "out/" + stage + "/checkpoint.safetensors", "--images",
             "s/JPEGImages", "--list", "s/train.txt", "--probabilities", "--out", "alone"})
            .status,
        0);
    std::map<std::string, std::string> bytes;
    for (const auto& [id, labels] : AllowedLabels())
      bytes[id] = ReadBytes(dir_ / "alone" / (id + ".safetensors"));
    return bytes;
  };
  const auto of_first = predicted_by("train-seg-1a"), of_second = predicted_by("train-seg-1b");
  ASSERT_EQ(Run({"predict", "--checkpoint", "out/train-seg-1a/checkpoint.safetensors", "--cross",
                 "out/train-seg-1b/checkpoint.safetensors", "--images", "s/JPEGImages", "--list",
                 "s/train.txt", "--probabilities", "--out", "crossed"})
                .status,
            0);
  size_t by_first = 0, by_second = 0;
  for (const auto& [id, labels] : AllowedLabels()) {
    const std::string bytes = ReadBytes(dir_ / "crossed" / (id + ".safetensors"));
    by_first += bytes == of_first.at(id) ? 1U : 0U;
    by_second += bytes == of_second.at(id) ? 1U : 0U;
  }
  EXPECT_EQ(by_first, 6U);
  EXPECT_EQ(by_second, 6U);
  ExpectRefused(
      {"predict", "--checkpoint", "out/train-seg-1a/checkpoint.safetensors", "--cross",
       "out/train-seg-1b/checkpoint.safetensors", "--images", "s/JPEGImages", "--out", "none"},
      "--cross goes by the halves of --list, which is missing");
  ExpectRefused(Predict() + Arguments{"--cams", "out/cam"},
                "--cams is used with --tags listed only");
}

TEST_F(RecipesTest, AnObjectThatMayBeSeveralTagsIsNotLeftToBackground) {
  // Objects as blurred maps have them, names as a network that has hardly learned.
  const Arguments listed = {"--tags",     "listed",     "--classes",       "s/classes.txt",
                            "--saliency", "s/Saliency", "--network-share", "0"};
  for (const Arguments& crf : {Arguments{}, Arguments{"--crf"}}) {
    for (const auto& [out, option] :
         {std::pair{"argmax", "--no-objects-first"}, {"first", "--objects-first"}}) {
      const ProgramResult result =
          Run(Predict() + listed + crf + Arguments{option, "--probabilities"});
      ASSERT_EQ(result.status, 0) << result.err;
      fs::remove_all(dir_ / out);
      fs::rename(dir_ / "out", dir_ / out);
    }
    int more = 0;
    for (const auto& [id, allowed] : AllowedLabels()) {
      const ImageU8 argmax = ReadMask(dir_ / "argmax" / (id + ".png"));
      const ImageU8 first = ReadMask(dir_ / "first" / (id + ".png"));
      if (allowed.size() == 2) {
        EXPECT_EQ(argmax.values(), first.values()) << id;
      }
      for (size_t p = 0; p < first.pixels(); ++p) {
        more += first.data()[p] > 0 && argmax.data()[p] == 0;
        if (crf.empty() && argmax.data()[p] > 0) {
          ASSERT_EQ(first.data()[p], argmax.data()[p]) << id;
        }
      }
    }
    EXPECT_GT(more, 0);
    ExpectMasksOfTheTags("first");
  }
  ExpectRefused(
      Predict() + Arguments{"--crf", "--objects-first", "--crf-labels", "mass:0.1"},
      "--crf-labels mass:0.1: with --objects-first the CRF decides on objects, and any can win");
}

TEST_F(RecipesTest, TagsThatNobodyGaveAreGuessed) {
  const Arguments train = {
      "train-tags",        "--images",      "s/JPEGImages", "--list",       "s/train.txt",
      "--classes",         "s/classes.txt", "--out",        "tags",         "--arch",
      "resnet18-stride32", "--width",       "0.125",        "--input-size", "64"};
  const ProgramResult trained = Run(train);
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_THAT(trained.err, AllOf(HasSubstr("without --weights the features are accidental"),
                                 HasSubstr("mean average precision")));
  const nlohmann::json report = nlohmann::json::parse(ReadBytes(dir_ / "tags/report.json"));
  EXPECT_EQ(report["images"], 12);
  EXPECT_GT(report["mean_average_precision"], 0);
  const std::string first = ReadBytes(dir_ / "tags/checkpoint.safetensors");
  fs::remove_all(dir_ / "tags");
  ASSERT_EQ(Run(train + Arguments{"--loader-threads", "0"}).status, 0);
  EXPECT_EQ(ReadBytes(dir_ / "tags/checkpoint.safetensors"), first);
  const ProgramResult guessed =
      Run(Predict() + Arguments{"--tags", "guessed", "--attention", "tags/checkpoint.safetensors"});
  EXPECT_EQ(guessed.status, 0) << guessed.err;
  Write("one.txt", TrainIds()[0] + " 0\n");
  Arguments one = train;
  one[4] = "one.txt";
  fs::remove_all(dir_ / "tags");
  ExpectRefused(one, "one.txt: one image is not enough to learn from");
  // As a stage of a run, where the configuration asks for it though there are no weights.
  const std::string config = Config() +
                             "[predict]\ntags = 'guessed'\n[train-tags]\n"
                             "arch = 'resnet18-stride32'\nwidth = 0.125\ninput-size = 64\n";
  fs::remove_all(dir_ / "out");
  const ProgramResult run = RunConfig(config);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_TRUE(fs::exists(dir_ / "out/train-tags/report.json"));
  EXPECT_THAT(RunConfig(config, {"--dry-run"}).out, Not(HasSubstr("would be done")));
  Write("c.toml", Config() + "[predict]\ntags = 'listed'\n");
  ExpectRefused({"run", "--config", "c.toml"}, "[predict] tags = \"listed\"");
}

TEST_F(RecipesTest, WhatDependsOnTheMachineIsDecidedOnce) {
  ASSERT_EQ(RunConfig(Config(), {"--to", "train-cls"}).status, 0);
  nlohmann::ordered_json run = nlohmann::ordered_json::parse(ReadBytes(dir_ / "out/run.json"));
  // As if it had begun on the other kind of machine: its training is not the same any more, and one
  // that the record agrees with goes on.
  const bool had_bf16 = run["recipe"]["facts"]["has_fast_bf16"];
  run["recipe"]["facts"]["has_fast_bf16"] = !had_bf16;
  Write("out/run.json", run.dump());
  const ProgramResult other = RunConfig(Config(), {"--to", "train-cls", "--dry-run"});
  EXPECT_THAT(other.out, HasSubstr("option precision: ")) << other.err;
  run["recipe"]["facts"]["has_fast_bf16"] = had_bf16;
  Write("out/run.json", run.dump());
  EXPECT_THAT(RunConfig(Config(), {"--to", "train-cls", "--dry-run"}).out,
              HasSubstr("done, would be skipped"));
}

// Whatever the machine: a thousand minutes are enough, and a sixteenth of a second is not.
TEST_F(RecipesTest, ATimeMayBeGiven) {
  std::string config = Config();
  const size_t steps = config.find("iterations = 3");
  config.resize(steps);  // as many as the recipe says
  const ProgramResult dry = RunConfig(config, {"--dry-run", "--minutes", "1000"});
  EXPECT_EQ(dry.status, 0) << dry.err;
  EXPECT_THAT(dry.err, HasSubstr("--minutes 1000: 100 % of the recipe's training"));
  EXPECT_THAT(dry.out, AllOf(HasSubstr("train-seg-1a   would be done: not done yet ("),
                             HasSubstr("in all         about ")));
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  const ProgramResult too_short = RunConfig(config, {"--minutes", "0.001"});
  EXPECT_EQ(too_short.status, 2);
  EXPECT_THAT(too_short.err,
              HasSubstr("i2crc: error: --minutes 0.001: with the least training that is worth its "
                        "time it takes"));
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  ExpectRefused({"run", "--config", "c.toml", "--minutes", "9", "--recipe", "paper"},
                "--minutes: recipe paper takes as long as it takes");

  ASSERT_EQ(RunConfig(config, {"--minutes", "1000", "--to", "label"}).status, 0);
  EXPECT_EQ(RunJson()["recipe"]["facts"]["minutes"], 1000);
  // What was fitted once holds for whoever goes on, on whatever machine.
  nlohmann::ordered_json run = nlohmann::ordered_json::parse(ReadBytes(dir_ / "out/run.json"));
  run["recipe"]["facts"]["effort"] = 0.5;
  Write("out/run.json", run.dump());
  for (const Arguments& more : {Arguments{}, Arguments{"--minutes", "1000"}})
    EXPECT_THAT(Run(Arguments{"run", "--config", "c.toml", "--print-config"} + more).out,
                HasSubstr("iterations = 225\n"));
  EXPECT_THAT(Run({"run", "--config", "c.toml", "--print-config", "--minutes", "1001"}).out,
              HasSubstr("iterations = 450\n"));
}

TEST_F(RecipesTest, WhatTheResultsDoNotNeedIsCleanedAway) {
  ASSERT_EQ(RunConfig(Config()).status, 0);
  const std::string mask = Files("out/masks").front();
  const std::string bytes = ReadBytes(dir_ / "out/masks" / mask);
  ExpectRefused({"run", "--config", "c.toml", "--clean", "--to", "label"},
                "--clean is for a run to its end");
  const ProgramResult cleaned = RunConfig(Config(), {"--clean"});
  EXPECT_EQ(cleaned.status, 0) << cleaned.err;
  EXPECT_THAT(cleaned.err, HasSubstr("--clean: removed "));
  for (const char* gone : {"cam", "label", "predict-train", "train-cls", "train-seg-1a"})
    for (const std::string& file : Files("out/" + std::string(gone)))
      EXPECT_THAT(file, ::testing::ContainsRegex("\\.jsonl?$")) << gone;
  EXPECT_TRUE(fs::exists(dir_ / "out/train-seg-2/checkpoint.safetensors"));
  EXPECT_FALSE(fs::exists(dir_ / "out/train-seg-2/training-state.safetensors"));
  EXPECT_EQ(ReadBytes(dir_ / "out/masks" / mask), bytes);
  // Finished it stays, its scores too.
  const ProgramResult again = RunConfig(Config());
  EXPECT_THAT(again.err, Not(HasSubstr("would be"))) << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr("label "), HasSubstr("masks ")));
  EXPECT_FALSE(fs::exists(dir_ / "out/train-cls/checkpoint.safetensors"));
  ExpectRefused({"run", "--config", "c.toml", "--from", "masks"},
                "--from masks: the files of train-cls were cleaned away");
  // A mask that is missing needs the maps again, and comes out the same.
  fs::remove(dir_ / "out/masks" / mask);
  ASSERT_EQ(RunConfig(Config()).status, 0);
  EXPECT_TRUE(fs::exists(dir_ / "out/train-cls/checkpoint.safetensors"));
  EXPECT_EQ(ReadBytes(dir_ / "out/masks" / mask), bytes);
}

TEST_F(RecipesTest, ARunOfBeforeThereWereRecipesGoesOnAsThePapers) {
  fs::create_directory(dir_ / "out");
  Write("out/run.json", "{}");
  const ProgramResult result = RunConfig(Config(), {"--dry-run"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("refine"), Not(HasSubstr("masks"))));
}

TEST_F(RecipesTest, DoesWithoutSaliency) {
  const ProgramResult result = RunConfig(Config("saliency = 'none'\n"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("no saliency, so no relation losses"));
  ExpectMasksOfTheTags("out/masks");
  Write("c.toml", Config("saliency = 'none'\nrecipe = 'paper'\n"));
  fs::remove_all(dir_ / "out");
  ExpectRefused({"run", "--config", "c.toml"}, "the paper's rules need maps");
}

TEST_F(RecipesTest, PredictWarnsOfMapsThatSayNothing) {
  const std::string id = TrainIds()[0];
  Write("one.txt", id + " 0\n");
  fs::create_directory(dir_ / "maps");
  fs::create_directory(dir_ / "cams");
  WriteGreyPng(dir_ / ("maps/" + id + ".png"), ImageU8(64, 64, 1, 7));
  ImageU8 dark(64, 64, 1);
  dark.at(5, 5, 0) = 1;
  WriteGreyPng(dir_ / ("cams/" + id + "_0.png"), dark);
  const ProgramResult result = Run(
      Predict("one.txt") + Arguments{"--tags", "listed", "--saliency", "maps", "--cams", "cams"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("maps: 1 of 1 saliency maps have one value everywhere and tell "
                              "nothing; the first is " +
                              id + ".png"),
                    HasSubstr("cams: 1 of 1 attention maps have values of 0 and 1 only")));
}

TEST_F(RecipesTest, PredictsWhatIsListedAndWhatIsGuessed) {
  const std::string attention = ScenesWorld::Get().attention().string();
  ASSERT_EQ(
      Run(Predict() + Arguments{"--classes", "s/classes.txt", "--tags", "listed", "--saliency",
                                "s/Saliency", "--scales", "1,0.5", "--flip", "--crf"})
          .status,
      0);
  ExpectMasksOfTheTags("out");
  fs::remove_all(dir_ / "out");
  // A photograph without tags is background.
  const std::vector<std::string> ids = TrainIds();
  Write("u.txt", ids[0] + "\n" + ids[1] + " 0\n");
  EXPECT_EQ(Run(Predict("u.txt") + Arguments{"--tags", "listed", "--crf"}).status, 0);
  EXPECT_THAT(ReadMask(dir_ / "out" / (ids[0] + ".png")).values(), ::testing::Each(0));
  fs::remove_all(dir_ / "out");
  Write("u.txt", ids[0] + "\n");
  ExpectRefused(Predict("u.txt") + Arguments{"--tags", "listed"},
                "u.txt: no image has a tag, and --tags listed goes by them");
  const ProgramResult guessed =
      Run(Predict() + Arguments{"--tags", "guessed", "--attention", attention});
  EXPECT_EQ(guessed.status, 0) << guessed.err;
  fs::remove_all(dir_ / "out");
  ExpectRefused(Predict() + Arguments{"--tags", "guessed"}, "--attention FILE go together");
  ExpectRefused(Predict() + Arguments{"--saliency", "s/Saliency"},
                "--saliency is used with --tags listed only");
  ExpectRefused({"predict", "--checkpoint", ScenesWorld::Get().segmentation().string(), "--images",
                 "s/JPEGImages", "--out", "out", "--tags", "listed"},
                "--tags listed goes by the tags of --list");
}

TEST_F(RecipesTest, LabelsMayLeaveOpenWhichTagItIs) {
  ASSERT_EQ(Run(Cam()).status, 0);
  fs::rename(dir_ / "out", dir_ / "cam");
  const Arguments label = {"label",         "--cams", "cam", "--list", "s/train.txt", "--classes",
                           "s/classes.txt", "--out",  "out", "--rule", "object"};
  const Arguments with_saliency = label + Arguments{"--saliency", "s/Saliency"};
  ASSERT_EQ(Run(with_saliency + Arguments{"--partial-labels", "--owner", "1"}).status, 0);
  bool any_open = false;
  for (const auto& [id, allowed] : AllowedLabels()) {
    const ImageU8 mask = ReadMask(dir_ / "out" / (id + ".png"));
    const bool is_open = std::count(mask.values().begin(), mask.values().end(), kAnyTagLabel) > 0;
    any_open |= is_open;
    if (allowed.size() <= 2) {
      EXPECT_FALSE(is_open) << id;
    }
  }
  EXPECT_TRUE(any_open);
  fs::rename(dir_ / "out", dir_ / "labels");
  // Nothing is where no tag stands alone in so many.
  ASSERT_EQ(
      Run(with_saliency + Arguments{"--partial-labels", "--owner", "1", "--min-alone", "1000"})
          .status,
      0);
  for (const std::string& id : TrainIds()) {
    const ImageU8 mask = ReadMask(dir_ / "out" / (id + ".png"));
    EXPECT_EQ(std::count(mask.values().begin(), mask.values().end(), kAnyTagLabel), 0) << id;
  }
  fs::remove_all(dir_ / "out");
  // They are trained on where that is asked for, scored as ignored, and else refused.
  const Arguments train = TrainSegOn("labels", "deeplab-resnet18");
  ExpectRefused(train, "has the value 254");
  EXPECT_EQ(Run(train + Arguments{"--partial-labels"}).status, 0);
  EXPECT_EQ(Run({"eval", "--predictions", "labels", "--truth", "s/SegmentationClass", "--list",
                 "s/train.txt", "--classes", "s/classes.txt"})
                .status,
            0);
  fs::remove_all(dir_ / "out");
  ExpectRefused(label + Arguments{"--saliency", "none"}, "--images DIR is missing");
  EXPECT_EQ(Run(label + Arguments{"--saliency", "none", "--images", "s/JPEGImages"}).status, 0);
}

TEST_F(RecipesTest, AnObjectOfADoubtfulTagIsLearnedAsAnyOfThem) {
  const Arguments predict = Predict() + Arguments{"--classes", "s/classes.txt", "--owners"};
  ExpectRefused(predict, "--owners is used with --tags listed only");
  ASSERT_EQ(Run(predict + Arguments{"--tags", "listed", "--crf"}).status, 0);
  fs::rename(dir_ / "out", dir_ / "labels");
  bool any_doubt = false;
  for (const auto& [id, allowed] : AllowedLabels()) {
    const ImageU8 mask = ReadMask(dir_ / "labels" / (id + ".png"));
    const ImageU8 owners = ReadMask(dir_ / "labels" / (id + "_owner.png"));
    ASSERT_TRUE(owners.SameSize(mask));
    for (size_t p = 0; p < mask.pixels(); ++p) {
      const bool is_open = owners.data()[p] < 255;
      any_doubt |= is_open;
      if (allowed.size() <= 2 || mask.data()[p] == 0) {
        ASSERT_FALSE(is_open) << id << " at " << p;
      }
    }
  }
  EXPECT_TRUE(any_doubt);
  const Arguments train = TrainSegOn("labels", "deeplab-resnet18") + Arguments{"--partial-labels"};
  const auto checkpoint = [&](const Arguments& arguments) {
    fs::remove_all(dir_ / "out");
    const ProgramResult result = Run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    // Without the metadata, which name the options.
    std::string weights;
    const TensorMap tensors = ReadTensorFile(dir_ / "out/checkpoint.safetensors");
    for (const auto& [name, tensor] : tensors.items())
      weights.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    return weights;
  };
  const Arguments owners = {"--owners", "labels"};
  const std::string plain = checkpoint(train);
  EXPECT_TRUE(plain == checkpoint(train + owners));
  EXPECT_FALSE(plain == checkpoint(train + owners + Arguments{"--min-owner", "1"}));
  EXPECT_TRUE(plain ==
              checkpoint(train + owners + Arguments{"--min-owner", "1", "--min-alone", "1000"}));
  fs::remove_all(dir_ / "out");
  ExpectRefused(train + Arguments{"--min-owner", "0.9"},
                "--min-owner goes with --owners DIR and --partial-labels");
  const std::string first = TrainIds().front();
  fs::remove(dir_ / "labels" / (first + "_owner.png"));
  ExpectRefused(train + owners + Arguments{"--min-owner", "0.9"}, first + "_owner.png: owner map");
}

TEST_F(RecipesTest, ATrainingStartsFromAnotherCheckpoint) {
  const std::string attention = ScenesWorld::Get().attention().string();
  const std::string segmentation = ScenesWorld::Get().segmentation().string();
  for (const std::string& start : {attention, segmentation}) {
    const ProgramResult result = Run(TrainSeg() + Arguments{"--start", start});
    EXPECT_EQ(result.status, 0) << result.err;
    fs::remove_all(dir_ / "out");
  }
  ExpectRefused(TrainSegOn("s/SegmentationClass", "deeplabplus-resnet18") +
                    Arguments{"--start", segmentation},
                "needed is a deeplabplus-resnet18");
  ExpectRefused(TrainCls() + Arguments{"--start", segmentation}, "needed is one for attention");
  Arguments wider = TrainCls() + Arguments{"--start", attention};
  *std::next(std::find(wider.begin(), wider.end(), "--width")) = "0.25";
  ExpectRefused(wider, "a resnet18 of width 0.125, needed is a resnet18 of width 0.25");
  // The head comes along: where nothing is learned it is the same.
  ASSERT_EQ(Run(TrainCls() + Arguments{"--start", attention, "--lr", "1e-30"}).status, 0);
  EXPECT_EQ(ReadTensorFile(dir_ / "out/checkpoint.safetensors").Find("head.weight")->bytes,
            ReadTensorFile(attention).Find("head.weight")->bytes);
}

TEST_F(RecipesTest, WithWeightsTheAttentionNetworkStartsFromTheTags) {
  ScenesWorld::Get().WriteBackbone(dir_ / "w.safetensors");
  std::string config = Config("saliency = 's/Saliency'\nweights = 'w.safetensors'\n") +
                       "[train-tags]\nwidth = 0.125\ninput-size = 64\n";
  const std::string arch = "arch = 'resnet18'\n";
  config.erase(config.find(arch), arch.size());
  const auto record = [&](const std::string& text) {
    const ProgramResult result = RunConfig(text, {"--to", "train-cls"});
    EXPECT_EQ(result.status, 0) << result.err;
    return nlohmann::json::parse(ReadBytes(dir_ / "out/train-cls/stage.json"))["recipe"];
  };
  const nlohmann::json made = record(config);
  EXPECT_EQ(made["options"]["arch"], "resnet18-stride32");
  EXPECT_TRUE(made["inputs"].contains("start")) << made["inputs"];
  EXPECT_THAT(RunConfig(config, {"--to", "train-cls", "--dry-run"}).out,
              Not(HasSubstr("would be done")));
  // Another network than the tags' begins anew.
  config.insert(config.find("[train-cls]\n") + std::strlen("[train-cls]\n"),
                "normalisation = 'bgr'\n");
  EXPECT_FALSE(record(config)["inputs"].contains("start"));
}

}  // namespace
}  // namespace i2crc::testing
