// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/training_setup.h"

#include <malloc.h>
#include <torch/torch.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <numeric>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/core/random.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

constexpr uint64_t kOrderStream = 0x6f72646572;  // "order"

// The reference BLAS makes matrix products ten times slower; told by the library that was loaded.
bool ReferenceBlasIsLoaded() {
  const std::string maps = ReadWholeFile("/proc/self/maps");
  const bool has_blas = maps.find("libblas.so") != std::string::npos;
  const bool has_fast =
      maps.find("openblas") != std::string::npos || maps.find("atlas") != std::string::npos ||
      maps.find("blis") != std::string::npos || maps.find("libmkl") != std::string::npos;
  return has_blas && !has_fast;
}

}  // namespace

void PrepareCompute(const ComputeOptions& compute, int threads, Context& context) {
  if (compute.device != "cpu") {
    if (!compute.device.starts_with("cuda"))
      Fail("--device {}: cpu, cuda or cuda:N", compute.device);
    if (!torch::cuda::is_available())
      Fail("--device {}: this libtorch has no CUDA, or no such device is there", compute.device);
  }
  at::set_num_threads(ThreadCount(threads));
  at::globalContext().setFlushDenormal(true);
  // Big activations are freed and taken again at every step: keep them instead of handing them back
  // to the system page by page, which costs a third of the time.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
  if (ReferenceBlasIsLoaded())
    context.log().warn(
        "the reference BLAS is in use, which is slow; install libopenblas0-pthread (Debian)");
}

std::unique_ptr<Network> MakeStartNetwork(const NetworkSpec& spec,
                                          const std::filesystem::path& weights, uint64_t seed,
                                          const ComputeOptions& compute) {
  auto network = MakeNetwork(spec, seed);
  if (!weights.empty()) LoadBackbone(*network, ReadTensorFile(weights), weights.string());
  network->SetPrecision(compute.precision == "bf16" ? Precision::kBF16 : Precision::kF32);
  network->To(at::Device(compute.device));
  return network;
}

nlohmann::ordered_json TrainingSettings(const OptionSet& set) {
  nlohmann::ordered_json settings;
  for (const Option& option : set.options()) {
    const std::string& name = option.name();
    if (option.is_path() || name == "threads" || name == "loader-threads" || name == "device" ||
        name == "on-error" || name == "checkpoint-every")
      continue;
    settings[name] = option.ToJson();
  }
  return settings;
}

std::string ChecksumOfImages(const std::vector<CheckedImage>& images) {
  std::string text;
  for (const CheckedImage& image : images) {
    text += fmt::format("{}\t{}x{}", image.id, image.width, image.height);
    for (const int tag : image.tags) text += fmt::format(" {}", tag);
    text += '\n';
  }
  return Checksum(text);
}

struct SampleOrder::Cache {
  std::mutex mutex;
  std::map<int64_t, std::vector<int64_t>> epochs;
};

SampleOrder::SampleOrder(int64_t images, uint64_t seed)
    : images_(images), seed_(seed), cache_(std::make_shared<Cache>()) {}

int64_t SampleOrder::Image(int64_t sample) const {
  const int64_t epoch = sample / images_;
  std::lock_guard lock(cache_->mutex);
  auto [found, is_new] = cache_->epochs.try_emplace(epoch);
  if (is_new) {
    found->second.resize(static_cast<size_t>(images_));
    std::iota(found->second.begin(), found->second.end(), int64_t{0});
    Random({seed_, kOrderStream, static_cast<uint64_t>(epoch)}).Shuffle(found->second);
    // Loader threads are never further apart than two epochs, but for lists shorter than what they
    // make ahead.
    while (cache_->epochs.size() > 64) cache_->epochs.erase(cache_->epochs.begin());
  }
  return cache_->epochs.at(epoch)[static_cast<size_t>(sample % images_)];
}

}  // namespace i2crc
