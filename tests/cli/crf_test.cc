// SPDX-License-Identifier: Apache-2.0
// The dense CRF through the program: crf on files, predict --crf, and the CRF of a run.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

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

class CrfTest : public ProgramTest {
 protected:
  static Arguments Crf(const std::string& list = "s/train.txt") {
    return {"crf", "--images", "s/JPEGImages", "--probabilities", "p", "--list",
            list,  "--out",    "out"};
  }
  static Arguments CrfOfMasks() {
    return {"crf",    "--images",    "s/JPEGImages", "--labels",      "s/SegmentationClass",
            "--list", "s/train.txt", "--classes",    "s/classes.txt", "--out",
            "out"};
  }
  // Probabilities of the tiny network in p/.
  void MakeProbabilities() {
    Arguments predict = Predict();
    predict.back() = "p";
    const ProgramResult result = Run(predict + Arguments{"--probabilities"});
    ASSERT_EQ(result.status, 0) << result.err;
  }
  std::map<std::string, std::string> Contents(const std::string& folder) const {
    std::map<std::string, std::string> contents;
    for (const std::string& file : Files(folder)) contents[file] = ReadBytes(dir_ / folder / file);
    return contents;
  }
  void Again() const { fs::remove_all(dir_ / "out"); }
  // How many of out/'s masks are not those of another folder.
  int Changed(const std::string& folder) const {
    int changed = 0;
    for (const std::string& id : TrainIds())
      changed +=
          ReadMask(dir_ / "out" / (id + ".png")) == ReadMask(dir_ / folder / (id + ".png")) ? 0 : 1;
    return changed;
  }
  // Of the probabilities that two folders hold for an image.
  double MeanDifference(const std::string& one, const std::string& other,
                        const std::string& id) const {
    std::array<std::vector<float>, 2> values;
    for (size_t i = 0; i < 2; ++i) {
      const TensorMap tensors =
          ReadTensorFile(dir_ / (i == 0 ? one : other) / (id + ".safetensors"));
      values[i] = tensors.Find("probability")->ToF32();
    }
    EXPECT_EQ(values[0].size(), values[1].size());
    double sum = 0;
    for (size_t i = 0; i < values[0].size(); ++i)
      sum += std::abs(double{values[0][i]} - double{values[1][i]});
    return sum / static_cast<double>(values[0].size());
  }
};

