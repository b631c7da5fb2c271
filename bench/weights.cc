// SPDX-License-Identifier: Apache-2.0
// Times of reading weights of a ResNet-50's size, 100 MB in 160 tensors: ours, which checks and
// copies every tensor, and the bytes of the file alone.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "i2crc/core/atomic_file.h"
#include "i2crc/weights/tensor_file.h"

namespace {

using namespace i2crc;
namespace fs = std::filesystem;

// Made once, gone at the end.
class WeightsFile {
 public:
  WeightsFile() : path_(fs::temp_directory_path() / "i2crc_bench.safetensors") {
    TensorMap tensors;
    const std::vector<float> values(160'000, 0.5F);
    for (int i = 0; i < 160; ++i)
      tensors.Add("tensor_" + std::to_string(i), Tensor::FromF32({400, 400}, values));
    WriteSafetensors(path_, tensors);
  }
  ~WeightsFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  static const fs::path& Path() {
    static const WeightsFile file;
    return file.path_;
  }

 private:
  fs::path path_;
};

void CountBytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(fs::file_size(WeightsFile::Path())));
}

void BytesOfTheFile(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(ReadWholeFile(WeightsFile::Path()));
  CountBytes(state);
}
BENCHMARK(BytesOfTheFile)->Unit(benchmark::kMillisecond);

void TensorsOfTheFile(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(ReadTensorFile(WeightsFile::Path()));
  CountBytes(state);
}
BENCHMARK(TensorsOfTheFile)->Unit(benchmark::kMillisecond);

void TensorsAsF32(benchmark::State& state) {
  const TensorMap tensors = ReadTensorFile(WeightsFile::Path());
  for (auto _ : state)
    for (const auto& [name, tensor] : tensors.items()) benchmark::DoNotOptimize(tensor.ToF32());
  CountBytes(state);
}
BENCHMARK(TensorsAsF32)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
