// SPDX-License-Identifier: Apache-2.0
#include "i2crc/network_steps/network_setup.h"

#include <malloc.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/checksum.h"
#include "i2crc/nn/initial_weights.h"
#include "i2crc/nn/state_dict.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

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

LoadedNetwork LoadNetwork(const std::filesystem::path& checkpoint, NetworkKind kind,
                          const std::filesystem::path& classes, const ComputeOptions& compute) {
  std::optional<ClassNames> names;
  if (!classes.empty()) names = ClassNames::Read(classes);
  LoadedNetwork loaded = LoadCheckpoint(checkpoint, kind, names);
  SetPrecisionAndDevice(*loaded.network, compute);
  return loaded;
}

void SetPrecisionAndDevice(Network& network, const ComputeOptions& compute) {
  network.SetPrecision(compute.precision == "bf16" ? Precision::kBF16 : Precision::kF32);
  network.To(at::Device(compute.device));
}

at::Tensor OnPhotograph(const CheckedImage& image, const std::function<at::Tensor()>& run) {
  at::Tensor output;
  std::string cause;
  try {
    output = run();
    if (!output.isfinite().all().item<bool>())
      cause = "the network's output is not finite: its weights are no good";
  } catch (const Error& error) {
    cause = error.what();
  } catch (const c10::Error& error) {
    cause = error.what_without_backtrace();
    cause = cause.substr(0, cause.find('\n'));
  }
  if (!cause.empty()) Fail("{}: {}", image.photograph.string(), cause);
  return output;
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

void StartTraining(Training& training, const std::filesystem::path& start) {
  if (start.empty()) return;
  StartFrom(*training.network, start, training.info.classes);
  training.loop.identity["start"] = FileChecksum(start);
}

void SayIfFinished(const Training& training, Context& context) {
  const TrainingLoopOptions& loop = training.loop;
  if (TrainingIsFinished(loop.out, loop.identity))
    context.log().info("{}: {} holds this training, finished", loop.title, loop.out.string());
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

}  // namespace i2crc
