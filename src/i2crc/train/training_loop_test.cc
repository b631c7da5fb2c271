// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/training_loop.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <new>
#include <set>
#include <sstream>

#include "i2crc/core/random.h"
#include "i2crc/losses/segmentation_loss.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/threads/few_threads.h"
#include "i2crc/weights/tensor_file.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

constexpr int kSide = 24;
constexpr int kLabels = 3;

// Learns random masks of random images with a small LargeFOV, which has dropout.
class RandomTask : public TrainingTask {
 public:
  explicit RandomTask(int64_t stop_at = -1, int64_t nan_at = -1)
      : stop_at_(stop_at), nan_at_(nan_at) {}
  int64_t steps() const override { return 7; }
  int accumulate() const override { return 2; }
  std::pair<int64_t, int64_t> SamplesOfBatch(int64_t batch) const override {
    return {batch * 2, batch * 2 + 2};
  }
  Sample MakeSample(int64_t sample) const override {
    Random random({9, static_cast<uint64_t>(sample)});
    Sample made{ImageF32(kSide, kSide, 3), ImageU8(kSide, kSide, 1), {}};
    for (float& v : made.image.values()) v = static_cast<float>(random.Normal());
    for (uint8_t& v : made.map.values()) v = static_cast<uint8_t>(random.Below(kLabels));
    return made;
  }
  int64_t Epoch(int64_t) const override { return 0; }
  double Rate(int64_t step) const override { return 0.05 / static_cast<double>(step + 1); }
  LossReport Backward(Network& network, const at::Tensor& images, const std::vector<Sample>& batch,
                      double share) const override {
    const at::Tensor logits = network.Forward(images);
    const at::Tensor plain = logits.detach().contiguous();
    std::vector<uint8_t> labels;
    for (size_t n = 0; n < batch.size(); ++n)
      for (int64_t i = 0; i < logits.size(2) * logits.size(3); ++i)
        labels.push_back(batch[n].map.values()[static_cast<size_t>(i)]);
    at::Tensor gradient = torch::empty_like(plain);
    const double loss =
        CrossEntropy({plain.data_ptr<float>(), static_cast<size_t>(plain.numel())}, labels,
                     static_cast<int>(batch.size()), kLabels, static_cast<int>(logits.size(2)),
                     static_cast<int>(logits.size(3)), share,
                     {gradient.data_ptr<float>(), static_cast<size_t>(gradient.numel())});
    logits.backward(gradient);
    if (calls_ == stop_at_) Context::RequestInterrupt();
    const bool is_nan = calls_ == nan_at_;
    ++calls_;
    return {is_nan ? std::numeric_limits<double>::quiet_NaN() : loss, {{"part", loss / 2}}};
  }

 private:
  int64_t stop_at_, nan_at_;
  mutable int64_t calls_ = 0;
};

// Needs more memory than there is, of libtorch or of ours.
class EndlessTask : public RandomTask {
 public:
  explicit EndlessTask(bool in_libtorch) : in_libtorch_(in_libtorch) {}
  LossReport Backward(Network&, const at::Tensor&, const std::vector<Sample>&,
                      double) const override {
    if (!in_libtorch_) throw std::bad_alloc();
    torch::empty({int64_t{1} << 50});
    return {};
  }

 private:
  bool in_libtorch_;
};

// Some of whose steps, counted from 0, are not finite: because of their images, which batch norm
// sees, or in a gradient alone.
class FaultyTask : public RandomTask {
 public:
  explicit FaultyTask(std::set<int64_t> bad_images, std::set<int64_t> bad_gradients = {},
                      int64_t stop_at = -1)
      : RandomTask(stop_at),
        bad_images_(std::move(bad_images)),
        bad_gradients_(std::move(bad_gradients)) {}
  Sample MakeSample(int64_t sample) const override {
    Sample made = RandomTask::MakeSample(sample);
    made.tags = {static_cast<int>(sample)};
    if (bad_images_.contains(StepOf(made)))
      made.image.values()[0] = std::numeric_limits<float>::quiet_NaN();
    return made;
  }
  LossReport Backward(Network& network, const at::Tensor& images, const std::vector<Sample>& batch,
                      double share) const override {
    const LossReport report = RandomTask::Backward(network, images, batch, share);
    if (bad_gradients_.contains(StepOf(batch.front())))
      network.Parameters().back().value.mutable_grad().fill_(
          std::numeric_limits<float>::infinity());
    return report;
  }

