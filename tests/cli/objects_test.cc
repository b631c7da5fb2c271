// SPDX-License-Identifier: Apache-2.0
// Object maps from tags alone, as a command and as a stage of a run without saliency maps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "i2crc/image/image_file.h"
#include "support/scenes_world.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ObjectsTest : public ProgramTest {
 protected:
  ObjectsTest() {
    const ProgramResult cam = Run(Cam());
    EXPECT_EQ(cam.status, 0) << cam.err;
    fs::rename(dir_ / "out", dir_ / "cams");
  }
  static Arguments Objects(const std::string& list = "s/train.txt") {
    return {"objects",
            "--checkpoint",
            ScenesWorld::Get().attention().string(),
            "--cams",
            "cams",
            "--images",
            "s/JPEGImages",
            "--list",
            list,
            "--out",
            "out",
            "--input-size",
            "96"};
  }
  std::string Map(const std::string& id) const { return ReadBytes(dir_ / "out" / (id + ".png")); }
  nlohmann::json Report() const {
    return nlohmann::json::parse(ReadBytes(dir_ / "out/report.json"));
  }
};

TEST_F(ObjectsTest, MakesAMapOfEveryPhotograph) {
  const std::vector<std::string> ids = TrainIds();
  // One without a tag, for which there is nothing to look for.
  std::string list = ReadBytes(dir_ / "s/train.txt");
  list.erase(ids[0].size(), list.find('\n') - ids[0].size());
  Write("list.txt", list);
  const ProgramResult result = Run(Objects("list.txt"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr(fmt::format("objects: {} maps", ids.size())));
  int with_object = 0;
  for (const std::string& id : ids) {
    const ImageU8 map = ReadGrey(dir_ / "out" / (id + ".png"));
    EXPECT_EQ(map.height(), 64);
    EXPECT_EQ(map.width(), 64);
    with_object += *std::max_element(map.values().begin(), map.values().end()) >= 128;
    if (id == ids[0]) {
      EXPECT_EQ(std::count(map.values().begin(), map.values().end(), 0), 64 * 64);
    }
  }
  // How many depends on the share, which so small a network chooses by chance.
  EXPECT_GT(with_object, 0);
  const nlohmann::json report = Report();
  EXPECT_GT(report["share"], 0);
  EXPECT_GT(report["explained"].size(), 5U);
  EXPECT_TRUE(report["explained"][0]["even"].contains("name"));
}

TEST_F(ObjectsTest, DoesNotDependOnTheLoadersThreads) {
  ASSERT_EQ(Run(Objects()).status, 0);
  const std::string first = Map(TrainIds()[1]), report = Report().dump();
  fs::remove_all(dir_ / "out");
  ASSERT_EQ(Run(Objects() + Arguments{"--loader-threads", "0"}).status, 0);
  EXPECT_EQ(Map(TrainIds()[1]), first);
  EXPECT_EQ(Report().dump(), report);
}

TEST_F(ObjectsTest, TakesTheShareThatItIsGiven) {
  const auto salient = [&](const std::string& share) {
    fs::remove_all(dir_ / "out");
    const ProgramResult result = Run(Objects() + Arguments{"--share", share});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_FALSE(Report().contains("explained"));
    double count = 0;
    for (const std::string& id : TrainIds()) {
      const ImageU8 map = ReadGrey(dir_ / "out" / (id + ".png"));
      count += static_cast<double>(std::count_if(map.values().begin(), map.values().end(),
                                                 [](uint8_t value) { return value >= 128; }));
    }
    return count / (64.0 * 64 * static_cast<double>(TrainIds().size()));
  };
  const double little = salient("0.1"), much = salient("0.5");
  EXPECT_LT(little, 0.2);
  EXPECT_GT(much, 0.3);
}

TEST_F(ObjectsTest, LooksLikeSaliencyToTheOtherSteps) {
  ASSERT_EQ(Run(Objects()).status, 0);
  fs::rename(dir_ / "out", dir_ / "maps");
  const ProgramResult label =
      Run({"label", "--rule", "object", "--cams", "cams", "--saliency", "maps", "--list",
           "s/train.txt", "--classes", "s/classes.txt", "--out", "out"});
  EXPECT_EQ(label.status, 0) << label.err;
}

// With a detector's maps: what both say together, unless the detector's are of something else.
TEST_F(ObjectsTest, PoolsADetectorsMapsWithTheGrown) {
  const Arguments fifth = Objects() + Arguments{"--share", "0.2"};
  ASSERT_EQ(Run(fifth).status, 0);
  const std::string id = TrainIds()[1];
  const ImageU8 grown = ReadGrey(dir_ / "out" / (id + ".png"));
  EXPECT_FALSE(Report().contains("detector"));
  const auto pooled = [&](int salient_rows) {
    fs::remove_all(dir_ / "out");
    fs::remove_all(dir_ / "detector");
    fs::create_directory(dir_ / "detector");
    ImageU8 map(64, 64, 1, 0);
    std::fill_n(map.data(), 64 * salient_rows, 255);
    for (const std::string& each : TrainIds())
      WriteGreyPng(dir_ / "detector" / (each + ".png"), map);
    const ProgramResult result = Run(fifth + Arguments{"--saliency", "detector"});
    EXPECT_EQ(result.status, 0) << result.err;
    return result.err;
  };
  EXPECT_THAT(pooled(16), Not(HasSubstr("warning")));
  EXPECT_EQ(Report()["detector"]["share"], 0.25);
  EXPECT_TRUE(Report()["detector"]["pooled"]);
  const nlohmann::json seen = Report()["detector"]["seen"];
  EXPECT_GT(seen.size(), 3U);
  for (const nlohmann::json& tag : seen) {
    EXPECT_GT(tag["grown"], 0);
    EXPECT_LT(tag["grown"], 1);
    EXPECT_GT(tag["detector"], 0);
    EXPECT_LT(tag["detector"], 1);
  }
  const ImageU8 map = ReadGrey(dir_ / "out" / (id + ".png"));
  for (int x = 0; x < 64; ++x) {
    EXPECT_GE(map.at(0, x), std::max<int>(grown.at(0, x), 127));  // both are clipped to 0.02 … 0.98
    EXPECT_LE(map.at(40, x), grown.at(40, x) + 6);
  }
  for (const int rows : {64, 1}) {
    EXPECT_THAT(pooled(rows), AllOf(HasSubstr("detector: "), HasSubstr("20.0 % are objects"),
                                    HasSubstr("left out")));
    EXPECT_FALSE(Report()["detector"]["pooled"]);
    EXPECT_EQ(ReadGrey(dir_ / "out" / (id + ".png")), grown);
  }
  fs::remove(dir_ / "detector" / (id + ".png"));
  ExpectRefused(fifth + Arguments{"--saliency", "detector"}, "detector/" + id + ".png");
  ExpectRefused(fifth + Arguments{"--saliency", "out"}, "--out");
}

TEST_F(ObjectsTest, RefusesWhatItCannotLearnFrom) {
  Write("untagged.txt", TrainIds()[0] + "\n" + TrainIds()[1] + "\n");
  ExpectRefused(Objects("untagged.txt"), "untagged.txt: no image has a tag");
  Arguments segmentation = Objects();
  segmentation[2] = ScenesWorld::Get().segmentation().string();
  ExpectRefused(segmentation, "needed is one for attention");
  Arguments onto_maps = Objects();
  *std::next(std::find(onto_maps.begin(), onto_maps.end(), "--out")) = "cams";
  ExpectRefused(onto_maps, "--out");
  for (const std::string& file : Files("cams"))
    WriteGreyPng(dir_ / "cams" / file, ImageU8(64, 64, 1, 0));
  const ProgramResult blank = Run(Objects());
  EXPECT_EQ(blank.status, 3);
  EXPECT_THAT(blank.err, HasSubstr("the attention maps are all blank"));
  fs::remove_all(dir_ / "cams");
  fs::create_directory(dir_ / "cams");
  ExpectRefused(Objects(), "cams: no map of any tag of the list is there");
}

TEST_F(ObjectsTest, LeavesOutWhatIsDamaged) {
  const std::string id = TrainIds()[2];
  Truncate("s/JPEGImages/" + id + ".jpg", 300);
  ExpectRefused(Objects(), id + ".jpg: ");
  const ProgramResult skipped = Run(Objects() + Arguments{"--on-error", "skip"});
  EXPECT_EQ(skipped.status, 1) << skipped.err;
  EXPECT_FALSE(fs::exists(dir_ / "out" / (id + ".png")));
  EXPECT_TRUE(fs::exists(dir_ / "out" / (TrainIds()[0] + ".png")));
}

TEST_F(ObjectsTest, StandForSaliencyInARun) {
  ScenesWorld::Get().WriteBackbone(dir_ / "w.safetensors");
  Write("c.toml",
        "[run]\nout = 'out'\nimages = 's/JPEGImages'\ntrain = 's/train.txt'\nsaliency = 'none'\n"
        "classes = 's/classes.txt'\nweights = 'w.safetensors'\n"
        "[train-tags]\nwidth = 0.125\ninput-size = 64\ntry-input-size = 96\n"
        "[train-cls]\nwidth = 0.125\n"
        "[train-seg]\nwidth = 0.125\ncrop = 65\niterations = 3\n"
        "[train-seg-1]\niterations = 3\n[train-seg-2]\niterations = 3\n");
  const ProgramResult dry = Run({"run", "--config", "c.toml", "--dry-run"});
  EXPECT_EQ(dry.status, 0) << dry.err;
  EXPECT_THAT(dry.out, AllOf(HasSubstr("objects        would be done: not done yet ("),
                             Not(HasSubstr("train-cls"))))
      << dry.err;
  const ProgramResult result = Run({"run", "--config", "c.toml"});
  ASSERT_EQ(result.status, 0) << result.err;
  const nlohmann::json tags = nlohmann::json::parse(ReadBytes(dir_ / "out/train-tags/report.json"));
  EXPECT_EQ(tags["tried"].size(), 2U);
  EXPECT_EQ(tags["tried"][1]["input_size"], 96);
  EXPECT_TRUE(tags["input_size"] == 64 || tags["input_size"] == 96);
  for (const std::string& id : TrainIds())
    for (const char* stage : {"objects", "label", "masks"})
      EXPECT_TRUE(fs::exists(dir_ / "out" / stage / (id + ".png"))) << stage;
  EXPECT_FALSE(fs::exists(dir_ / "out/train-cls"));
  // Neither of the sources that remain can judge the other.
  const nlohmann::json choice = nlohmann::json::parse(ReadBytes(dir_ / "out/masks/choice.json"));
  EXPECT_EQ(choice["kept"], "after");
  EXPECT_THAT(choice["why"].get<std::string>(), HasSubstr("not judged"));
  const nlohmann::json run = nlohmann::json::parse(ReadBytes(dir_ / "out/run.json"));
  EXPECT_FALSE(run["recipe"]["facts"]["has_saliency"]);
  EXPECT_THAT(Run({"run", "--config", "c.toml", "--dry-run"}).out, Not(HasSubstr("would be done")));
  // What is grown from other attention is grown anew.
  fs::remove(dir_ / "out/cam" / Files("out/cam").front());
  EXPECT_THAT(Run({"run", "--config", "c.toml", "--dry-run"}).out,
              HasSubstr("objects        would be done over if cams changes"));
  const ProgramResult printed = Run({"run", "--config", "c.toml", "--print-config"});
  EXPECT_THAT(printed.out, HasSubstr("[objects]\n"));
}

TEST_F(ObjectsTest, ArePooledWithTheSaliencyOfARun) {
  ScenesWorld::Get().WriteBackbone(dir_ / "w.safetensors");
  fs::create_directory(dir_ / "maps");
  for (const std::string& id : TrainIds()) {
    ImageU8 map(64, 64, 1, 0);
    std::fill_n(map.data(), 64 * 16, 255);
    WriteGreyPng(dir_ / "maps" / (id + ".png"), map);
  }
  Write("c.toml",
        "[run]\nout = 'out'\nimages = 's/JPEGImages'\ntrain = 's/train.txt'\nsaliency = 'maps'\n"
        "classes = 's/classes.txt'\nweights = 'w.safetensors'\nto = 'label'\n"
        "[train-tags]\nwidth = 0.125\ninput-size = 64\n"
        "[train-cls]\nwidth = 0.125\ninput-size = 64\nepochs = 2\nlr-milestones = [1]\n"
        "[objects]\nshare = 0.2\n");
  const ProgramResult result = Run({"run", "--config", "c.toml"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(fs::exists(dir_ / "out/train-cls/checkpoint.safetensors"));
  const nlohmann::json report = nlohmann::json::parse(ReadBytes(dir_ / "out/objects/report.json"));
  EXPECT_TRUE(report["detector"]["pooled"]);
  // Labels are made by the pooled maps.
  fs::remove(dir_ / "out/objects" / (TrainIds()[0] + ".png"));
  EXPECT_THAT(Run({"run", "--config", "c.toml", "--dry-run"}).out,
              AllOf(HasSubstr("train-cls      done, would be skipped"),
                    HasSubstr("objects        would be done"),
                    HasSubstr("label          would be done over if saliency changes")));
  // The detector's are an input of its own.
  WriteGreyPng(dir_ / "maps" / (TrainIds()[0] + ".png"), ImageU8(64, 64, 1, 0));
  EXPECT_THAT(Run({"run", "--config", "c.toml", "--from", "objects", "--dry-run"}).out,
              HasSubstr("objects        would be done: input saliency changed"));
}

}  // namespace
}  // namespace i2crc::testing
