// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/data/augment.h"
#include "i2crc/image/image_file.h"
#include "i2crc/options/option_set.h"
#include "i2crc/threads/threads.h"

namespace i2crc {

// How every command that goes over images treats one that cannot be used, and how wide it works.
struct ItemOptions {
  std::string on_error = "stop";            // stop or skip
  int threads = 0;                          // 0: all cores
  uint64_t max_pixels = kDefaultMaxPixels;  // of an image to read (image/image_file.h)

  OnError policy() const { return on_error == "skip" ? OnError::kSkip : OnError::kStop; }
};
void Describe(ItemOptions& options, OptionSet& set);
// From here on the process reads images of as many pixels as these options allow: first line of
// every step that reads any.
void AllowImages(const ItemOptions& options);

// How a network is run.
struct ComputeOptions {
  std::string device = "cpu";      // cpu, cuda or cuda:N
  std::string precision = "fp32";  // fp32 or bf16
  int loader_threads = 2;          // decode and augment ahead; 0: none
};
void Describe(ComputeOptions& options, OptionSet& set);

// What both trainings are told alike.
struct TrainingOptions {
  std::filesystem::path images, list, weights, out, classes;
  double width = 1.0;
  std::string normalisation = "rgb";
  int batch = 5;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  uint64_t seed = 1;
  int checkpoint_every = 500;
  int max_bad_steps = 0;  // in a row
  ItemOptions items;
  ComputeOptions compute;
};
void DescribeFolders(TrainingOptions& options, OptionSet& set);
void DescribeNetwork(TrainingOptions& options, OptionSet& set);
void DescribeOptimiser(TrainingOptions& options, OptionSet& set);
void DescribeJitter(JitterOptions& options, OptionSet& set);

// What decides a result: the options without folders, without what only changes the speed, and
// without what only decides whether there is a result.
nlohmann::ordered_json Settings(const OptionSet& set);
template <typename Options>
nlohmann::ordered_json SettingsOf(Options options) {
  OptionSet set;
  Describe(options, set);
  return Settings(set);
}

// What stands for a folder that there is none of; a folder of that name is ./none.
inline constexpr const char* kNone = "none";
inline bool IsNone(const std::filesystem::path& folder) { return folder == kNone; }

}  // namespace i2crc
