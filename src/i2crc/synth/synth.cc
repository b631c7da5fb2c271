// SPDX-License-Identifier: Apache-2.0
#include "i2crc/synth/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "i2crc/core/atomic_file.h"
#include "i2crc/image/image_file.h"
#include "i2crc/image/palette.h"
#include "i2crc/synth/scene.h"
#include "i2crc/threads/team.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

constexpr int kMinImages = 2;
constexpr int kMaxImages = 100000;
constexpr int kMinSize = 32;
constexpr int kMaxSize = 1024;
constexpr double kMinValShare = 0.01;
constexpr double kMaxValShare = 0.99;

// A folder of the dataset and how its files end.
struct Folder {
  const char* name;
  const char* extension;
};
constexpr Folder kPhotographs{"JPEGImages", ".jpg"};
constexpr Folder kMasks{"SegmentationClass", ".png"};
constexpr Folder kSaliency{"Saliency", ".png"};

std::string IdOf(int64_t index) { return fmt::format("scene_{:05}", index); }

fs::path FileOf(const SynthOptions& options, const Folder& folder, int64_t index) {
  return options.out / folder.name / (IdOf(index) + folder.extension);
}

void CheckRange(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) Fail("--{} {}: must be {} … {}", name, value, low, high);
}

void CheckOptions(const SynthOptions& options) {
  if (options.out.empty()) Fail("--out is missing");
  CheckRange("images", options.images, kMinImages, kMaxImages);
  CheckRange("size", options.size, kMinSize, kMaxSize);
  CheckRange("val-share", options.val_share, kMinValShare, kMaxValShare);
  CheckRange("ground-bias", options.ground_bias, 0, 1);
  CheckRange("saliency-miss", options.saliency_miss, 0, 1);
}

// Whether a dataset of that many scenes has a file of this name in the folder.
bool Belongs(const fs::path& file, const Folder& folder, int images) {
  const std::string stem = file.stem().string();
  const std::string digits = stem.substr(std::min(stem.find('_') + 1, stem.size()));
  if (digits.empty() || digits.size() > 6 ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return false;
  const int64_t index = std::stoll(digits);
  return index < images && file.filename() == IdOf(index) + folder.extension;
}

// A folder with strangers in it would be read as one dataset with ours by everything that goes over
// whole folders.
void CheckFolder(const SynthOptions& options, const Folder& folder) {
  const fs::path path = options.out / folder.name;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status))
    Fail("{}: is there and is no folder; choose another --out", path.string());
  CheckWritable(path, path.string());
  fs::directory_iterator entries(path, error);
  if (error) Fail("{}: {}", path.string(), error.message());
  for (const fs::directory_entry& entry : entries) {
    // Files that a killed run left half written are hidden, and nothing reads them.
    if (entry.path().filename().native().front() == '.') continue;
    if (!Belongs(entry.path(), folder, options.images))
      Fail("{}: belongs to another dataset; choose another --out or remove it",
           entry.path().string());
  }
}

struct SceneFacts {
  std::vector<int> tags;
  double object_share = 0;
};

SceneFacts WriteScene(const SynthOptions& options, const SceneStyle& style, int64_t index) {
  const Scene scene = DrawScene(style, options.seed, index);
  WriteJpeg(FileOf(options, kPhotographs, index), scene.rgb);
  WriteMaskPng(FileOf(options, kMasks, index), scene.mask, VocPalette());
  WriteGreyPng(FileOf(options, kSaliency, index), scene.saliency);
  const std::vector<uint8_t>& labels = scene.mask.values();
  const auto background = std::count(labels.begin(), labels.end(), uint8_t{0});
  return {scene.tags, 1.0 - static_cast<double>(background) / static_cast<double>(labels.size())};
}

std::string ListOf(const std::vector<SceneFacts>& facts, int64_t first, int64_t end) {
  std::string text;
  for (int64_t i = first; i < end; ++i)
    text += fmt::format("{} {}\n", IdOf(i), fmt::join(facts[static_cast<size_t>(i)].tags, " "));
  return text;
}

SynthResult Summarise(const std::vector<SceneFacts>& facts, int64_t train) {
  SynthResult result;
  result.train = train;
  result.val = static_cast<int64_t>(facts.size()) - train;
  result.class_scenes.assign(SceneClassNames().size(), 0);
  for (const SceneFacts& scene : facts) {
    result.one_tag += scene.tags.size() == 1;
    for (const int tag : scene.tags) ++result.class_scenes[static_cast<size_t>(tag)];
    result.object_share += scene.object_share / static_cast<double>(facts.size());
  }
  return result;
}

SynthResult WriteSynth(const SynthOptions& options, int threads, Context& context) {
  for (const Folder& folder : {kPhotographs, kMasks, kSaliency})
    MakeFolder(options.out / folder.name);
  const SceneStyle style{options.size, options.ground_bias, options.saliency_miss};
  std::vector<SceneFacts> facts(static_cast<size_t>(options.images));
  const auto progress = context.StartProgress("synth", options.images, "scenes");
  const int wanted = std::min(threads, options.images);
  Team team(wanted);
  context.WarnOfFewThreads(team.threads(), wanted);
  team.ForEach(options.images, [&](int64_t i) {
    context.CheckInterrupted();
    facts[static_cast<size_t>(i)] = WithMemoryFor(FileOf(options, kPhotographs, i).native(),
                                                  [&] { return WriteScene(options, style, i); });
    progress->Advance();
  });

  // Each list has a scene at least.
  const auto val =
      std::clamp<int64_t>(std::llround(options.val_share * options.images), 1, options.images - 1);
  const int64_t train = options.images - val;
  WriteFileAtomically(options.out / "classes.txt",
                      fmt::format("{}\n", fmt::join(SceneClassNames(), "\n")));
  WriteFileAtomically(options.out / "val.txt", ListOf(facts, train, options.images));
  WriteFileAtomically(options.out / "train.txt", ListOf(facts, 0, train));
  return Summarise(facts, train);
}

}  // namespace

void Describe(SynthOptions& options, OptionSet& set) {
  set.Add("out", &options.out, "Folder of the dataset").Required().Value("DIR").Group("Data");
  set.Add("images", &options.images, "Number of scenes, training and validation together")
      .Range(kMinImages, kMaxImages)
      .Group("Data");
  set.Add("val-share", &options.val_share, "Share of the scenes that goes to val.txt")
      .Range(kMinValShare, kMaxValShare)
      .Group("Data");
  set.Add("size", &options.size, "Pixels along a side of a scene")
      .Range(kMinSize, kMaxSize)
      .Group("Scenes");
  set.Add("ground-bias", &options.ground_bias,
          "How often a scene lies on the home ground of one of its classes, 0 never by intent … 1 "
          "always")
      .Range(0, 1)
      .Group("Scenes");
  set.Add("saliency-miss", &options.saliency_miss, "How often the saliency map misses an object")
      .Range(0, 1)
      .Group("Scenes");
  set.Add("seed", &options.seed, "Decides every scene").Group("General");
}

Work<SynthResult> PrepareSynth(const SynthOptions& options, int threads) {
  ENSURE(threads >= 1, "{} threads", threads);
  CheckOptions(options);
  CheckWritable(options.out, "--out " + options.out.string());
  for (const Folder& folder : {kPhotographs, kMasks, kSaliency}) CheckFolder(options, folder);
  return {options.out,
          [options, threads](Context& context) { return WriteSynth(options, threads, context); }};
}

}  // namespace i2crc
