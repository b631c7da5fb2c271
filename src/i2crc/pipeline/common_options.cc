// SPDX-License-Identifier: Apache-2.0
#include "i2crc/pipeline/common_options.h"

#include <sched.h>

#include <algorithm>

namespace i2crc {

void Describe(ItemOptions& options, OptionSet& set) {
  set.Add("on-error", &options.on_error,
          "What to do about an image that cannot be used: stop, or skip it and end with status 1")
      .OneOf({"stop", "skip"})
      .Group("General");
  set.Add("threads", &options.threads, "Threads to compute with; 0: all cores")
      .Range(0, 1024)
      .Group("General");
}

void Describe(ComputeOptions& options, OptionSet& set) {
  set.Add("device", &options.device, "cpu, cuda or cuda:N").Value("NAME").Group("General");
  set.Add("precision", &options.precision, "Arithmetic of the network")
      .OneOf({"fp32", "bf16"})
      .Group("General");
  set.Add("loader-threads", &options.loader_threads,
          "Threads that decode and augment images ahead; the result does not depend on them")
      .Range(0, 256)
      .Group("General");
}

int ThreadCount(int threads) {
  if (threads > 0) return threads;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

}  // namespace i2crc
