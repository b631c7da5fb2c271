// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/training_loop.h"

#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/random.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/threads/pipeline.h"
#include "i2crc/train/metrics_log.h"
#include "i2crc/train/weight_average.h"
#include "i2crc/weights/tensor_checksum.h"
#include "i2crc/weights/tensor_file.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr const char* kStepKey = "i2crc.step";
constexpr const char* kIdentityKey = "i2crc.training";
constexpr const char* kBadStepsKey = "i2crc.bad-steps";
constexpr const char* kBadInARowKey = "i2crc.bad-steps-in-a-row";
constexpr const char* kNetworkPrefix = "network/";
constexpr const char* kMomentumPrefix = "momentum/";
constexpr const char* kAveragePrefix = "average/";
constexpr uint64_t kDropoutStream = 0x64726f70;  // "drop"

fs::path StatePath(const fs::path& out) { return out / kTrainingState; }
fs::path CheckpointPath(const fs::path& out) { return out / "checkpoint.safetensors"; }

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

void RefuseOther(const fs::path& path, const TensorMap& state, const Json& identity) {
  const auto found = state.metadata.find(kIdentityKey);
  if (found == state.metadata.end()) Fail("{}: no training state of this program", path.string());
  const Json theirs = Json::parse(found->second, nullptr, false);
  if (theirs == identity) return;
  std::string difference;
  for (const auto& [key, value] : identity.items())
    if (!theirs.is_object() || !theirs.contains(key) || theirs[key] != value) {
      difference =
          fmt::format(" ({} is {} there, {} here)", key,
                      theirs.is_object() && theirs.contains(key) ? theirs[key].dump() : "not set",
                      value.dump());
      break;
    }
  Fail("{}: a training with other settings{}; choose another --out or remove it", path.string(),
       difference);
}

void AddAll(TensorMap& state, const std::string& prefix, TensorMap part) {
  for (auto& [name, tensor] : part.items()) state.Add(prefix + name, std::move(tensor));
}

// How far a training is.
struct Position {
  int64_t step = 0;
  int64_t bad_steps = 0;  // passed over, because they were not finite
  int64_t bad_in_a_row = 0;
};

// What a training is made of besides.
struct TrainedParts {
  Network& network;
  Sgd& sgd;
  std::optional<WeightAverage>& average;
};

void SaveTrainingState(const TrainingLoopOptions& options, const TrainedParts& parts,
                       const Position& at) {
  TensorMap state;
  AddAll(state, kNetworkPrefix, SaveState(parts.network));
  AddAll(state, kMomentumPrefix, parts.sgd.State());
  if (parts.average) AddAll(state, kAveragePrefix, parts.average->State());
  state.metadata[kStepKey] = std::to_string(at.step);
  // Where there are none, as in states of before they were counted.
  if (at.bad_steps > 0) state.metadata[kBadStepsKey] = std::to_string(at.bad_steps);
  if (at.bad_in_a_row > 0) state.metadata[kBadInARowKey] = std::to_string(at.bad_in_a_row);
  state.metadata[kIdentityKey] = options.identity.dump();
  AddChecksum(state);
  WriteSafetensors(StatePath(options.out), state);
}

TensorMap ReadTrainingState(const fs::path& path) {
  return ReadCheckedTensorFile(path, "remove it to train from the start");
}

Position PositionOf(const TensorMap& state, const fs::path& path) {
  const auto number = [&](const char* key) -> int64_t {
    return state.metadata.contains(key) ? std::stoll(state.metadata.at(key)) : 0;
  };
  try {
    return {std::stoll(state.metadata.at(kStepKey)), number(kBadStepsKey), number(kBadInARowKey)};
  } catch (const std::logic_error&) {
    Fail("{}: its step is damaged", path.string());
  }
}

// Where to go on from: the start where there is nothing yet.
Position LoadTrainingState(const TrainingLoopOptions& options, const TrainedParts& parts) {
  const fs::path path = StatePath(options.out);
  if (!fs::exists(path)) return {};
  const TensorMap state = ReadTrainingState(path);
  RefuseOther(path, state, options.identity);
  TensorMap weights;
  for (const auto& [name, tensor] : state.items())
    if (name.starts_with(kNetworkPrefix))
      weights.Add(name.substr(std::strlen(kNetworkPrefix)), tensor);
  LoadState(parts.network, weights, path.string());
  parts.sgd.LoadState(state, kMomentumPrefix, path.string());
  if (parts.average) parts.average->LoadState(state, kAveragePrefix, path.string());
  return PositionOf(state, path);
}

bool IsStatistic(const std::string& name) {
  return name.ends_with("running_mean") || name.ends_with("running_var") ||
         name.ends_with("num_batches_tracked");
}

