// SPDX-License-Identifier: Apache-2.0
// A user whose processes and threads are limited asks for more of them than can be started.
#include <unistd.h>

#include <map>

#include "i2crc/saliency/made_onnx.h"
#include "support/scenes_world.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

class FewThreadsTest : public ProgramTest {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "needs root, to become a user who has nothing else running";
    fs::permissions(dir_.path(), fs::perms::all);
  }

  // Done, with one warning of too few threads, and what it has written to a folder.
  std::map<std::string, std::string> MadeWithFew(const Arguments& arguments,
                                                 const std::string& folder = "out") {
    const ProgramResult result = Run(arguments, {.threads = 20});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(TimesWarned(result.err), 1) << result.err;
    return Take(folder);
  }
  std::map<std::string, std::string> MadeWithEnough(const Arguments& arguments,
                                                    const std::string& folder = "out") {
    const ProgramResult result = Run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(TimesWarned(result.err), 0) << result.err;
    return Take(folder);
  }

 private:
  static int TimesWarned(const std::string& log) {
    const std::string warning = "i2crc: warning: fewer threads could be started";
    int times = 0;
    for (size_t at = log.find(warning); at != std::string::npos; at = log.find(warning, at + 1))
      ++times;
    return times;
  }
  std::map<std::string, std::string> Take(const std::string& folder) {
    std::map<std::string, std::string> contents;
    for (const std::string& file : Files(folder)) contents[file] = ReadBytes(dir_ / folder / file);
    EXPECT_FALSE(contents.empty());
    fs::remove_all(dir_ / folder);
    return contents;
  }
};

TEST_F(FewThreadsTest, Scenes) {
  const Arguments synth = {"synth", "--out", "new", "--images", "40", "--size", "32"};
  EXPECT_TRUE(MadeWithFew(synth + Arguments{"--threads", "64"}, "new") ==
              MadeWithEnough(synth + Arguments{"--threads", "2"}, "new"));
}

TEST_F(FewThreadsTest, Crf) {
  const Arguments crf = {
      "crf",    "--images",    "s/JPEGImages", "--labels",      "s/SegmentationClass",
      "--list", "s/train.txt", "--classes",    "s/classes.txt", "--out",
      "out"};
  EXPECT_TRUE(MadeWithFew(crf + Arguments{"--threads", "64"}) ==
              MadeWithEnough(crf + Arguments{"--threads", "2"}));
  // All of them for one image.
  Write("one.txt", TrainIds().front() + "\n");
  Arguments one = crf;
  one[6] = "one.txt";
  EXPECT_TRUE(MadeWithFew(one + Arguments{"--threads", "64"}) ==
              MadeWithEnough(one + Arguments{"--threads", "2"}));
}

TEST_F(FewThreadsTest, Networks) {
  // With 6, some of libtorch's threads can be started.
  for (const char* threads : {"64", "6"}) {
    const Arguments all = {"--threads", threads};
    EXPECT_EQ(MadeWithFew(Predict() + Arguments{"--crf"} + all).size(), TrainIds().size());
    EXPECT_FALSE(MadeWithFew(Cam() + all).empty());
    EXPECT_EQ(MadeWithFew(TrainCls() + all).count("checkpoint.safetensors"), 1u);
  }
  // The loader's alone are too many.
  const Arguments loader = {"--threads", "1", "--loader-threads", "64"};
  EXPECT_TRUE(
      MadeWithFew(TrainCls() + loader).at("checkpoint.safetensors") ==
      MadeWithEnough(TrainCls() + Arguments{"--threads", "1"}).at("checkpoint.safetensors"));
}

TEST_F(FewThreadsTest, Detector) {
  Write("m.onnx", RedDetector({1, 3, 16, 16}));
  const Arguments saliency = {"saliency",     "--model", "m.onnx", "--images",
                              "s/JPEGImages", "--out",   "out"};
  EXPECT_TRUE(MadeWithFew(saliency + Arguments{"--threads", "64", "--loader-threads", "64"}) ==
              MadeWithEnough(saliency));
}

}  // namespace
}  // namespace i2crc::testing
