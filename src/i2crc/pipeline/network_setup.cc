// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/network_setup.h"

#include <malloc.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <numeric>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/core/random.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/pipeline/inference.h"
#include "i2crc/weights/name_map.h"
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

// libtorch and libgomp do not survive that a thread of theirs cannot be started: they hang or end
// the process. So they get those that could be started beside all of ours. Each has a pool of
// `threads` − 1; libtorch makes one for all cores of the machine before, and libgomp ends threads
// and starts others all the time, of which those that end count for a moment.
void SetTorchThreads(int wanted, int loader_threads, Context& context) {
  static int asked_before = 0;
  static int first_pool = static_cast<int>(sysconf(_SC_NPROCESSORS_CONF)) - 1;
  if (wanted == asked_before) return;
  constexpr int kPools = 3;   // libtorch's, libgomp's and what it has just ended
  constexpr int kOthers = 2;  // such as autograd's
  const int ours = wanted + loader_threads + kOthers;
  const int startable =
      StartableThreads(std::max(kPools * (wanted - 1), first_pool + wanted) + ours);
  if (startable < first_pool)
    Fail("libtorch needs {} threads to start; allow more processes (ulimit -u) or memory",
         first_pool);
  const int threads =
      1 + std::clamp(std::min((startable - ours) / kPools, startable - first_pool), 0, wanted - 1);
  at::set_num_threads(threads);
  context.WarnOfFewThreads(threads, wanted);
  asked_before = wanted;
  first_pool = 0;
}

}  // namespace

void CheckDevice(const ComputeOptions& compute) {
  if (compute.device == "cpu") return;
  if (!compute.device.starts_with("cuda")) Fail("--device {}: cpu, cuda or cuda:N", compute.device);
  if (!torch::cuda::is_available())
    Fail("--device {}: this libtorch has no CUDA, or no such device is there", compute.device);
}

void PrepareCompute(const ComputeOptions& compute, int threads, Context& context) {
  CheckDevice(compute);
  SetTorchThreads(ThreadCount(threads), compute.loader_threads, context);
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

void CheckBackbone(const NetworkSpec& spec, const std::filesystem::path& weights) {
  if (!weights.empty())
    LoadBackbone(*MakeNetwork(spec, 1), ReadTensorFile(weights), weights.string());
}

Training MakeTraining(const std::string& title, const TrainingOptions& options,
                      const NetworkSpec& spec, const ClassNames& classes,
                      const std::vector<CheckedImage>& images, nlohmann::ordered_json settings) {
  Training training;
  training.network = MakeNetwork(spec, options.seed);
  if (!options.weights.empty())
    LoadBackbone(*training.network, ReadTensorFile(options.weights), options.weights.string());
  SetPrecisionAndDevice(*training.network, options.compute);

  training.info.spec = spec;
  training.info.classes = classes;
  training.info.normalisation = ParseNormalisation(options.normalisation);
  training.info.settings = std::move(settings);

  TrainingLoopOptions& loop = training.loop;
  loop.title = title;
  loop.out = options.out;
  loop.seed = options.seed;
  loop.loader_threads = options.compute.loader_threads;
  loop.checkpoint_every = options.checkpoint_every;
  loop.max_bad_steps = options.max_bad_steps;
  loop.device = options.compute.device;
  loop.identity = training.info.settings;
  loop.identity["classes"] = classes.names();
  loop.identity["images"] = ChecksumOfImages(images);
  loop.identity["weights"] = options.weights.empty() ? "" : FileChecksum(options.weights);
  return training;
}

std::string BackboneOf(const std::filesystem::path& weights) {
  TensorMap tensors = ReadTensorHeaders(weights);
  StripModulePrefix(tensors, weights.string());
  const int depth = ResNetDepth(tensors, "");
  if (depth > 0) return fmt::format("resnet{}", depth);
  if (tensors.Find("features.28.weight") != nullptr) return "vgg16";
  Fail("{}: not the weights of a ResNet-18, -50, -101 or VGG16 with torchvision's names",
       weights.string());
}

void StartFrom(Network& network, const std::filesystem::path& checkpoint,
               const ClassNames& classes) {
  const bool is_attention = IsAttentionArch(network.spec().arch);
  const NetworkKind kind = is_attention ? NetworkKind::kAttention : KindOfCheckpoint(checkpoint);
  const LoadedNetwork other = LoadCheckpoint(checkpoint, kind, classes);
  const TensorMap state = SaveState(*other.network);
  if (is_attention || kind == NetworkKind::kSegmentation) {
    if (WithoutStride(other.info.spec.arch) != WithoutStride(network.spec().arch) ||
        other.info.spec.width != network.spec().width)
      Fail("{}: a {} of width {}, needed is a {} of width {}", checkpoint.string(),
           other.info.spec.arch, other.info.spec.width, network.spec().arch, network.spec().width);
    LoadState(network, state, checkpoint.string());
    return;
  }
  TensorMap backbone;
  for (const auto& [name, tensor] : state.items())
    if (!other.network->IsHead(name)) backbone.Add(name, tensor);
  LoadBackbone(network, std::move(backbone), checkpoint.string());
}

std::string ChecksumOfImages(const std::vector<CheckedImage>& images) {
  std::string text;
  for (const CheckedImage& image : images) {
    text += fmt::format("{}\t{}x{}\t{}", image.id, image.width, image.height,
                        image.map.empty() ? "" : FileChecksum(image.map));
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
  std::vector<int64_t>& order = found->second;
  if (is_new) {
    order.resize(static_cast<size_t>(images_));
    std::iota(order.begin(), order.end(), int64_t{0});
    Random({seed_, kOrderStream, static_cast<uint64_t>(epoch)}).Shuffle(order);
  }
  const int64_t image = order[static_cast<size_t>(sample % images_)];
  // Loader threads are never further apart than two epochs, but for lists shorter than what they
  // make ahead; an order that was let go too early is made again.
  while (cache_->epochs.size() > 64) cache_->epochs.erase(cache_->epochs.begin());
  return image;
}

}  // namespace i2crc