// [N, H, W, 3] images side by side are a channels-last [N, 3, H, W].
at::Tensor Stack(const std::vector<Sample>& batch) {
  const auto count = static_cast<int64_t>(batch.size());
  const ImageF32& first = batch.front().image;
  at::Tensor images = torch::empty({count, first.height(), first.width(), 3}, torch::kFloat);
  float* out = images.data_ptr<float>();
  for (const Sample& sample : batch) {
    ENSURE(sample.image.SameSize(first), "samples of one batch have one size");
    out = std::copy(sample.image.values().begin(), sample.image.values().end(), out);
  }
  return images.permute({0, 3, 1, 2});
}

class Trainer {
 public:
  Trainer(Network& network, Sgd& sgd, const TrainingTask& task, const CheckpointInfo& info,
          const TrainingLoopOptions& options, Context& context)
      : network_(network),
        sgd_(sgd),
        task_(task),
        info_(info),
        options_(options),
        context_(context),
        average_(MakeAverage(network, options.average)),
        at_(LoadTrainingState(options, {network_, sgd_, average_})),
        first_step_(at_.step),
        metrics_(options.out / "metrics.jsonl", first_step_) {}

  TrainingResult Run() {
    TrainingResult result;
    result.steps = task_.steps();
    result.resumed_at = first_step_;
    result.bad_steps = at_.bad_steps;
    if (first_step_ > 0 && first_step_ < task_.steps())
      context_.log().info("{}: going on from step {}", options_.title, first_step_);
    if (first_step_ == task_.steps() && fs::exists(CheckpointPath(options_.out))) return result;
    network_.Train();
    const auto begun = Clock::now();
    const int64_t batches = task_.steps() * task_.accumulate();
    const auto samples_of = [&](int64_t batch) { return task_.SamplesOfBatch(batch); };
    const int64_t first_sample = samples_of(first_step_ * task_.accumulate()).first;
    const int64_t end_sample = batches > 0 ? samples_of(batches - 1).second : 0;
    const int64_t a_batch = samples_of(0).second - samples_of(0).first;
    Prefetcher<Sample> samples(first_sample, std::max(first_sample, end_sample),
                               options_.loader_threads, 4 * a_batch + options_.loader_threads,
                               [&](int64_t i) { return task_.MakeSample(i); });
    context_.WarnOfFewThreads(samples.threads(), options_.loader_threads);
    auto progress = context_.StartProgress(options_.title, task_.steps(), "steps");
    progress->Advance(first_step_);
    double tail_sum = 0;
    int64_t tail = 0;
    const int64_t tail_begin = task_.steps() - std::max<int64_t>(1, task_.steps() / 10);
    for (int64_t step = first_step_; step < task_.steps(); ++step) {
      if (Context::InterruptRequested()) {
        Save();
        throw Interrupted();
      }
      const LossReport report = StepInMemory(step, samples);
      progress->Note(fmt::format("loss {:.4f}", report.total));
      progress->Advance();
      at_.step = step + 1;
      if (step >= tail_begin && at_.bad_in_a_row == 0) tail_sum += report.total, ++tail;
      if (options_.checkpoint_every > 0 && at_.step % options_.checkpoint_every == 0 &&
          at_.step < task_.steps())
        Save();
    }
    RequireFiniteWeights();
    Save();
    if (average_) average_->Apply();
    WriteSafetensors(CheckpointPath(options_.out), MakeCheckpoint(network_, info_));
    result.bad_steps = at_.bad_steps;
    result.seconds = Seconds(Clock::now() - begun);
    result.waited = samples.waited().count();
    result.last_loss = tail_sum / static_cast<double>(tail);  // NaN of nothing
    return result;
  }

 private:
  static std::optional<WeightAverage> MakeAverage(Network& network, double decay) {
    if (decay == 0) return std::nullopt;
    return std::optional<WeightAverage>(std::in_place, network, decay);
  }

  // First the lines: who goes on from the state keeps those up to its step.
  void Save() {
    metrics_.Flush();
    SaveTrainingState(options_, {network_, sgd_, average_}, at_);
  }

  // The last update has no later loss that would show what it did.
  void RequireFiniteWeights() {
    for (const auto& [name, tensor] : network_.State())
      if (!tensor.isfinite().all().item<bool>())
        Fail("{}: {} is not finite after step {}; lower the learning rate (--lr)", options_.title,
             name, task_.steps());
  }

  // libtorch tells of a lack of memory by an error of its own.
  LossReport StepInMemory(int64_t step, Prefetcher<Sample>& samples) {
    try {
      return WithMemoryFor(options_.title, [&] { return Step(step, samples); });
    } catch (const c10::Error& error) {
      if (error.msg().find("allocate memory") == std::string::npos) throw;
      throw OutOfMemory(options_.title);
    }
  }

