// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "i2crc/core/random.h"
#include "i2crc/weights/checked.h"
#include "i2crc/weights/name_map.h"

namespace i2crc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// By the definition of the format, in double: sign, exponent of `width` bits, fraction.
double ByDefinition(uint32_t bits, int exponent_bits, int fraction_bits) {
  const double sign = (bits >> (exponent_bits + fraction_bits)) != 0 ? -1 : 1;
  const int top = (1 << exponent_bits) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & top;
  const double fraction = static_cast<double>(bits & ((1u << fraction_bits) - 1));
  const int bias = top / 2;
  if (exponent == top) return fraction != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign *
         std::ldexp(fraction + std::ldexp(1.0, fraction_bits), exponent - bias - fraction_bits);
}

TEST(Half, EveryValueIsExact) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const double expected = ByDefinition(bits, 5, 10);
    const float value = F16ToF32(static_cast<uint16_t>(bits));
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else {
      ASSERT_EQ(value, expected) << bits;
      ASSERT_EQ(std::signbit(value), std::signbit(expected)) << bits;
    }
    ASSERT_EQ(F32ToF16(value), bits);  // NaN with its payload too
  }
}

TEST(Half, Bfloat16EveryValueIsExact) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const double expected = ByDefinition(bits, 8, 7);
    const float value = BF16ToF32(static_cast<uint16_t>(bits));
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else {
      ASSERT_EQ(value, expected) << bits;
    }
    ASSERT_EQ(F32ToBF16(value), bits);
  }
}

// The result must be the nearest of its two neighbours, on a tie the one with an even last bit.
template <typename Narrow, typename Widen>
void ExpectNearest(float value, Narrow narrow, Widen widen, uint16_t infinity) {
  const uint16_t got = narrow(value);
  const uint16_t magnitude = got & 0x7fff;
  if (std::isinf(value)) {
    ASSERT_EQ(magnitude, infinity);
    return;
  }
  // Past the largest number the next step would be a power of two, which infinity stands for.
  const auto wide = [&](int bits) {
    const float f = widen(static_cast<uint16_t>(bits));
    if (!std::isinf(f)) return static_cast<double>(f);
    const double last = widen(static_cast<uint16_t>(bits - 1));
    return last + (last - static_cast<double>(widen(static_cast<uint16_t>(bits - 2))));
  };
  ASSERT_EQ((got & 0x8000) != 0, std::signbit(value));
  const double target = std::abs(static_cast<double>(value));
  const double error = std::abs(wide(magnitude) - target);
  if (magnitude > 0) {
    const double below = std::abs(wide(magnitude - 1) - target);
    ASSERT_TRUE(error < below || (error == below && magnitude % 2 == 0)) << value;
  }
  if (magnitude < infinity) {
    const double above = std::abs(wide(magnitude + 1) - target);
    ASSERT_TRUE(error < above || (error == above && magnitude % 2 == 0)) << value;
  }
}

TEST(Half, RoundsToNearestEven) {
  Random random({7});
  for (int i = 0; i < 300000; ++i) {
    const float any = std::bit_cast<float>(static_cast<uint32_t>(random.Next()));
    if (std::isnan(any)) continue;
    ExpectNearest(any, F32ToBF16, BF16ToF32, 0x7f80);
    if (std::abs(any) < 65536) ExpectNearest(any, F32ToF16, F16ToF32, 0x7c00);
    // Random bits are seldom where halves are.
    const float near =
        static_cast<float>(random.Uniform(-1, 1) * std::pow(2.0, random.Uniform(-27, 16.1)));
    if (std::abs(near) < 65536) ExpectNearest(near, F32ToF16, F16ToF32, 0x7c00);
  }
  // Exact ties between every two neighbours.
  for (uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = F16ToF32(bits);
    const float high = F16ToF32(static_cast<uint16_t>(bits + 1));
    ASSERT_EQ(F32ToF16((low + high) / 2), bits % 2 == 0 ? bits : bits + 1);
  }
  EXPECT_EQ(F32ToF16(65519.996f), 0x7bff);
  EXPECT_EQ(F32ToF16(65520.f), 0x7c00);
  EXPECT_EQ(F32ToF16(-1e30f), 0xfc00);
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(F32ToBF16(std::numeric_limits<float>::max()), 0x7f80);
}