TEST_F(CrfTest, OnStoredProbabilities) {
  MakeProbabilities();
  const ProgramResult result = Run(Crf() + Arguments{"--marginals"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("crf: 12 masks in out"));
  EXPECT_EQ(Files("out").size(), 24u);
  EXPECT_GT(Changed("p"), 0);
  const TensorMap marginals = ReadTensorFile(dir_ / "out" / (TrainIds()[0] + ".safetensors"));
  EXPECT_EQ(marginals.Find("probability")->shape, (std::vector<int64_t>{7, 64, 64}));
  // No iteration leaves the network's own masks, but for what f16 has made equal.
  Again();
  ASSERT_EQ(Run(Crf() + Arguments{"--crf-iterations", "0"}).status, 0);
  for (const std::string& id : TrainIds()) {
    const ImageU8 mask = ReadMask(dir_ / "out" / (id + ".png"));
    const ImageU8 predicted = ReadMask(dir_ / "p" / (id + ".png"));
    int different = 0;
    for (size_t i = 0; i < mask.size(); ++i)
      different += mask.values()[i] == predicted.values()[i] ? 0 : 1;
    EXPECT_LE(different, 20) << id;
  }
}

TEST_F(CrfTest, TheFileHoldsTheOptions) {
  MakeProbabilities();
  ASSERT_EQ(Run(Crf() + Arguments{"--crf-preset", "psa", "--crf-iterations", "2", "--crf-labels",
                                  "mass:0.05"})
                .status,
            0);
  const auto flags = Contents("out");
  Again();
  Write("c.toml",
        "[crf]\nimages = 's/JPEGImages'\nprobabilities = 'p'\nlist = 's/train.txt'\nout = 'out'\n"
        "crf-preset = 'psa'\ncrf-iterations = 2\ncrf-labels = 'mass:0.05'\n");
  const ProgramResult result = Run({"crf", "--config", "c.toml"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Contents("out"), flags);
}

TEST_F(CrfTest, OnMasks) {
  const ProgramResult result = Run(CrfOfMasks());
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Files("out").size(), 12u);
  ExpectRefused(CrfOfMasks() + Arguments{"--probabilities", "s"}, "not both");
}

TEST_F(CrfTest, ThreadsDecideNothing) {
  MakeProbabilities();
  std::map<std::string, std::string> files;
  for (const char* threads : {"1", "2", "5"}) {
    ASSERT_EQ(Run(Crf() + Arguments{"--marginals", "--threads", threads}).status, 0);
    if (files.empty()) files = Contents("out");
    EXPECT_EQ(Contents("out"), files) << threads;
    Again();
  }
}

TEST_F(CrfTest, RefusesBeforeItWrites) {
  ExpectRefused(Crf(), "--probabilities p: no such folder");
  MakeProbabilities();
  const Arguments crf = Crf();
  ExpectRefused(crf + Arguments{"--crf-gaussian-sigma", "0"},
                "--crf-gaussian-sigma: 0 is out of range (above 0");
  ExpectRefused(crf + Arguments{"--crf-gaussian-sigma", "-2"},
                "--crf-gaussian-sigma: -2 is out of range");
  ExpectRefused(crf + Arguments{"--crf-bilateral-weight", "nan"}, "--crf-bilateral-weight: ");
  ExpectRefused(crf + Arguments{"--crf-iterations", "-5"}, "--crf-iterations: -5 is out of range");
  ExpectRefused(crf + Arguments{"--crf-clip", "0"}, "--crf-clip: 0 is out of range");
  ExpectRefused(crf + Arguments{"--crf-preset", "best"}, "--crf-preset: 'best'");
  ExpectRefused(crf + Arguments{"--crf-labels", "mass"}, "--crf-labels: 'mass' is none of");
  ExpectRefused(crf + Arguments{"--certainty", "0.5"}, "--certainty: probabilities have their own");
  ExpectRefused(crf + Arguments{"--iterations", "5"}, "unknown option '--iterations'");
  const std::string id = TrainIds()[1];
  Truncate("p/" + id + ".safetensors", 1000);
  ExpectRefused(crf, "p/" + id + ".safetensors: ");
  fs::remove(dir_ / "p" / (id + ".safetensors"));
  ExpectRefused(crf, "p/" + id + ".safetensors: file of probabilities is missing");
}

TEST_F(CrfTest, ProbabilitiesOfAnotherSize) {
  MakeProbabilities();
  const std::string id = TrainIds()[1];
  TensorMap tensors;
  tensors.Add("probability", Tensor::FromF32({2, 60, 64}, std::vector<float>(2 * 60 * 64, 0.5F)));
  WriteSafetensors(dir_ / "p" / (id + ".safetensors"), tensors);
  ExpectRefused(Crf(), "p/" + id +
                           ".safetensors: 'probability' of shape [2, 60, 64] is for 64x60 "
                           "pixels, its photograph s/JPEGImages/" +
                           id + ".jpg is 64x64");
  const ProgramResult rest = Run(Crf() + Arguments{"--on-error", "skip"});
  EXPECT_EQ(rest.status, 1);
  EXPECT_THAT(rest.err, AllOf(HasSubstr("left out: p/" + id), HasSubstr("1 left out")));
  EXPECT_EQ(Files("out").size(), 11u);
}

TEST_F(CrfTest, BadValuesAreFoundDuringWork) {
  MakeProbabilities();
  const std::string id = TrainIds()[2];
  TensorMap tensors;
  std::vector<float> values(2 * 64 * 64, 0.5F);
  values[64 + 3] = std::numeric_limits<float>::quiet_NaN();
  tensors.Add("probability", Tensor::FromF32({2, 64, 64}, values));
  WriteSafetensors(dir_ / "p" / (id + ".safetensors"), tensors);
  ExpectFailed(Crf() + Arguments{"--threads", "1"},
               "p/" + id + ".safetensors: the probability of label 0 at column 3, row 1 is nan");
  // What came before is whole.
  EXPECT_THAT(Files("out"), AllOf(Contains(TrainIds()[1] + ".png"), Not(Contains(id + ".png"))));
  const ProgramResult rest = Run(Crf() + Arguments{"--on-error", "skip"});
  EXPECT_EQ(rest.status, 1) << rest.err;
  EXPECT_EQ(Files("out").size(), 11u);
}

TEST_F(CrfTest, FullDisksLeaveNothingHalf) {
  MakeProbabilities();
  ExpectFailed(Crf() + Arguments{"--marginals"}, "out/" + TrainIds()[0] + ".safetensors",
               {.file_bytes = 2000});
  EXPECT_EQ(Files("out").size(), 0u);
  // In predict other threads write, and the first image's failure is still what is told.
  for (const char* threads : {"1", "3"})
    ExpectFailed(Predict() + Arguments{"--crf", "--probabilities", "--threads", threads},
                 "out/" + TrainIds()[0] + ".safetensors", {.file_bytes = 2000});
  EXPECT_EQ(Files("out").size(), 0u);
}

// The way through files rounds to 16 bits, which mean field makes more of in single pixels where
// the network is as unsure as this one.
TEST_F(CrfTest, PredictDoesTheSame) {
  MakeProbabilities();
  ASSERT_EQ(Run(Crf() + Arguments{"--marginals"}).status, 0);
  fs::rename(dir_ / "out", dir_ / "files");
  const ProgramResult result = Run(Predict() + Arguments{"--crf", "--probabilities", "--overlay"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Files("out").size(), 36u);
  for (const std::string& id : TrainIds()) {
    EXPECT_LT(MeanDifference("out", "files", id), 1e-3) << id;
    EXPECT_GT(MeanDifference("out", "p", id), 1e-2) << id;
  }
}

TEST_F(CrfTest, PredictOnAnyThreads) {
  std::map<std::string, std::string> files;
  for (const Arguments& threads : {Arguments{"--threads", "2", "--loader-threads", "0"},
                                   Arguments{"--threads", "2"}, Arguments{"--threads", "4"}}) {
    const ProgramResult result = Run(Predict() + Arguments{"--crf", "--probabilities"} + threads);
    ASSERT_EQ(result.status, 0) << result.err;
    if (files.empty()) files = Contents("out");
    EXPECT_EQ(Contents("out"), files) << threads[1];
    Again();
  }
}

TEST_F(CrfTest, PredictGoesByTags) {
  const ProgramResult result = Run(Predict() + Arguments{"--crf", "--crf-labels", "tags"});
  ASSERT_EQ(result.status, 0) << result.err;
  // The scenes' lists have tags by name; what a mask holds is background or one of them.
  const std::string list = ReadBytes(dir_ / "s/train.txt");
  std::istringstream classes(ReadBytes(dir_ / "s/classes.txt"));
  std::vector<std::string> names;
  for (std::string name; classes >> name;) names.push_back(name);
  std::istringstream lines(list);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id;
    words >> id;
    std::vector<int> labels = {0};
    for (std::string tag; words >> tag;) {
      const auto found = std::find(names.begin(), names.end(), tag);
      labels.push_back(
          1 + (found == names.end() ? std::stoi(tag) : static_cast<int>(found - names.begin())));
    }
    const ImageU8 mask = ReadMask(dir_ / "out" / (id + ".png"));
    for (const uint8_t value : mask.values()) ASSERT_THAT(labels, Contains(value)) << id;
  }
}

TEST_F(CrfTest, PredictNeedsTagsForTags) {
  const Arguments tags = {"--crf", "--crf-labels", "tags"};
  ExpectRefused({"predict", "--checkpoint", ScenesWorld::Get().segmentation(), "--images",
                 "s/JPEGImages", "--out", "out", "--crf", "--crf-labels", "tags"},
                "--crf-labels tags goes by the tags of --list, which is missing");
  Write("bare.txt", TrainIds()[0] + "\n");
  ExpectRefused(Predict("bare.txt") + tags, "bare.txt: no image has a tag");
  ExpectRefused(Predict() + Arguments{"--crf", "--crf-bilateral-sigma-rgb", "0"},
                "--crf-bilateral-sigma-rgb: 0 is out of range");
  const ProgramResult unused = Run(Predict() + Arguments{"--crf-iterations", "3"});
  EXPECT_EQ(unused.status, 0);
  EXPECT_THAT(unused.err, HasSubstr("options of the CRF have no effect without --crf"));
}

class CrfOfRunTest : public CrfTest {
 protected:
  static std::string Config(const std::string& more = "") {
    return "[run]\nrecipe = 'paper'\nout = 'out'\nimages = 's/JPEGImages'\nsaliency = "
           "'s/Saliency'\n"
           "train = 's/train.txt'\nval = 's/val.txt'\nclasses = 's/classes.txt'\n"
           "[train-cls]\narch = 'resnet18'\nwidth = 0.125\ninput-size = 64\nepochs = 1\n"
           "[label]\nmin-foreground = 0\n[refine]\nmin-foreground = 0\n"
           "[train-seg]\narch = 'deeplab-resnet18'\nwidth = 0.125\nmsc = false\naccumulate = 1\n"
           "crop = 65\niterations = 3\n" +
           more;
  }
  ProgramResult RunConfig(const std::string& text, const Arguments& more = {}) {
    Write("c.toml", text);
    return Run(Arguments{"run", "--config", "c.toml"} + more);
  }
  nlohmann::json Settings(const std::string& stage) const {
    return nlohmann::json::parse(
        ReadBytes(dir_ / "out" / stage / "stage.json"))["recipe"]["options"];
  }
};

TEST_F(CrfOfRunTest, IsOnAndItsSettingsAreTheStages) {
  const ProgramResult first = RunConfig(Config());
  ASSERT_EQ(first.status, 0) << first.err;
  for (const std::string stage : {"predict-train", "predict-val"}) {
    EXPECT_EQ(Settings(stage)["crf"], true) << stage;
    EXPECT_EQ(Settings(stage)["crf-iterations"], -1) << stage;
  }
  EXPECT_THAT(RunConfig(Config(), {"--dry-run"}).out, Not(HasSubstr("would be done")));
  // Another setting, and the stages from the first prediction on are done over.
  const ProgramResult changed = RunConfig(Config("[crf]\ncrf-iterations = 3\n"), {"--dry-run"});
  EXPECT_EQ(changed.status, 0) << changed.err;
  EXPECT_THAT(changed.out, HasSubstr("option crf-iterations: -1 -> 3"));
  // [predict] has the last word.
  EXPECT_THAT(RunConfig(Config("[crf]\ncrf-iterations = 3\n[predict]\ncrf-iterations = -1\n"),
                        {"--dry-run"})
                  .out,
              Not(HasSubstr("would be done")));
  // Off, in the file or on the command line; then its settings change nothing.
  for (const auto& [text, flags] :
       {std::pair{Config("[predict]\ncrf = false\n[crf]\ncrf-iterations = 3\n"),
                  Arguments{"--dry-run"}},
        {Config(), Arguments{"--dry-run", "--no-crf"}}}) {
    const ProgramResult off = RunConfig(text, flags);
    EXPECT_EQ(off.status, 0) << off.err;
    EXPECT_THAT(off.out,
                AllOf(HasSubstr("option crf: true -> false"), Not(HasSubstr("crf-iterations"))));
  }
}

TEST_F(CrfOfRunTest, TagsAreForTheTrainingImages) {
  const ProgramResult result =
      RunConfig(Config("[crf]\ncrf-labels = 'tags'\n"), {"--to", "predict-train"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Settings("predict-train")["crf-labels"], "tags");
  const auto described = nlohmann::json::parse(ReadBytes(dir_ / "out/run.json"))["options"];
  EXPECT_EQ(described["crf"]["crf-labels"], "tags");
  EXPECT_EQ(described["predict"]["crf-labels"], "all");
}

TEST_F(CrfOfRunTest, RefusesBeforeTheFirstStage) {
  Write("c.toml", Config("[crf]\ncrf-labels = 'mass:2'\n"));
  ExpectRefused({"run", "--config", "c.toml"}, "--crf-labels: 'mass:2' has no bound");
  Write("c.toml", Config("[crf]\nmarginals = true\n"));
  ExpectRefused({"run", "--config", "c.toml"}, "unknown key 'marginals' in [crf]");
}

}  // namespace
}  // namespace i2crc::testing
