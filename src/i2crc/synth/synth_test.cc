// SPDX-License-Identifier: Apache-2.0
#include "i2crc/synth/synth.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>
#include <string>

#include "i2crc/image/image_file.h"
#include "i2crc/synth/scene.h"
#include "support/permissions.h"
#include "support/test_dirs.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using ::testing::HasSubstr;
using testing::ReadBytes;
using testing::TempDir;
using testing::WriteBytes;

SynthOptions SmallSet(const fs::path& out) {
  SynthOptions options;
  options.out = out;
  options.images = 24;
  options.size = 48;
  return options;
}

std::map<std::string, std::string> Tree(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), folder).string()] = ReadBytes(entry.path());
  return files;
}

std::vector<std::string> Lines(const fs::path& file) {
  std::istringstream text(ReadBytes(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::string MessageOf(const SynthOptions& options, Context& context) {
  try {
    PrepareSynth(options, 1).Run(context);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(WriteSynth, BytesDoNotDependOnThreads) {
  TempDir dir;
  Context context;
  PrepareSynth(SmallSet(dir / "1"), 1).Run(context);
  const auto one = Tree(dir / "1");
  EXPECT_EQ(one.size(), 3u * 24 + 3);
  for (const int threads : {2, 4}) {
    const fs::path out = dir / std::to_string(threads);
    PrepareSynth(SmallSet(out), threads).Run(context);
    EXPECT_EQ(Tree(out), one) << threads << " threads";
  }
}

TEST(WriteSynth, FilesHoldTheScenes) {
  TempDir dir;
  Context context;
  SynthOptions options = SmallSet(dir / "set");
  options.seed = 77;
  options.ground_bias = 0.3;
  options.saliency_miss = 0.4;
  const SynthResult result = PrepareSynth(options, 2).Run(context);
  EXPECT_EQ(result.train, 18);
  EXPECT_EQ(result.val, 6);
  EXPECT_EQ(result.one_tag, 12);
  EXPECT_GT(result.object_share, 0.05);
  EXPECT_LT(result.object_share, 0.5);

  std::vector<std::string> lines = Lines(dir / "set/train.txt");
  EXPECT_EQ(lines.size(), 18u);
  for (const std::string& line : Lines(dir / "set/val.txt")) lines.push_back(line);
  ASSERT_EQ(lines.size(), 24u);
  std::vector<int64_t> class_scenes(6, 0);
  for (int64_t i = 0; i < 24; ++i) {
    const Scene scene = DrawScene({48, 0.3, 0.4}, 77, i);
    const std::string id = fmt::format("scene_{:05}", i);
    std::string line = id;
    for (const int tag : scene.tags) {
      line += fmt::format(" {}", tag);
      ++class_scenes[static_cast<size_t>(tag)];
    }
    EXPECT_EQ(lines[static_cast<size_t>(i)], line);
    EXPECT_EQ(ReadMask(dir / "set" / "SegmentationClass" / (id + ".png")), scene.mask);
    EXPECT_EQ(ReadGrey(dir / "set" / "Saliency" / (id + ".png")), scene.saliency);
    const ImageU8 photograph = ReadPhotograph(dir / "set" / "JPEGImages" / (id + ".jpg"));
    ASSERT_TRUE(photograph.SameSize(scene.rgb));
    double difference = 0;
    for (size_t p = 0; p < photograph.size(); ++p)
      difference += std::abs(photograph.values()[p] - scene.rgb.values()[p]);
    EXPECT_LT(difference / static_cast<double>(photograph.size()), 12.0) << id;
  }
  EXPECT_EQ(result.class_scenes, class_scenes);
  EXPECT_EQ(Lines(dir / "set/classes.txt"), SceneClassNames());
}

TEST(WriteSynth, EachListHasAScene) {
  for (const double share : {0.01, 0.99}) {
    TempDir dir;
    Context context;
    SynthOptions options = SmallSet(dir / "set");
    options.images = 2;
    options.size = 32;
    options.val_share = share;
    const SynthResult result = PrepareSynth(options, 1).Run(context);
    EXPECT_EQ(result.train, 1);
    EXPECT_EQ(result.val, 1);
  }
}

TEST(WriteSynth, OptionsOutOfRangeAreErrorsBeforeWork) {
  TempDir dir;
  const auto broken = [&](const std::function<void(SynthOptions&)>& change) {
    SynthOptions options = SmallSet(dir / "set");
    change(options);
    Context context;
    const std::string message = MessageOf(options, context);
    EXPECT_FALSE(context.work_began());
    EXPECT_FALSE(fs::exists(dir / "set"));
    return message;
  };
  EXPECT_EQ(broken([](SynthOptions& o) { o.out.clear(); }), "--out is missing");
  EXPECT_THAT(broken([](SynthOptions& o) { o.images = 1; }), HasSubstr("--images 1"));
  EXPECT_THAT(broken([](SynthOptions& o) { o.images = 100001; }), HasSubstr("--images"));
  EXPECT_THAT(broken([](SynthOptions& o) { o.size = 31; }),
              HasSubstr("--size 31: must be 32 … 1024"));
  EXPECT_THAT(broken([](SynthOptions& o) { o.size = 1025; }), HasSubstr("--size"));
  EXPECT_THAT(broken([](SynthOptions& o) { o.val_share = 0; }), HasSubstr("--val-share"));
  EXPECT_THAT(broken([](SynthOptions& o) { o.val_share = std::nan(""); }),
              HasSubstr("--val-share"));
  EXPECT_THAT(broken([](SynthOptions& o) { o.ground_bias = 1.5; }), HasSubstr("--ground-bias"));
  EXPECT_THAT(broken([](SynthOptions& o) { o.saliency_miss = -0.1; }),
              HasSubstr("--saliency-miss"));
}

TEST(WriteSynth, RefusesAFolderOfAnotherDataset) {
  for (const char* stranger :
       {"JPEGImages/2007_000032.jpg", "Saliency/scene_00024.png", "SegmentationClass/scene_1.png",
        "JPEGImages/scene_00001.png", "Saliency/scene_.png"}) {
    TempDir dir;
    fs::create_directories((dir / stranger).parent_path());
    WriteBytes(dir / stranger, "x");
    Context context;
    const std::string message = MessageOf(SmallSet(dir.path()), context);
    EXPECT_THAT(message, HasSubstr(stranger));
    EXPECT_THAT(message, HasSubstr("belongs to another dataset"));
    EXPECT_FALSE(context.work_began());
    EXPECT_FALSE(fs::exists(dir / "train.txt"));
  }
  TempDir dir;
  WriteBytes(dir / "Saliency", "a file");
  Context context;
  EXPECT_THAT(MessageOf(SmallSet(dir.path()), context), HasSubstr("is no folder"));
}

// In a process of its own: status 0 where the dataset was refused before work.
[[noreturn]] void RefuseReadOnly(const SynthOptions& options) {
  testing::ObeyPermissions();
  Context context;
  std::fputs(MessageOf(options, context).c_str(), stderr);
  std::_Exit(context.work_began() ? 1 : 0);
}

TEST(WriteSynth, RefusesAReadOnlyFolder) {
  TempDir dir;
  for (const char* folder : {"fixed", "set/Saliency"}) {
    fs::create_directories(dir / folder);
    fs::permissions(dir / folder, fs::perms::owner_write, fs::perm_options::remove);
  }
  EXPECT_EXIT(RefuseReadOnly(SmallSet(dir / "fixed")), ::testing::ExitedWithCode(0),
              "--out .*/fixed: cannot write: Permission denied");
  EXPECT_EXIT(RefuseReadOnly(SmallSet(dir / "fixed/below/it")), ::testing::ExitedWithCode(0),
              "--out .*/fixed/below/it: cannot write: Permission denied");
  EXPECT_EXIT(RefuseReadOnly(SmallSet(dir / "set")), ::testing::ExitedWithCode(0),
              "set/Saliency: cannot write: Permission denied");
  EXPECT_FALSE(fs::exists(dir / "set/JPEGImages"));
}

TEST(WriteSynth, CanBeWrittenOverItself) {
  TempDir dir;
  Context context;
  PrepareSynth(SmallSet(dir.path()), 2).Run(context);
  WriteBytes(dir / "JPEGImages" / ".scene_00000.jpg.tmp.123", "half");
  const auto before = Tree(dir.path());
  PrepareSynth(SmallSet(dir.path()), 2).Run(context);
  EXPECT_EQ(Tree(dir.path()), before);
}

TEST(WriteSynth, InterruptedItLeavesNoLists) {
  TempDir dir;
  Context context;
  Context::RequestInterrupt();
  EXPECT_THROW(PrepareSynth(SmallSet(dir.path()), 2).Run(context), Interrupted);
  Context::ClearInterrupt();
  EXPECT_FALSE(fs::exists(dir / "train.txt"));
  EXPECT_FALSE(fs::exists(dir / "val.txt"));
}

TEST(SynthOptions, DescriptionCoversEveryField) {
  SynthOptions options;
  OptionSet set;
  Describe(options, set);
  const std::map<std::string, std::string> values = {
      {"out", "somewhere"}, {"images", "10"},       {"size", "64"},          {"seed", "9"},
      {"val-share", "0.5"}, {"ground-bias", "0.1"}, {"saliency-miss", "0.2"}};
  ASSERT_EQ(set.options().size(), values.size());
  EXPECT_THROW(set.CheckRequired(), Error);
  for (const auto& [name, text] : values) {
    ASSERT_NE(set.Find(name), nullptr) << name;
    set.Find(name)->SetFromText(text);
  }
  set.CheckRequired();
  EXPECT_EQ(options.out, "somewhere");
  EXPECT_EQ(options.images, 10);
  EXPECT_EQ(options.size, 64);
  EXPECT_EQ(options.seed, 9u);
  EXPECT_EQ(options.val_share, 0.5);
  EXPECT_EQ(options.ground_bias, 0.1);
  EXPECT_EQ(options.saliency_miss, 0.2);
  EXPECT_THROW(set.Find("size")->SetFromText("31"), Error);
  EXPECT_THROW(set.Find("images")->SetFromText("1"), Error);
  EXPECT_THROW(set.Find("ground-bias")->SetFromText("1.01"), Error);
}

}  // namespace
}  // namespace i2crc
