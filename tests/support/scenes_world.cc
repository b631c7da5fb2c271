// SPDX-License-Identifier: Apache-2.0
#include "support/scenes_world.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "i2crc/weights/tensor_file.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// What the program sets for itself by starting once more, which would take half of the time here.
const std::map<std::string, std::string> kPatient = {{"OMP_WAIT_POLICY", "passive"}};

// Name and bytes of everything below a folder.
std::vector<std::pair<std::string, std::string>> Snapshot(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    entries.emplace_back(entry.path().string(),
                         entry.is_regular_file() ? ReadBytes(entry.path()) : "");
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::string LastLine(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

void Make(const Arguments& arguments, const fs::path& cwd) {
  const ProgramResult result = RunProgram(arguments, {.cwd = cwd, .env = kPatient});
  if (result.status != 0)
    throw std::runtime_error("i2crc " + arguments[0] + " ended with status " +
                             std::to_string(result.status) + ": " + result.err);
}

Arguments Small(const char* arch) {
  return {"--arch", arch, "--width", "0.125", "--classes", "s/classes.txt"};
}

}  // namespace

Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

const ScenesWorld& ScenesWorld::Get() {
  static const ScenesWorld world;
  return world;
}

ScenesWorld::ScenesWorld() {
  Make({"synth", "--out", "scenes", "--images", "16", "--size", "64"}, dir_.path());
  fs::create_directory_symlink("scenes", dir_ / "s");
  const Arguments data = {"--images", "s/JPEGImages", "--list", "s/train.txt"};
  Make(Arguments{"train-cls", "--saliency", "s/Saliency", "--input-size", "64", "--epochs", "1",
                 "--out", "cls"} +
           data + Small("resnet18"),
       dir_.path());
  Make(Arguments{"train-seg", "--labels", "s/SegmentationClass", "--no-msc", "--crop", "65",
                 "--iterations", "3", "--accumulate", "1", "--out", "seg"} +
           data + Small("deeplab-resnet18"),
       dir_.path());
}

void ScenesWorld::WriteBackbone(const std::filesystem::path& file) const {
  TensorMap weights;
  const TensorMap trained = ReadTensorFile(attention());
  for (const auto& [name, tensor] : trained.items())
    if (!name.starts_with("head.")) weights.Add(name, tensor);
  WriteSafetensors(file, weights);
}

ProgramTest::ProgramTest() {
  fs::copy(ScenesWorld::Get().scenes(), dir_ / "s", fs::copy_options::recursive);
}

ProgramResult ProgramTest::Run(const Arguments& arguments, ProgramOptions options) {
  options.cwd = dir_.path();
  options.env.insert(kPatient.begin(), kPatient.end());
  return RunProgram(arguments, options);
}

Arguments ProgramTest::Cam(const std::string& list) {
  return {"cam",      "--checkpoint", ScenesWorld::Get().attention(),
          "--images", "s/JPEGImages", "--list",
          list,       "--out",        "out"};
}

Arguments ProgramTest::Predict(const std::string& list) {
  return {"predict",  "--checkpoint", ScenesWorld::Get().segmentation(),
          "--images", "s/JPEGImages", "--list",
          list,       "--out",        "out"};
}

Arguments ProgramTest::TrainCls(const std::string& list) {
  return Arguments{
             "train-cls", "--images", "s/JPEGImages", "--saliency", "s/Saliency",   "--list", list,
             "--out",     "out",      "--epochs",     "1",          "--input-size", "64"} +
         Small("resnet18");
}

ProgramResult ProgramTest::ExpectFailed(const Arguments& arguments, const std::string& message,
                                        ProgramOptions options) {
  ProgramResult result = Run(arguments, std::move(options));
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_THAT(LastLine(result.err), StartsWith("i2crc: error: "));
  EXPECT_THAT(LastLine(result.err), HasSubstr(message));
  Files(".");
  return result;
}

Arguments ProgramTest::TrainSeg(const std::string& list) {
  return Arguments{"train-seg", "--images", "s/JPEGImages", "--labels", "s/SegmentationClass",
                   "--list",    list,       "--out",        "out",      "--no-msc",
                   "--crop",    "65",       "--iterations", "3",        "--accumulate",
                   "1"} +
         Small("deeplab-resnet18");
}

void ProgramTest::ExpectRefused(const Arguments& arguments, const std::string& message,
                                ProgramOptions options) {
  const auto before = Snapshot(dir_.path());
  const ProgramResult result = Run(arguments, std::move(options));
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("i2crc: error: "));
  EXPECT_THAT(result.err, HasSubstr(message));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_TRUE(Snapshot(dir_.path()) == before) << "something was written: " << message;
}

std::vector<std::string> ProgramTest::Files(const std::string& folder) const {
  std::vector<std::string> files;
  if (!fs::exists(dir_ / folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(dir_ / folder)) {
    if (!entry.is_regular_file()) continue;
    files.push_back(entry.path().lexically_relative(dir_ / folder).string());
    EXPECT_EQ(files.back().find(".tmp"), std::string::npos) << files.back();
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> ProgramTest::TrainIds() const {
  std::vector<std::string> ids;
  std::istringstream lines(ReadBytes(dir_ / "s/train.txt"));
  for (std::string line; std::getline(lines, line);) ids.push_back(line.substr(0, line.find(' ')));
  return ids;
}

void ProgramTest::Truncate(const std::string& file, size_t bytes) const {
  fs::resize_file(dir_ / file, bytes);
}

void ProgramTest::Write(const std::string& file, const std::string& bytes) const {
  fs::create_directories((dir_ / file).parent_path());
  WriteBytes(dir_ / file, bytes);
}

}  // namespace i2crc::testing