 private:
  int64_t StepOf(const Sample& sample) const { return sample.tags[0] / (2 * accumulate()); }

  std::set<int64_t> bad_images_, bad_gradients_;
};

class TrainingLoop : public ::testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  void TearDown() override { Context::ClearInterrupt(); }

  void Train(const std::filesystem::path& out, const TrainingTask& task, int loader_threads,
             int64_t checkpoint_every = 3, const std::string& identity = "a", double average = 0) {
    CheckpointInfo info;
    info.spec = {.arch = arch_, .outputs = kLabels, .width = 0.0625};
    info.classes = ClassNames({"cat", "dog"});
    auto network = MakeNetwork(info.spec, 5);
    network->Train();
    Sgd sgd(network->Parameters(), {}, [](const NamedParameter&) { return 1.0; });
    TrainingLoopOptions options;
    options.title = "test";
    options.out = out;
    options.loader_threads = loader_threads;
    options.checkpoint_every = checkpoint_every;
    options.identity = {{"identity", identity}};
    options.average = average;
    options.max_bad_steps = max_bad_steps_;
    std::filesystem::create_directories(out);
    Context context;
    RunTraining(*network, sgd, task, info, options, context);
  }

  // The metrics without their times.
  static std::string Metrics(const std::filesystem::path& out) {
    std::string text;
    std::istringstream lines(testing::ReadBytes(out / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      auto json = nlohmann::ordered_json::parse(line);
      json.erase("seconds");
      text += json.dump() + "\n";
    }
    return text;
  }

  static void ExpectSame(const std::filesystem::path& a, const std::filesystem::path& b) {
    for (const char* name : {"checkpoint.safetensors", "training-state.safetensors"})
      EXPECT_TRUE(testing::ReadBytes(a / name) == testing::ReadBytes(b / name)) << name;
    EXPECT_EQ(Metrics(a), Metrics(b));
  }

  // The state after so many steps.
  TensorMap StateAfter(int64_t steps, const std::set<int64_t>& bad_images,
                       const std::set<int64_t>& bad_gradients) {
    const auto out = dir_ / fmt::format("state-{}", ++states_);
    EXPECT_THROW(Train(out, FaultyTask(bad_images, bad_gradients, 2 * steps - 1), 0), Interrupted);
    Context::ClearInterrupt();
    return ReadTensorFile(out / "training-state.safetensors");
  }
  // "trained", or why not.
  std::string Outcome(const std::string& out, const TrainingTask& task) {
    try {
      Train(dir_ / out, task, 2);
      return "trained";
    } catch (const Error& error) {
      return error.what();
    }
  }

  testing::TempDir dir_;
  std::string arch_ = "largefov-vgg16";
  int64_t max_bad_steps_ = 0;
  int states_ = 0;
};

TEST_F(TrainingLoop, LoaderThreadsChangeNothing) {
  Train(dir_ / "0", RandomTask(), 0);
  for (int threads : {1, 2, 4}) {
    Train(dir_ / std::to_string(threads), RandomTask(), threads);
    ExpectSame(dir_ / "0", dir_ / std::to_string(threads));
  }
}

TEST_F(TrainingLoop, AnInterruptedRunGoesOnToTheSameBytes) {
  Train(dir_ / "whole", RandomTask(), 2);
  for (int64_t stop_at : {0, 1, 5, 8, 13}) {
    const auto out = dir_ / ("cut" + std::to_string(stop_at));
    if (stop_at < 13) {
      EXPECT_THROW(Train(out, RandomTask(stop_at), 2), Interrupted);
      EXPECT_FALSE(std::filesystem::exists(out / "checkpoint.safetensors"));
    } else {
      Train(out, RandomTask(stop_at), 2);  // the last step was under way: nothing is left to do
    }
    Context::ClearInterrupt();
    Train(out, RandomTask(), 2);
    ExpectSame(dir_ / "whole", out);
  }
}

