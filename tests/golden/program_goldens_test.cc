// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "i2crc/image/image_file.h"
#include "support/program.h"
#include "support/test_dirs.h"

// Goldens of the reference through the program itself.

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using ::testing::HasSubstr;
using testing::ProgramResult;
using testing::ReadBytes;
using testing::RunProgram;
using testing::SharedPath;
using testing::TempDir;

std::set<std::string> Names(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

void ExpectSameMasks(const fs::path& made, const fs::path& expected) {
  ASSERT_EQ(Names(made), Names(expected));
  ASSERT_FALSE(Names(expected).empty());
  for (const std::string& name : Names(expected))
    EXPECT_EQ(ReadMask(made / name).values(), ReadMask(expected / name).values()) << name;
}

void ExpectSameBytes(const fs::path& made, const fs::path& expected) {
  ASSERT_EQ(Names(made), Names(expected));
  for (const std::string& name : Names(expected))
    EXPECT_EQ(ReadBytes(made / name), ReadBytes(expected / name)) << name;
}

ProgramResult Label(const fs::path& out, const std::string& threads) {
  const fs::path goldens = SharedPath("goldens/labels");
  return RunProgram({"label", "--cams", goldens / "attention", "--saliency", goldens / "saliency",
                     "--list", goldens / "list.txt", "--out", out, "--threads", threads});
}

TEST(ProgramGoldens, Labels) {
  I2CRC_NEEDS_SHARED("goldens/labels");
  const TempDir dir;
  const ProgramResult result = Label(dir / "one", "1");
  ASSERT_EQ(result.status, 0) << result.err;
  ExpectSameMasks(dir / "one", SharedPath("goldens/labels/expected"));
  EXPECT_THAT(result.err, HasSubstr("1 tags without a map passed over"));
  ASSERT_EQ(Label(dir / "three", "3").status, 0);
  ExpectSameBytes(dir / "three", dir / "one");
}

ProgramResult Refine(const fs::path& out, const std::string& threads) {
  const fs::path goldens = SharedPath("goldens/refine");
  return RunProgram({"refine", "--predictions", goldens / "predictions", "--labels",
                     goldens / "initial", "--list", goldens / "list.txt", "--out", out, "--threads",
                     threads});
}

TEST(ProgramGoldens, RefinedLabels) {
  I2CRC_NEEDS_SHARED("goldens/refine");
  const TempDir dir;
  const ProgramResult result = Refine(dir / "one", "1");
  ASSERT_EQ(result.status, 0) << result.err;
  ExpectSameMasks(dir / "one", SharedPath("goldens/refine/expected"));
  ASSERT_EQ(Refine(dir / "three", "3").status, 0);
  ExpectSameBytes(dir / "three", dir / "one");
}

// The program's masks, scored by the program against the reference's: nothing differs.
TEST(ProgramGoldens, LabelsScoredAgainstTheReference) {
  I2CRC_NEEDS_SHARED("goldens/labels");
  const TempDir dir;
  ASSERT_EQ(Label(dir / "made", "2").status, 0);
  const ProgramResult result = RunProgram(
      {"eval", "--predictions", dir / "made", "--truth", SharedPath("goldens/labels/expected"),
       "--list", SharedPath("goldens/labels/list.txt"), "--min-miou", "100"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("mIoU 100.00 %"));
}

}  // namespace
}  // namespace i2crc