template <typename T>
Tensor Of(DType dtype, std::vector<T> values) {
  Tensor tensor{dtype, {static_cast<int64_t>(values.size())}, {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

TEST(Tensor, EveryDtypeBecomesF32) {
  EXPECT_THAT(Of<double>(DType::kF64, {0.1, -2}).ToF32(), ElementsAre(0.1f, -2.f));
  EXPECT_THAT(Of<float>(DType::kF32, {0.1f, -2}).ToF32(), ElementsAre(0.1f, -2.f));
  EXPECT_THAT(Of<uint16_t>(DType::kF16, {0x3c00, 0xc000}).ToF32(), ElementsAre(1.f, -2.f));
  EXPECT_THAT(Of<uint16_t>(DType::kBF16, {0x3f80, 0xc000}).ToF32(), ElementsAre(1.f, -2.f));
  EXPECT_THAT(Of<int64_t>(DType::kI64, {1ll << 40, -2}).ToF32(), ElementsAre(0x1p40f, -2.f));
  EXPECT_THAT(Of<int32_t>(DType::kI32, {16777217, -2}).ToF32(), ElementsAre(16777216.f, -2.f));
  EXPECT_THAT(Of<int16_t>(DType::kI16, {300, -2}).ToF32(), ElementsAre(300.f, -2.f));
  EXPECT_THAT(Of<int8_t>(DType::kI8, {127, -2}).ToF32(), ElementsAre(127.f, -2.f));
  EXPECT_THAT(Of<uint8_t>(DType::kU8, {255, 0}).ToF32(), ElementsAre(255.f, 0.f));
  EXPECT_THAT(Of<uint8_t>(DType::kBool, {1, 0}).ToF32(), ElementsAre(1.f, 0.f));
}

TEST(Tensor, AScalarHasOneElementAndAnEmptyShapeNone) {
  const float one = 1.5f;
  EXPECT_EQ(Tensor::FromF32({}, {&one, 1}).elements(), 1);
  EXPECT_EQ(Tensor::FromF32({3, 0, 2}, {}).elements(), 0);
  EXPECT_THAT(Tensor::F16FromF32({1}, {&one, 1}).As<uint16_t>(), ElementsAre(0x3e00));
  EXPECT_EQ(ShapeText(std::vector<int64_t>{64, 3, 7, 7}), "[64, 3, 7, 7]");
  EXPECT_EQ(ShapeText({}), "[]");
}

TEST(Tensor, WrongUseIsABugOfOurs) {
  const std::vector<float> two = {1, 2};
  EXPECT_THROW(Tensor::FromF32({3}, two), InternalError);
  EXPECT_THROW(Tensor::FromF32({2}, two).As<double>(), InternalError);
  EXPECT_THROW((Tensor{DType::kF32, {-1}, {}}.elements()), InternalError);
  EXPECT_THROW((Tensor{DType::kF32, {2}, {}}.ToF32()), InternalError);  // read without its values
}

TEST(TensorMap, FindsByNameAndRefusesASecondOne) {
  TensorMap tensors;
  tensors.Add("b", Tensor::FromF32({0}, {}));
  tensors.Add("a", Tensor::FromF32({0, 1}, {}));
  EXPECT_EQ(tensors.items()[0].first, "b");
  ASSERT_NE(tensors.Find("a"), nullptr);
  EXPECT_EQ(tensors.Find("a")->shape.size(), 2u);
  EXPECT_EQ(tensors.Find("c"), nullptr);
  EXPECT_THAT([&] { tensors.Add("a", {}); }, ThrowsMessage<Error>(HasSubstr("'a' occurs twice")));
  EXPECT_EQ(tensors.size(), 2u);
}

TEST(StripModulePrefix, RenamesWhatBearsItAndKeepsTheOrder) {
  TensorMap tensors;
  const float value = 3;
  tensors.Add("module.fc.weight", Tensor::FromF32({1}, {&value, 1}));
  tensors.Add("epoch", {});
  tensors.Add("module.a", {});
  tensors.metadata["k"] = "v";
  StripModulePrefix(tensors, "w.pth");
  EXPECT_EQ(tensors.items()[0].first, "fc.weight");
  EXPECT_EQ(tensors.items()[2].first, "a");
  EXPECT_THAT(tensors.Find("fc.weight")->ToF32(), ElementsAre(3.f));
  EXPECT_EQ(tensors.Find("module.a"), nullptr);
  EXPECT_EQ(tensors.metadata.at("k"), "v");
  StripModulePrefix(tensors, "w.pth");
  EXPECT_EQ(tensors.size(), 3u);
}

TEST(StripModulePrefix, AClashLeavesTheTensorsAsTheyWere) {
  TensorMap tensors;
  const float value = 3;
  tensors.Add("module.a", Tensor::FromF32({1}, {&value, 1}));
  tensors.Add("a", {});
  EXPECT_THAT([&] { StripModulePrefix(tensors, "w.pth"); },
              ThrowsMessage<Error>(HasSubstr("w.pth: tensor 'a' occurs twice")));
  EXPECT_THAT(tensors.Find("module.a")->ToF32(), ElementsAre(3.f));
}

TEST(Checked, ProductsAndSumsStopAtInt64) {
  constexpr uint64_t kMax = INT64_MAX;
  EXPECT_EQ(CheckedProduct(1ull << 31, 1ull << 31), 1ull << 62);
  EXPECT_EQ(CheckedProduct(1ull << 32, 1ull << 31), std::nullopt);
  EXPECT_EQ(CheckedProduct(0, UINT64_MAX), 0u);
  EXPECT_EQ(CheckedSum(kMax - 1, 1), kMax);
  EXPECT_EQ(CheckedSum(kMax, 1), std::nullopt);
  EXPECT_EQ(CheckedElements(std::vector<int64_t>{}), 1u);
  EXPECT_EQ(CheckedElements(std::vector<int64_t>{0, 5}), 0u);
  EXPECT_EQ(CheckedElements(std::vector<int64_t>{-1, 0}), std::nullopt);
  EXPECT_EQ(CheckedElements(std::vector<int64_t>{INT64_MAX, 2, 0}), std::nullopt);
}

TEST(Checked, PlainTextIsUtf8WithoutNul) {
  EXPECT_TRUE(IsPlainText("layer1.0.weight ü 猫 😀 \xed\x9f\xbf \xf4\x8f\xbf\xbf"));
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xff"})
    EXPECT_FALSE(IsPlainText(bad)) << bad;
  EXPECT_FALSE(IsPlainText(std::string_view("a\0b", 3)));
}

TEST(Checked, AQuotedNameIsOneShortLine) {
  EXPECT_EQ(QuotedName("fc.weight ü"), "'fc.weight ü'");
  EXPECT_EQ(QuotedName("a\n\x1b[31m\xff"), "'a\\x0a\\x1b[31m\\xff'");
  EXPECT_LT(QuotedName(std::string(100000, 'x')).size(), 220u);
}

}  // namespace
}  // namespace i2crc
