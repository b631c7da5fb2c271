// SPDX-License-Identifier: Apache-2.0
// Times of what the stages do to one image of 500×375, without files: an attention map, an initial
// label, a refinement, an evaluation, the relation losses of a batch, and the resizes in between.
#include <benchmark/benchmark.h>

#include "i2crc/core/random.h"
#include "i2crc/image/resize.h"
#include "i2crc/labels/label_rules.h"
#include "i2crc/losses/relation_losses.h"
#include "i2crc/metrics/confusion.h"
#include "i2crc/synth/scene.h"

namespace {

using namespace i2crc;
constexpr int kHeight = 375, kWidth = 500;

ImageU8 SmoothMap(uint64_t seed) {
  Random random({seed});
  ImageU8 small(12, 16, 1);
  for (uint8_t& v : small.values()) v = static_cast<uint8_t>(random.Below(256));
  return ResizeOpenCvCubic(small, kHeight, kWidth);
}

ImageU8 BlockMask(uint64_t seed, int labels) {
  Random random({seed});
  ImageU8 small(12, 16, 1);
  for (uint8_t& v : small.values()) v = static_cast<uint8_t>(random.Below(labels));
  return ResizePillowNearest(small, kHeight, kWidth);
}

void AttentionMap(benchmark::State& state) {
  Random random({1});
  std::vector<float> scores(32 * 32);
  for (float& v : scores) v = static_cast<float>(random.Normal());
  for (auto _ : state)
    benchmark::DoNotOptimize(
        EnlargeAttention(AttentionFromScores(scores, 32, 32), kHeight, kWidth));
}
BENCHMARK(AttentionMap)->Unit(benchmark::kMillisecond);

void InitialLabelTwoTags(benchmark::State& state) {
  const ImageU8 saliency = SmoothMap(1);
  const std::vector<TagAttention> maps = {{3, SmoothMap(2)}, {8, SmoothMap(3)}};
  for (auto _ : state) benchmark::DoNotOptimize(InitialLabel(saliency, maps));
}
BENCHMARK(InitialLabelTwoTags)->Unit(benchmark::kMillisecond);

void Refinement(benchmark::State& state) {
  const ImageU8 prediction = BlockMask(1, 6), initial = BlockMask(2, 6);
  const std::vector<int> tags = {0, 2};
  for (auto _ : state) benchmark::DoNotOptimize(RefineLabel(prediction, initial, tags));
}
BENCHMARK(Refinement)->Unit(benchmark::kMillisecond);

void Evaluation(benchmark::State& state) {
  const ImageU8 prediction = BlockMask(1, 21), truth = BlockMask(2, 21);
  Confusion confusion(20);
  for (auto _ : state) confusion.Add(prediction, truth);
}
BENCHMARK(Evaluation)->Unit(benchmark::kMillisecond);

void RelationLossesOfABatch(benchmark::State& state) {
  Random random({1});
  std::vector<float> scores(5 * 20 * 16 * 16), gradient(scores.size());
  for (float& v : scores) v = static_cast<float>(random.Normal());
  std::vector<uint8_t> saliency(5 * 256 * 256), tags(5 * 20);
  for (uint8_t& v : saliency) v = static_cast<uint8_t>(random.Below(256));
  for (size_t n = 0; n < 5; ++n) tags[n * 20 + n] = 1;
  const RelationLossInput input{5, 20, 16, 16, 256, 256, scores, saliency, tags};
  for (auto _ : state) benchmark::DoNotOptimize(RelationLosses(input, {}, gradient));
}
BENCHMARK(RelationLossesOfABatch)->Unit(benchmark::kMillisecond);

void ResizeForAttention(benchmark::State& state) {
  ImageU8 rgb(kHeight, kWidth, 3);
  Random random({1});
  for (uint8_t& v : rgb.values()) v = static_cast<uint8_t>(random.Below(256));
  for (auto _ : state) benchmark::DoNotOptimize(ResizePillowBilinear(rgb, 256, 256));
}
BENCHMARK(ResizeForAttention)->Unit(benchmark::kMillisecond);

void DrawOneScene(benchmark::State& state) {
  int64_t index = 0;
  for (auto _ : state) benchmark::DoNotOptimize(DrawScene({}, 1, index++));
}
BENCHMARK(DrawOneScene)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
