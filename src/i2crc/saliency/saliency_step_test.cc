// SPDX-License-Identifier: Apache-2.0
#include "i2crc/saliency/saliency_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>

#include "i2crc/core/error.h"
#include "i2crc/inputs/made_folder.h"
#include "i2crc/saliency/made_onnx.h"
#include "support/option_set_checks.h"

namespace i2crc {
namespace {

using ::testing::ElementsAre;
using testing::ErrorOf;
using ::testing::HasSubstr;
using ::testing::Key;
using testing::LoggedContext;
using testing::MadeFolder;
using testing::RedDetector;

constexpr int kHeight = 12;
constexpr int kWidth = 20;

// Red on the left.
ImageU8 Photograph(int redder = 0) {
  ImageU8 rgb(kHeight, kWidth, 3, 40);
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth / 2; ++x) rgb.at(y, x, 0) = static_cast<uint8_t>(100 + redder + x);
  return rgb;
}

class SaliencyStepTest : public ::testing::Test {
 protected:
  SaliencyStepTest() {
    options_.model = folder_ / "m.onnx";
    options_.images = folder_ / "images";
    options_.out = folder_ / "made/maps";
    options_.items.threads = 1;
    options_.loader_threads = 0;
    folder_.Text("m.onnx", RedDetector({1, 3, 16, 16}));
  }

  void AddPhotograph(const std::string& name, const ImageU8& rgb = Photograph()) {
    folder_.Text("images/" + name, "");
    WriteRgbPng(folder_ / ("images/" + name), rgb);
  }
  // A header that is whole and pixels that are not.
  void AddCutPhotograph(const std::string& name) {
    AddPhotograph(name);
    const std::string bytes = testing::ReadBytes(folder_ / ("images/" + name));
    folder_.Text("images/" + name, bytes.substr(0, bytes.size() - 30));
  }

  // Found before work began, nothing written.
  std::string RefusalOf() {
    LoggedContext context;
    const std::string message =
        ErrorOf([&] { PrepareSaliency(options_, context).Run(context); }, folder_);
    EXPECT_FALSE(context.work_began());
    EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
    return message;
  }

