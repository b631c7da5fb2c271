// SPDX-License-Identifier: Apache-2.0
#include "i2crc/run/rehearsal.h"

#include <spdlog/sinks/null_sink.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <list>
#include <mutex>
#include <vector>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/data/image_list.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/palette.h"
#include "i2crc/run/run_step.h"
#include "i2crc/run/stage_names.h"
#include "i2crc/train/training_loop.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kImages = 8;
constexpr int kSteps = 3;

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "i2crc-rehearsal-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) Fail("{}: cannot be made", name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// When each step or image of a stage was done.
class Timeline {
 public:
  // A context for the stage: it reports here, and to nobody else.
  Context MakeContext() {
    auto log =
        std::make_shared<spdlog::logger>("i2crc", std::make_shared<spdlog::sinks::null_sink_mt>());
    return {std::move(log), [this](const std::string&, int64_t, const std::string&) {
              return std::make_unique<Ticks>(*this);
            }};
  }
  const std::vector<Clock::time_point>& ticks() const { return ticks_; }

 private:
  class Ticks : public Progress {
   public:
    explicit Ticks(Timeline& timeline) : timeline_(timeline) {}
    void Advance(int64_t steps) override {
      const std::lock_guard lock(timeline_.mutex_);
      if (steps > 0) timeline_.ticks_.push_back(Clock::now());
    }
    void Note(const std::string&) override {}

   private:
    Timeline& timeline_;
  };

  std::mutex mutex_;
  std::vector<Clock::time_point> ticks_;
};

// A few images of the list, from all over it, whose photographs are there.
std::vector<ListedImage> Some(const std::vector<ListedImage>& images, const fs::path& folder) {
  std::vector<ListedImage> some;
  const size_t step = std::max<size_t>(1, images.size() / kImages);
  for (size_t i = 0; i < images.size() && some.size() < kImages; i += step) {
    try {
      FindPhotograph(folder, images[i].id);
    } catch (const Error&) {
      continue;
    }
    some.push_back(images[i]);
  }
  return some;
}

fs::path WriteList(const std::vector<ListedImage>& images, const fs::path& path) {
  std::string text;
  for (const ListedImage& image : images) {
    const bool needs_quotes = image.id.find_first_of(" \t#") != std::string::npos;
    text += needs_quotes ? '"' + image.id + '"' : image.id;
    for (const int tag : image.tags) text += fmt::format(" {}", tag);
    text += '\n';
  }
  WriteFileAtomically(path, text);
  return path;
}

// The run on a small scale.
RunConfiguration Shrunk(const RunConfiguration& configuration, const fs::path& folder) {
  RunConfiguration c = configuration;
  const auto classes = ClassNames::ReadOrVoc(c.run.classes);
  c.run.out = folder / "run";
  c.run.from.clear();
  c.run.to.clear();
  c.run.truth.clear();
  c.run.train =
      WriteList(Some(ReadImageList(c.run.train, classes), c.run.images), folder / "train.txt");
  if (!c.run.val.empty())
    c.run.val = WriteList(Some(ReadImageIds(c.run.val), c.run.images), folder / "val.txt");
  const int steps_of_epoch =
      (static_cast<int>(kImages) + c.train_cls.batch - 1) / c.train_cls.batch;
  c.train_cls.epochs = std::max(2, (kSteps + steps_of_epoch - 1) / steps_of_epoch);
  for (TrainSegOptions* seg : {&c.train_seg_1, &c.train_seg_1b, &c.train_seg_2})
    seg->iterations = kSteps;
  JoinStages(c);
  return c;
}

// Labels after so few steps may be ignored as a whole, and then there is nothing to train on.
void MakeLabels(const RunConfiguration& c, const fs::path& folder) {
  const auto classes = ClassNames::ReadOrVoc(c.run.classes);
  for (const ListedImage& image : ReadImageList(c.run.train, classes)) {
    const ImageHeader header = ReadImageHeader(FindPhotograph(c.run.images, image.id));
    ImageU8 mask(header.height, header.width, 1, 0);
    const int label = image.tags.empty() ? 0 : image.tags.front() + 1;
    std::fill_n(mask.data(), mask.size() / 2, static_cast<uint8_t>(label));
    const fs::path path = folder / (image.id + ".png");
    MakeFolder(path.parent_path());
    WriteMaskPng(path, mask, VocPalette());
  }
}

void MeasureFiles(const fs::path& folder, const std::vector<ListedImage>& images, StageCost& cost) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().lexically_relative(folder).string();
    const bool is_of_image =
        std::any_of(images.begin(), images.end(),
                    [&](const ListedImage& image) { return name.starts_with(image.id); });
    (is_of_image ? cost.bytes_each : cost.bytes_once) += static_cast<double>(entry.file_size());
  }
  cost.bytes_each /= static_cast<double>(images.size());
}