TEST_F(TrainingLoop, AKilledRunGoesOnFromItsLastStateToTheSameBytes) {
  Train(dir_ / "whole", RandomTask(), 2);
  // What a kill after step 5 leaves: the state of step 3, metrics up to 5 and half a line.
  EXPECT_THROW(Train(dir_ / "cut", RandomTask(5), 2), Interrupted);
  Context::ClearInterrupt();
  testing::WriteBytes(dir_ / "cut/metrics.jsonl",
                      testing::ReadBytes(dir_ / "whole/metrics.jsonl").substr(0, 700));
  Train(dir_ / "cut", RandomTask(), 2);
  ExpectSame(dir_ / "whole", dir_ / "cut");
}

TEST_F(TrainingLoop, TheAverageOfTheWeightsIsTheResultAndGoesOnToTheSameBytes) {
  constexpr double kDecay = 0.5;
  Train(dir_ / "last", RandomTask(), 0);
  Train(dir_ / "whole", RandomTask(), 0, 3, "a", kDecay);
  EXPECT_THROW(Train(dir_ / "cut", RandomTask(5), 0, 3, "a", kDecay), Interrupted);
  Context::ClearInterrupt();
  Train(dir_ / "cut", RandomTask(), 0, 3, "a", kDecay);
  ExpectSame(dir_ / "whole", dir_ / "cut");

  // The average by hand, from the weights after each step.
  std::vector<float> expected;
  for (int64_t step = 0; step <= RandomTask().steps(); ++step) {
    const auto out = dir_ / fmt::format("to-{}", step);
    std::vector<float> weights;
    if (step == 0) {
      auto start = MakeNetwork({.arch = "largefov-vgg16", .outputs = kLabels, .width = 0.0625}, 5);
      weights = SaveState(*start).Find("features.0.weight")->ToF32();
    } else {
      // The batch before which the state is asked for, two batches a step.
      if (step < RandomTask().steps()) {
        EXPECT_THROW(Train(out, RandomTask(2 * step - 1), 0), Interrupted);
        Context::ClearInterrupt();
      } else {
        Train(out, RandomTask(), 0);
      }
      weights = ReadTensorFile(out / "training-state.safetensors")
                    .Find("network/features.0.weight")
                    ->ToF32();
    }
    if (step == 0) expected = weights;
    const double decay = std::min(kDecay, static_cast<double>(step) / (9.0 + step));
    for (size_t i = 0; i < expected.size() && step > 0; ++i)
      expected[i] = static_cast<float>(decay * expected[i] + (1 - decay) * weights[i]);
  }
  const std::vector<float> averaged =
      ReadTensorFile(dir_ / "whole/checkpoint.safetensors").Find("features.0.weight")->ToF32();
  ASSERT_EQ(averaged.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(averaged[i], expected[i], 1e-6);
  EXPECT_NE(
      averaged,
      ReadTensorFile(dir_ / "last/checkpoint.safetensors").Find("features.0.weight")->ToF32());
}

TEST_F(TrainingLoop, ALossThatIsNotFiniteStopsAndNamesTheStep) {
  try {
    Train(dir_ / "out", RandomTask(-1, 4), 1);
    FAIL() << "went on";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("at step 3"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(dir_ / "out/checkpoint.safetensors"));
}

TEST_F(TrainingLoop, ALackOfMemoryNamesTheTraining) {
  for (const bool in_libtorch : {false, true}) {
    try {
      Train(dir_ / "out", EndlessTask(in_libtorch), 1);
      FAIL() << "went on";
    } catch (const OutOfMemory& error) {
      EXPECT_STREQ(error.what(), "test: out of memory; end other programs or use fewer threads");
    }
  }
}

TEST_F(TrainingLoop, WorksWithTheThreadsThatCanBeStarted) {
  Train(dir_ / "few", RandomTask(), 0);
  const testing::FewThreads few(0);
  Train(dir_ / "none", RandomTask(), 8);
  ExpectSame(dir_ / "few", dir_ / "none");
}

TEST_F(TrainingLoop, AStepThatIsNotFiniteStopsBeforeItChangesAnything) {
  EXPECT_EQ(Outcome("loss", FaultyTask({2})),
            "test: the loss is nan at step 3; lower the learning rate (--lr)");
  EXPECT_EQ(Outcome("gradient", FaultyTask({}, {2})),
            "test: the gradient is not finite at step 3; lower the learning rate (--lr)");
}

TEST_F(TrainingLoop, AStepThatIsPassedOverChangesNothing) {
  max_bad_steps_ = 1;
  arch_ = "deeplab-resnet18";  // for batch norm's statistics
  const std::set<int64_t> none, third = {2};
  for (const auto& [images, gradients] : {std::pair{third, none}, {none, third}}) {
    const TensorMap before = StateAfter(2, images, gradients);
    const TensorMap after = StateAfter(3, images, gradients);
    EXPECT_EQ(before.metadata.at("i2crc.step"), "2");
    EXPECT_EQ(after.metadata.at("i2crc.step"), "3");
    ASSERT_EQ(before.size(), after.size());
    for (const auto& [name, tensor] : before.items())
      EXPECT_TRUE(tensor.bytes == after.Find(name)->bytes) << name;
    // The next one counts again.
    const TensorMap next = StateAfter(4, images, gradients);
    size_t changed = 0;
    for (const auto& [name, tensor] : after.items())
      if (tensor.bytes != next.Find(name)->bytes) ++changed;
    EXPECT_GT(changed, after.size() / 2);
  }
}

TEST_F(TrainingLoop, StepsPassedOverAreCountedAndTooManyInARowStop) {
  max_bad_steps_ = 2;
  EXPECT_EQ(Outcome("apart", FaultyTask({1, 5}, {2})), "trained");
  std::istringstream lines(testing::ReadBytes(dir_ / "apart/metrics.jsonl"));
  std::string counted;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::ordered_json::parse(line);
    counted += fmt::format("{}{} ", json["step"].dump(),
                           json.contains("bad_steps") ? ":" + json["bad_steps"].dump() : "");
    EXPECT_EQ(json["loss"].is_null(), json["step"] == 2 || json["step"] == 6) << line;
  }
  EXPECT_EQ(counted, "1 2:1 3:2 4 5 6:3 7 ");
  EXPECT_EQ(Outcome("row", FaultyTask({1, 2}, {3})),
            "test: the gradient is not finite at step 4; lower the learning rate (--lr)");
}

TEST_F(TrainingLoop, StepsPassedOverAreCountedOnWhereATrainingGoesOn) {
  max_bad_steps_ = 3;
  Train(dir_ / "whole", FaultyTask({2, 3, 4}), 2);
  for (const int64_t steps : {3, 4, 5}) {
    const std::string out = fmt::format("cut{}", steps);
    EXPECT_THROW(Train(dir_ / out, FaultyTask({2, 3, 4}, {}, 2 * steps - 1), 2), Interrupted);
    Context::ClearInterrupt();
    std::filesystem::copy(dir_ / out, dir_ / (out + "-strict"));
    max_bad_steps_ = 2;
    EXPECT_EQ(
        Outcome(out + "-strict", FaultyTask({2, 3, 4})),
        steps < 5 ? "test: the loss is nan at step 5; lower the learning rate (--lr)" : "trained");
    max_bad_steps_ = 3;
    EXPECT_EQ(Outcome(out, FaultyTask({2, 3, 4})), "trained");
    ExpectSame(dir_ / "whole", dir_ / out);
  }
}

TEST_F(TrainingLoop, ATrainingWithOtherSettingsIsRefused) {
  Train(dir_ / "out", RandomTask(), 1, 3, "a");
  try {
    Train(dir_ / "out", RandomTask(), 1, 3, "b");
    FAIL() << "went on with other settings";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("identity is \"a\" there, \"b\" here"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace i2crc
