// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/program.h"
#include "support/test_dirs.h"

// Tests of the program with bad input: a small dataset that can be damaged, tiny networks, and what
// a refusal looks like.
namespace i2crc::testing {

using Arguments = std::vector<std::string>;

Arguments operator+(Arguments left, const Arguments& right);

// Made once for a test program by the program itself: 16 scenes of 64×64 with six classes, and a
// trained network of either kind.
class ScenesWorld {
 public:
  static const ScenesWorld& Get();

  std::filesystem::path scenes() const { return dir_ / "scenes"; }  // layout of synth
  std::filesystem::path attention() const { return dir_ / "cls/checkpoint.safetensors"; }
  // The attention network's backbone alone, in place of ImageNet's weights.
  void WriteBackbone(const std::filesystem::path& file) const;
  std::filesystem::path segmentation() const { return dir_ / "seg/checkpoint.safetensors"; }

 private:
  ScenesWorld();
  TempDir dir_;
};

// Every test starts the program in a folder of its own, in which s/ is a copy of the scenes.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest();

  ProgramResult Run(const Arguments& arguments, ProgramOptions options = {});

  // Commands over s/ that write to out/; what is added may name other folders and options.
  static Arguments Cam(const std::string& list = "s/train.txt");
  static Arguments Predict(const std::string& list = "s/train.txt");
  static Arguments TrainCls(const std::string& list = "s/train.txt");
  static Arguments TrainSeg(const std::string& list = "s/train.txt");

  // Status 2, one line "i2crc: error: message" (the message is looked for in it), nothing on stdout
  // and nothing written anywhere.
  void ExpectRefused(const Arguments& arguments, const std::string& message,
                     ProgramOptions options = {});
  // Status 3 with such a line last, and nothing left aside.
  ProgramResult ExpectFailed(const Arguments& arguments, const std::string& message,
                             ProgramOptions options = {});

  // Files below a folder by their relative names, sorted. Fails the test for one left aside.
  std::vector<std::string> Files(const std::string& folder) const;
  // The IDs of s/train.txt.
  std::vector<std::string> TrainIds() const;
  void Truncate(const std::string& file, size_t bytes) const;
  void Write(const std::string& file, const std::string& bytes) const;

  TempDir dir_;
};

}  // namespace i2crc::testing