StageCost Measure(const Stage& stage) {
  Timeline timeline;
  Context context = timeline.MakeContext();
  const auto begin = Clock::now();
  stage.work(context);
  const auto end = Clock::now();
  StageCost cost;
  const auto& ticks = timeline.ticks();
  if (ticks.size() > 1) {
    // Writing and the CRF go on after the last image was predicted; the end of a training, and the
    // fit of train-tags to its features, is once.
    const StageId id = *FindStage(stage.name);
    const bool ends_once = FactsOf(id).is_training || id == StageId::kTrainTags;
    const auto until = ends_once ? ticks.back() : end;
    cost.seconds_each = Seconds(until - ticks.front()) / static_cast<double>(ticks.size() - 1);
  }
  cost.seconds_once =
      std::max(0.0, Seconds(end - begin) - cost.seconds_each * static_cast<double>(ticks.size()));
  return cost;
}

int64_t ImagesOf(StageId stage, const RunConfiguration& c) {
  return static_cast<int64_t>(
      ReadImageIds(FactsOf(stage).is_of_val ? c.run.val : c.run.train).size());
}

// Steps of a training, images elsewhere.
int64_t UnitsOf(StageId stage, const RunConfiguration& c) {
  const int64_t images = ImagesOf(stage, c);
  switch (stage) {
    case StageId::kTrainCls:
      return (images + c.train_cls.batch - 1) / c.train_cls.batch * c.train_cls.epochs;
    case StageId::kTrainSeg1:
    case StageId::kTrainSeg1a:
      return c.train_seg_1.iterations;
    case StageId::kTrainSeg1b:
      return c.train_seg_1b.iterations;
    case StageId::kTrainSeg2:
      return c.train_seg_2.iterations;
    case StageId::kObjects:
      return 2 * images;  // each once to learn from, at most, and once to make its map
    default:
      return images;
  }
}

double SecondsOfAll(const RunConfiguration& c, const StageCosts& costs) {
  double seconds = 0;
  for (const Stage& stage : MakeStages(c)) seconds += SecondsOf(stage.name, c, costs);
  return seconds;
}

}  // namespace

StageCosts Rehearse(const RunConfiguration& configuration, Context& context) {
  const TemporaryFolder folder;
  const RunConfiguration c = Shrunk(configuration, folder.path());
  const std::vector<Stage> stages = MakeStages(c);
  const auto progress =
      context.StartProgress("measuring", static_cast<int64_t>(stages.size()), "stages");
  StageCosts costs;
  for (const Stage& stage : stages) {
    context.CheckInterrupted();
    const StageId id = *FindStage(stage.name);
    if (id == StageId::kTrainSeg2) MakeLabels(c, c.train_seg_2.labels);
    if (FactsOf(id).is_training && id != StageId::kTrainCls && id != StageId::kTrainSeg2)
      MakeLabels(c, c.label.out);
    StageCost cost = Measure(stage);
    MeasureFiles(stage.out, ReadImageIds(FactsOf(id).is_of_val ? c.run.val : c.run.train), cost);
    costs[stage.name] = cost;
    fs::remove(stage.out / kTrainingState);
    progress->Advance();
  }
  return costs;
}

double SecondsOf(const std::string& stage, const RunConfiguration& c, const StageCosts& costs) {
  const auto found = costs.find(stage);
  if (found == costs.end()) return 0;
  const StageCost& cost = found->second;
  return cost.seconds_once + cost.seconds_each * static_cast<double>(UnitsOf(*FindStage(stage), c));
}

double BytesOf(const std::string& stage, const RunConfiguration& c, const StageCosts& costs) {
  const auto found = costs.find(stage);
  if (found == costs.end()) return 0;
  const StageCost& cost = found->second;
  return cost.bytes_once + cost.bytes_each * static_cast<double>(ImagesOf(*FindStage(stage), c));
}

double EffortFor(double minutes, const std::function<double(double effort)>& minutes_with) {
  // With a tenth of the steps networks have hardly begun to learn.
  constexpr int kLeast = 10, kAll = 100;
  const auto fits = [&](int hundredths) { return minutes_with(hundredths / 100.0) <= minutes; };
  if (fits(kAll)) return 1;
  if (!fits(kLeast))
    Fail("--minutes {}: with the least training that is worth its time it takes {:.0f}", minutes,
         std::ceil(minutes_with(kLeast / 100.0)));
  int fitting = kLeast, too_much = kAll;
  while (too_much - fitting > 1) {
    const int middle = (fitting + too_much) / 2;
    (fits(middle) ? fitting : too_much) = middle;
  }
  return fitting / 100.0;
}

RunConfiguration FitIntoMinutes(const RunConfiguration& configuration, const TomlFile& file,
                                Context& context) {
  const double minutes = configuration.facts.minutes;
  if (minutes == 0 || configuration.effort_is_fitted) return configuration;
  const StageCosts costs = Rehearse(configuration, context);
  // A run of 48 minutes was said to take 40: the first steps of a training are its fastest.
  constexpr double kMargin = 1.2;
  const auto minutes_with = [&](double effort) {
    return kMargin * SecondsOfAll(WithEffort(file, configuration.run, effort), costs) / 60;
  };
  const double effort = EffortFor(minutes, minutes_with);
  context.log().info("--minutes {}: {:.0f} % of the recipe's training, about {:.0f} minutes",
                     minutes, 100 * effort, minutes_with(effort));
  return WithEffort(file, configuration.run, effort);
}

}  // namespace i2crc
