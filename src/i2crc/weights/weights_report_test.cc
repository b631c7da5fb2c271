// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/weights_report.h"

#include <gtest/gtest.h>

namespace i2crc {
namespace {

TEST(InspectText, ShowsMetadataTensorsAndTotals) {
  TensorMap tensors;
  tensors.Add("conv1.weight", {DType::kF16, {64, 3, 7, 7}, {}});
  tensors.Add("bn.count", {DType::kI64, {}, {}});
  tensors.metadata = {{"epoch", "7"}, {"title", "two\nlines\x1b"}};
  EXPECT_EQ(InspectText(tensors),
            "epoch: 7\n"
            "title: two\\x0alines\\x1b\n"
            "\n"
            "name          dtype  shape\n"
            "conv1.weight  F16    [64, 3, 7, 7]\n"
            "bn.count      I64    []\n"
            "\n"
            "2 tensors, 9409 parameters, 18824 bytes\n");
}

TEST(InspectText, AnEmptyFileHasTotalsToo) {
  EXPECT_EQ(InspectText({}), "name  dtype  shape\n\n0 tensors, 0 parameters, 0 bytes\n");
}

}  // namespace
}  // namespace i2crc
