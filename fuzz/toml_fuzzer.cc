// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "i2crc/core/error.h"
#include "i2crc/options/command_line.h"
#include "i2crc/options/option_set.h"
#include "i2crc/options/toml_file.h"

namespace {

struct Values {
  bool flag = true;
  int whole = 3;
  uint64_t seed = 1;
  double rate = 0.5;
  double any = 0;
  std::string arch = "vgg16";
  std::string text;
  std::filesystem::path path;
  std::vector<double> scales = {1};

  i2crc::OptionSet Describe() {
    i2crc::OptionSet set;
    set.Add("flag", &flag, "A switch");
    set.Add("whole", &whole, "A whole number").Range(1, 100);
    set.Add("seed", &seed, "A seed");
    set.Add("rate", &rate, "A rate").Above(0);
    set.Add("any", &any, "Any number")
        .Range(-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity());
    set.Add("arch", &arch, "A choice").OneOf({"vgg16", "resnet18"});
    set.Add("text", &text, "A text");
    set.Add("path", &path, "A path");
    set.Add("scales", &scales, "Some numbers");
    return set;
  }
};

}  // namespace

// Any text is either refused with an Error or applied; what was applied is legal, and
// --print-config's text of it gives the same values again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16384) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Values values;
  i2crc::OptionSet set = values.Describe();
  try {
    const auto file = i2crc::TomlFile::Parse(text, "fuzz.toml", "base");
    file.CheckSections({"cam", "train-cls"});
    file.Apply("cam", set);
  } catch (const i2crc::Error&) {
    return 0;
  }
  if (values.whole < 1 || values.whole > 100 || !(values.rate > 0) || std::isnan(values.any) ||
      values.scales.empty())
    std::abort();

  // Not caught: what we write ourselves must be readable.
  Values again;
  i2crc::OptionSet set_again = again.Describe();
  const std::string printed = i2crc::ToToml("cam", set);
  i2crc::TomlFile::Parse(printed, "printed.toml", "").Apply("cam", set_again);
  if (set_again.ToJson().dump() != set.ToJson().dump()) std::abort();
  return 0;
}