  LossReport Step(int64_t step, Prefetcher<Sample>& samples) {
    const auto begun = Clock::now();
    sgd_.ZeroGradients();
    const std::vector<at::Tensor> statistics = CopyOfStatistics();
    LossReport sum;
    for (int64_t a = 0; a < task_.accumulate(); ++a) {
      const int64_t index = step * task_.accumulate() + a;
      const auto [first, end] = task_.SamplesOfBatch(index);
      std::vector<Sample> batch;
      for (int64_t i = first; i < end; ++i) batch.push_back(samples.Next());
      network_.SeedDropout(
          Random({options_.seed, kDropoutStream, static_cast<uint64_t>(index)}).Next());
      const at::Tensor images = Stack(batch).to(options_.device);
      Add(sum, task_.Backward(network_, images, batch, 1.0 / task_.accumulate()));
    }
    const double rate = task_.Rate(step);
    if (const std::string fault = FaultOf(sum); !fault.empty()) {
      PassOver(step, fault, statistics);
    } else {
      at_.bad_in_a_row = 0;
      sgd_.Step(rate);
      if (average_) average_->Update(step);
    }
    WriteMetrics(step, sum, rate, Seconds(Clock::now() - begun));
    return sum;
  }

  // What is not finite, or "".
  std::string FaultOf(const LossReport& report) const {
    // Without the sign that a NaN may have.
    if (!std::isfinite(report.total)) return fmt::format("the loss is {}", std::abs(report.total));
    return sgd_.GradientsAreFinite() ? "" : "the gradient is not finite";
  }

  // Batch norm's, which a forward pass moves; only where a step may be passed over.
  std::vector<at::Tensor> CopyOfStatistics() {
    std::vector<at::Tensor> copies;
    if (options_.max_bad_steps == 0) return copies;
    for (const auto& [name, tensor] : network_.State())
      if (IsStatistic(name)) copies.push_back(tensor.clone());
    return copies;
  }

  // Leaves everything as it was before the step, whose passes moved the statistics alone.
  void PassOver(int64_t step, const std::string& fault, const std::vector<at::Tensor>& statistics) {
    if (at_.bad_in_a_row >= options_.max_bad_steps)
      Fail("{}: {} at step {}; lower the learning rate (--lr)", options_.title, fault, step + 1);
    ++at_.bad_steps;
    ++at_.bad_in_a_row;
    context_.log().warn("{}: {} at step {}, which is passed over", options_.title, fault, step + 1);
    const torch::NoGradGuard no_grad;
    auto copy = statistics.begin();
    for (auto& [name, tensor] : network_.State())
      if (IsStatistic(name)) tensor.copy_(*copy++);
  }

  // The mean over the accumulated batches.
  void Add(LossReport& sum, const LossReport& batch) const {
    const double share = 1.0 / task_.accumulate();
    sum.total += share * batch.total;
    if (sum.parts.empty())
      for (const auto& [name, value] : batch.parts) sum.parts.emplace_back(name, 0.0);
    for (size_t i = 0; i < batch.parts.size(); ++i)
      sum.parts[i].second += share * batch.parts[i].second;
  }

  void WriteMetrics(int64_t step, const LossReport& report, double rate, double seconds) {
    Json line = {{"step", step + 1}, {"epoch", task_.Epoch(step)}, {"loss", report.total}};
    for (const auto& [name, value] : report.parts) line[name] = value;
    line["rate"] = rate;
    if (at_.bad_in_a_row > 0) line["bad_steps"] = at_.bad_steps;
    line["seconds"] = std::round(seconds * 1e4) / 1e4;
    metrics_.Write(line);
  }

  Network& network_;
  Sgd& sgd_;
  const TrainingTask& task_;
  const CheckpointInfo& info_;
  const TrainingLoopOptions& options_;
  Context& context_;
  std::optional<WeightAverage> average_;
  Position at_;
  int64_t first_step_;
  MetricsLog metrics_;
};

}  // namespace

TrainingResult RunTraining(Network& network, Sgd& sgd, const TrainingTask& task,
                           const CheckpointInfo& info, const TrainingLoopOptions& options,
                           Context& context) {
  return Trainer(network, sgd, task, info, options, context).Run();
}

bool TrainingIsFinished(const fs::path& out, const Json& identity) {
  const fs::path path = StatePath(out);
  if (!fs::exists(path)) return false;
  RefuseOther(path, ReadTrainingState(path), identity);
  const fs::path checkpoint = CheckpointPath(out);
  if (!fs::exists(checkpoint)) return false;
  ReadCheckedTensorFile(checkpoint, "remove it, and the same command writes it again");
  return true;
}

}  // namespace i2crc
