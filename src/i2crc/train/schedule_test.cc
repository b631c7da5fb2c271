// SPDX-License-Identifier: Apache-2.0
#include "i2crc/train/schedule.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/test_dirs.h"

namespace i2crc {
namespace {

TEST(StepRate, FallsAtTheStartOfEachMilestone) {
  const std::vector<double> milestones = {5, 10};
  EXPECT_DOUBLE_EQ(StepRate(1e-3, 0.1, milestones, 0), 1e-3);
  EXPECT_DOUBLE_EQ(StepRate(1e-3, 0.1, milestones, 4), 1e-3);
  EXPECT_DOUBLE_EQ(StepRate(1e-3, 0.1, milestones, 5), 1e-4);
  EXPECT_DOUBLE_EQ(StepRate(1e-3, 0.1, milestones, 10), 1e-5);
}

TEST(PolynomialRate, ChangesAtEveryTenthIterationAndEndsAtZero) {
  EXPECT_EQ(PolynomialRate(1.0, 0.9, 100, 10, 9), 1.0);
  EXPECT_LT(PolynomialRate(1.0, 0.9, 100, 10, 10), 1.0);
  EXPECT_EQ(PolynomialRate(1.0, 0.9, 100, 10, 10), PolynomialRate(1.0, 0.9, 100, 10, 19));
  EXPECT_EQ(PolynomialRate(1.0, 0.9, 100, 10, 100), 0.0);
  EXPECT_EQ(PolynomialRate(1.0, 0.9, 100, 10, 5000), 0.0);
}

TEST(WarmUp, RisesToOneAndStaysThere) {
  EXPECT_EQ(WarmUp(0, 0), 1);
  EXPECT_EQ(WarmUp(0, 4), 0.25);
  EXPECT_EQ(WarmUp(3, 4), 1);
  EXPECT_EQ(WarmUp(100, 4), 1);
}

TEST(PolynomialRate, Golden) {
  I2CRC_NEEDS_SHARED("goldens/lr_polynomial.json");
  std::ifstream in(testing::SharedPath("goldens/lr_polynomial.json"));
  const auto golden = nlohmann::json::parse(in);
  for (const auto& [step, rate] : golden["lr"].items()) {
    const double ours = PolynomialRate(golden["base_lr"], golden["power"], golden["iter_max"],
                                       golden["step_size"], std::stoll(step));
    EXPECT_NEAR(ours, rate.get<double>(), 1e-9 * rate.get<double>()) << step;
  }
}

}  // namespace
}  // namespace i2crc
