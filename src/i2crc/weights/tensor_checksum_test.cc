// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/tensor_checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "i2crc/weights/tensor_file.h"
#include "support/test_dirs.h"

namespace i2crc {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class TensorChecksumTest : public ::testing::Test {
 protected:
  TensorChecksumTest() {
    tensors_.Add("a", Tensor::FromF32({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}));
    tensors_.Add("b", Tensor::FromU8({2}, std::vector<uint8_t>{7, 8}));
    AddChecksum(tensors_);
    WriteSafetensors(file_, tensors_);
  }

  // What reading the file says, "whole" where it is.
  std::string Judged() const {
    try {
      ReadCheckedTensorFile(file_, "remove it");
    } catch (const Error& error) {
      return error.what();
    }
    return "whole";
  }

  testing::TempDir dir_;
  std::filesystem::path file_ = dir_ / "t.safetensors";
  TensorMap tensors_;
};

TEST_F(TensorChecksumTest, EveryByteOfTheValuesCounts) {
  EXPECT_EQ(Judged(), "whole");
  const std::string bytes = testing::ReadBytes(file_);
  for (size_t i = 1; i <= 26; ++i) {
    std::string changed = bytes;
    changed[changed.size() - i] ^= 1;
    testing::WriteBytes(file_, changed);
    EXPECT_EQ(Judged(),
              file_.string() + ": damaged: its tensors are not those that were written; remove it");
  }
}

TEST_F(TensorChecksumTest, NamesAndShapesCountAndTheirOrderDoesNot) {
  TensorMap other;
  other.metadata = tensors_.metadata;
  other.metadata["note"] = "mine";
  other.Add("b", tensors_.items()[1].second);
  other.Add("a", tensors_.items()[0].second);
  WriteSafetensors(file_, other);
  EXPECT_EQ(Judged(), "whole");
  other.items()[1].second.shape = {3, 2};
  WriteSafetensors(file_, other);
  EXPECT_THAT(Judged(), HasSubstr("damaged"));
  other.items()[1].second.shape = {2, 3};
  other.items()[1].first = "c";
  WriteSafetensors(file_, other);
  EXPECT_THAT(Judged(), HasSubstr("damaged"));
}

TEST_F(TensorChecksumTest, AFileWithoutOnePasses) {
  tensors_.metadata.clear();
  WriteSafetensors(file_, tensors_);
  EXPECT_EQ(Judged(), "whole");
}

TEST_F(TensorChecksumTest, WhatCannotBeReadSaysWhatToDoToo) {
  testing::WriteBytes(file_, "");
  EXPECT_THAT(Judged(), EndsWith("t.safetensors: empty file; remove it"));
  testing::WriteBytes(file_, std::string(4096, '\0'));
  EXPECT_THAT(Judged(), EndsWith("; remove it"));
}

}  // namespace
}  // namespace i2crc
