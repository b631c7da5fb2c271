// SPDX-License-Identifier: Apache-2.0
// The demo of few and small scenes: what it leaves, and that it goes on in the same folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "i2crc/image/image_file.h"
#include "support/program.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// The lines of a log that tell what became of a stage.
std::vector<std::string> StageLines(const std::string& log) {
  std::vector<std::string> found;
  std::istringstream lines(log);
  const std::vector<std::string> stages = {
      "train-cls-plain: ", "cam-plain: ", "train-cls: ", "cam: ", "label: "};
  for (std::string line; std::getline(lines, line);)
    if (std::any_of(stages.begin(), stages.end(),
                    [&](const std::string& stage) { return line.starts_with(stage); }))
      found.push_back(line);
  return found;
}

// The table without its last column.
std::string WithoutTimes(const std::string& table) {
  std::string scores;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);)
    scores += line.substr(0, line.find_last_not_of("0123456789.")) + "\n";
  return scores;
}

TEST(Demo, AttentionOnlyLeavesSummaryAndPictureAndIsNotDoneTwice) {
  testing::TempDir dir;
  const std::vector<std::string> arguments = {
      "demo", "--attention-only", "--images", "16", "--size", "32", "--out", (dir / "d").string()};
  const auto first = testing::RunProgram(arguments);
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.out, AllOf(HasSubstr("attention maps without relation losses"),
                               HasSubstr("attention maps with relation losses"),
                               HasSubstr("initial labels"), Not(HasSubstr("ceiling"))));
  EXPECT_EQ(testing::ReadBytes(dir / "d/summary.txt"), first.out);
  const ImageU8 picture = ReadPhotograph(dir / "d/picture.png");
  EXPECT_GE(picture.height(), 32);
  EXPECT_GE(picture.width(), 5 * 32);
  const std::string checkpoint = testing::ReadBytes(dir / "d/run/train-cls/checkpoint.safetensors");

  const auto second = testing::RunProgram(arguments);
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_THAT(StageLines(second.err), AllOf(SizeIs(5), Each(EndsWith("done before, skipped"))))
      << second.err;
  EXPECT_EQ(testing::ReadBytes(dir / "d/run/train-cls/checkpoint.safetensors"), checkpoint);
  EXPECT_EQ(WithoutTimes(second.out), WithoutTimes(first.out));
}

}  // namespace
}  // namespace i2crc