  MadeFolder folder_;
  SaliencyOptions options_;
};

TEST(SaliencyOptionsTest, Description) {
  SaliencyOptions options;
  OptionSet set;
  Describe(options, set);
  testing::CheckOptionSet(set);
  EXPECT_EQ(options.preset, "u2net");
}

TEST_F(SaliencyStepTest, WholeFolderWithoutList) {
  AddPhotograph("a.png");
  AddPhotograph("b.png", ImageU8(5, 4, 3, 9));
  LoggedContext context;
  const SaliencyResult result = PrepareSaliency(options_, context).Run(context);
  EXPECT_TRUE(context.work_began());
  EXPECT_EQ(result.images, 2);
  EXPECT_EQ(result.blank, 1);
  EXPECT_THAT(folder_.Files("made"), ElementsAre(Key("maps/a.png"), Key("maps/b.png")));
  const ImageU8 map = ReadGrey(folder_ / "made/maps/a.png");
  EXPECT_EQ(map.height(), kHeight);
  EXPECT_EQ(map.width(), kWidth);
  EXPECT_GT(map.at(6, 4), 200);
  EXPECT_EQ(map.at(6, 16), 0);
  EXPECT_EQ(ReadGrey(folder_ / "made/maps/b.png"), ImageU8(5, 4, 1, 0));
}

TEST_F(SaliencyStepTest, TheListDecides) {
  AddPhotograph("a.png");
  AddPhotograph("sub/b.png");
  folder_.Text("list.txt", "sub/b 3 cat 99\n");
  options_.list = folder_ / "list.txt";
  LoggedContext context;
  EXPECT_EQ(PrepareSaliency(options_, context).Run(context).images, 1);
  EXPECT_THAT(folder_.Files("made"), ElementsAre(Key("maps/sub/b.png")));
}

TEST_F(SaliencyStepTest, SameBytesForAnyNumberOfLoaderThreads) {
  for (int i = 0; i < 9; ++i) AddPhotograph(std::to_string(i) + ".png", Photograph(10 * i));
  std::map<std::string, std::string> first;
  for (const int threads : {0, 1, 2, 4}) {
    options_.loader_threads = threads;
    options_.out = folder_ / ("made" + std::to_string(threads));
    LoggedContext context;
    EXPECT_EQ(PrepareSaliency(options_, context).Run(context).images, 9);
    const auto files = folder_.Files("made" + std::to_string(threads));
    if (first.empty()) first = files;
    EXPECT_EQ(files.size(), 9u);
    EXPECT_EQ(files, first) << threads << " loader threads";
  }
}

TEST_F(SaliencyStepTest, FoundBeforeWorkBegins) {
  EXPECT_EQ(RefusalOf(), "--images images: no such folder");
  folder_.Text("images/note.txt", "");
  EXPECT_THAT(RefusalOf(), HasSubstr("images"));  // no photograph there
  AddPhotograph("a.png");
  folder_.Text("images/b.jpg", "no JPEG");
  EXPECT_THAT(RefusalOf(), HasSubstr("images/b.jpg: "));
  folder_.Text("list.txt", "a\nnone\n");
  options_.list = folder_ / "list.txt";
  EXPECT_THAT(RefusalOf(), HasSubstr("images/none: no .jpg"));
  folder_.Text("list.txt", "../a\n");
  EXPECT_THAT(RefusalOf(), HasSubstr("list.txt:1: "));
}

TEST_F(SaliencyStepTest, FilesThatAreNoDetector) {
  AddPhotograph("a.png");
  options_.model = folder_ / "none.onnx";
  EXPECT_EQ(RefusalOf(), "none.onnx: No such file or directory");
  options_.model = folder_ / "m.onnx";
  folder_.Text("m.onnx", "certainly no network");
  EXPECT_EQ(RefusalOf(), "m.onnx: not an ONNX file");
  const std::string whole = RedDetector({1, 3, 16, 16});
  folder_.Text("m.onnx", whole.substr(0, whole.size() / 2));
  EXPECT_EQ(RefusalOf(), "m.onnx: ONNX file is cut short or damaged");
  folder_.Text("m.onnx", testing::TinyClassifier(1000));
  EXPECT_EQ(RefusalOf(),
            "m.onnx: no saliency detector: its output 'logits' is [1, 1000], not a map "
            "[1, 1, rows, columns] of 32-bit floats");
  folder_.Text("m.onnx", whole);
  options_.input_size = 99;
  EXPECT_EQ(
      RefusalOf(),
      "m.onnx: the detector takes 16x16 (width x height) alone; --input-size 99 does not fit");
}

TEST_F(SaliencyStepTest, PhotographsAreNeverOverwritten) {
  AddPhotograph("a.png");
  options_.out = options_.images;
  EXPECT_EQ(RefusalOf(),
            "--out images: is the folder of --images too, whose files would be overwritten");
}

TEST_F(SaliencyStepTest, DamagedPhotographStopsAndKeepsWhatIsFinished) {
  AddPhotograph("a.png");
  AddCutPhotograph("b.png");
  AddPhotograph("c.png");
  for (const int threads : {0, 2}) {
    options_.loader_threads = threads;
    LoggedContext context;
    EXPECT_THAT(ErrorOf([&] { PrepareSaliency(options_, context).Run(context); }, folder_),
                HasSubstr("images/b.png: "));
    EXPECT_TRUE(context.work_began());
    EXPECT_THAT(folder_.Files("made"), ElementsAre(Key("maps/a.png")));
  }
}

TEST_F(SaliencyStepTest, SkipLeavesImagesOut) {
  AddPhotograph("a.png");
  AddCutPhotograph("b.png");
  folder_.Text("images/c.png", "no header");
  AddPhotograph("d.png");
  options_.items.on_error = "skip";
  LoggedContext context;
  EXPECT_EQ(PrepareSaliency(options_, context).Run(context).images, 2);
  EXPECT_EQ(context.left_out(), 2);
  EXPECT_THAT(folder_.Files("made"), ElementsAre(Key("maps/a.png"), Key("maps/d.png")));
  EXPECT_THAT(context.lines(), HasSubstr("images/b.png: "));
  EXPECT_THAT(context.lines(), HasSubstr("images/c.png: "));
}

TEST_F(SaliencyStepTest, OutputThatIsNotFiniteLeavesTheImageOut) {
  folder_.Text("m.onnx", RedDetector({1, 3, 16, 16}, std::numeric_limits<float>::infinity()));
  AddPhotograph("a.png");
  options_.items.on_error = "skip";
  LoggedContext context;
  EXPECT_EQ(PrepareSaliency(options_, context).Run(context).images, 0);
  EXPECT_THAT(context.lines(), HasSubstr("a.png: the detector's output is not finite"));
}

TEST_F(SaliencyStepTest, Interrupted) {
  AddPhotograph("a.png");
  LoggedContext context;
  Context::RequestInterrupt();
  EXPECT_THROW(PrepareSaliency(options_, context).Run(context), Interrupted);
  Context::ClearInterrupt();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
}

}  // namespace
}  // namespace i2crc
