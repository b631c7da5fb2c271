// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "i2crc/options/option_set.h"

namespace i2crc::testing {

// Options of every type for the tests of this room.
struct ExampleOptions {
  std::filesystem::path images;
  std::filesystem::path weights;
  std::string arch = "vgg16";
  std::string title;
  int epochs = 30;
  int shift = 0;
  uint64_t seed = 1;
  double lr = 1e-3;
  double offset = 0;
  bool msc = true;
  bool overlay = false;
  std::vector<double> scales = {1};
  std::vector<double> milestones = {5, 10};

  OptionSet Describe() {
    OptionSet set;
    set.Add("images", &images, "Folder of photographs").Value("DIR").Required();
    set.Add("weights", &weights, "Weights to start from").Value("FILE");
    set.Add("arch", &arch, "Network").OneOf({"vgg16", "resnet18", "resnet50"}).Value("NAME");
    set.Add("title", &title, "Words for the report");
    set.Add("epochs", &epochs, "Times through the list").Range(1, 1000).Group("Training");
    set.Add("shift", &shift, "A whole number without a range").Group("Training");
    set.Add("seed", &seed, "Decides every random number").Group("Training");
    set.Add("lr", &lr, "Learning rate").Above(0).Group("Training");
    set.Add("offset", &offset, "A number without a range");
    set.Add("msc", &msc, "Multi-scale network");
    set.Add("overlay", &overlay, "Write overlays too");
    set.Add("scales", &scales, "Scales of the input").Range(0.1, 4);
    set.Add("milestones", &milestones, "Where the rate falls").MayBeEmpty().Group("Training");
    return set;
  }
};

}  // namespace i2crc::testing
