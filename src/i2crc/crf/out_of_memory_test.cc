// SPDX-License-Identifier: Apache-2.0
// The dense CRF where memory ends: at every single allocation, and under limits of the system. A
// program of its own, since it replaces operator new.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "i2crc/crf/c_api.h"
#include "i2crc/crf/dense_crf.h"
#include "i2crc/crf/test_problem.h"
#include "support/limited_child.h"

namespace {

// What operator new does: −1 answers always; n ≥ 0 answers n times more, then fails.
std::atomic<int64_t> answers_left{-1};
bool fails_for_good = false;
std::atomic<int64_t> asked{0};

void* Allocate(size_t size, size_t alignment) {
  ++asked;
  if (answers_left >= 0) {
    const int64_t left = answers_left--;
    if (left <= 0) {
      if (fails_for_good) answers_left = 0;
      throw std::bad_alloc();
    }
  }
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return Allocate(size, alignof(std::max_align_t)); }
void* operator new(size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace i2crc::crf {
namespace {

using testing::CrfProblem;
using testing::MakeCrfProblem;
using testing::MarginalsOf;

// From here to the end of its life, the n-th allocation fails, or all from the n-th on.
class FailingAllocation {
 public:
  FailingAllocation(int64_t n, bool for_good) {
    fails_for_good = for_good;
    answers_left = n;
  }
  ~FailingAllocation() { answers_left = -1; }
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
};

// Both terms of photographs, and one whose lattice's keys are wide.
void Solve(DenseCrf& crf, const CrfProblem& problem, const std::vector<float>& features) {
  crf.Reset(problem.labels, problem.height, problem.width);
  crf.SetUnary(problem.unary);
  crf.AddGaussian(3, 3, Compatibility::Potts(3));
  crf.AddBilateral(20, 20, {13, 13, 13}, problem.rgb, Compatibility::Potts(10));
  crf.AddFeatures(features, 8, Compatibility::Potts(1));
  crf.Infer(2);
}

std::vector<float> FeaturesOf(const CrfProblem& problem) {
  std::vector<float> features(8 * problem.pixels());
  for (size_t i = 0; i < features.size(); ++i)
    features[i] = static_cast<float>(i * 7919 % 1009) * 3.0F;
  return features;
}

class AllocationTest : public ::testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  int threads() const { return std::get<0>(GetParam()); }
  bool for_good() const { return std::get<1>(GetParam()); }

  // work() with each allocation failing in turn; check(whether it was done) after each. The
  // allocations are those of a first call with none failing.
  void ForEachAllocation(const std::function<void()>& work,
                         const std::function<void(bool done)>& check) {
    const int64_t before = asked;
    work();
    const int64_t allocations = asked - before;
    ASSERT_GT(allocations, 20);
    int64_t failed = 0;
    for (int64_t n = 0; n < allocations; ++n) {
      bool done = true;
      try {
        const FailingAllocation failing(n, for_good());
        work();
      } catch (const std::bad_alloc&) {
        done = false;
      }
      failed += done ? 0 : 1;
      check(done);
      ASSERT_FALSE(HasFatalFailure()) << "allocation " << n;
    }
    EXPECT_GT(failed, 20);  // others mean fewer threads
  }

  const CrfProblem problem_ = MakeCrfProblem(3, 12, 40);
  const std::vector<float> features_ = FeaturesOf(problem_);
};
INSTANTIATE_TEST_SUITE_P(Threads, AllocationTest,
                         ::testing::Combine(::testing::Values(1, 2, 4), ::testing::Bool()));

TEST_P(AllocationTest, OfAnObjectIsDoneOrThrows) {
  DenseCrf one;
  Solve(one, problem_, features_);
  const std::vector<float> expected = MarginalsOf(one);
  std::vector<float> marginals(expected.size());
  ForEachAllocation(
      [&] {
        DenseCrf crf({.threads = threads()});
        Solve(crf, problem_, features_);
        crf.Marginals(marginals);
      },
      [&](bool done) { ASSERT_TRUE(!done || marginals == expected); });
}

// The object that failed is as good as before.
TEST_P(AllocationTest, OfAnObjectThatGoesOnAfterwards) {
  DenseCrf one;
  Solve(one, problem_, features_);
  const std::vector<float> expected = MarginalsOf(one);
  const CrfProblem other = MakeCrfProblem(25, 7, 9);
  const std::vector<float> other_features = FeaturesOf(other);
  DenseCrf crf({.threads = threads()});
  ForEachAllocation(
      [&] {
        Solve(crf, other, other_features);
        Solve(crf, problem_, features_);
        crf = DenseCrf({.threads = threads()});
      },
      [&](bool) {
        Solve(crf, problem_, features_);
        ASSERT_TRUE(MarginalsOf(crf) == expected);
        crf = DenseCrf({.threads = threads()});
      });
}

TEST_P(AllocationTest, OfManyImages) {
  std::atomic<int> solved{0};
  ForEachAllocation(
      [&] {
        solved = 0;
        ForEachImage(3, threads(), {}, [&](DenseCrf& crf, int64_t) {
          Solve(crf, problem_, features_);
          ++solved;
        });
      },
      [&](bool done) { ASSERT_TRUE(!done || solved == 3) << solved; });
}

TEST_P(AllocationTest, OfTheCInterface) {
  const float weight = 10;
  const I2crcCrfCompatibility potts = {I2CRC_CRF_POTTS, &weight, 1};
  const std::array<float, 3> sigma_rgb = {13, 13, 13};
  const I2crcCrfOptions options = {threads(), 0, 0};
  int status = 0;
  ForEachAllocation(
      [&] {
        I2crcCrf* crf = nullptr;
        status = i2crc_crf_create(&options, &crf);
        if (status == 0)
          status = i2crc_crf_reset(crf, problem_.labels, problem_.height, problem_.width);
        if (status == 0)
          status = i2crc_crf_set_unary(crf, problem_.unary.data(), problem_.unary.size());
        if (status == 0)
          status = i2crc_crf_add_bilateral(crf, 20, 20, sigma_rgb.data(), problem_.rgb.data(),
                                           problem_.rgb.size(), &potts, 3);
        if (status == 0) status = i2crc_crf_infer(crf, 2);
        i2crc_crf_destroy(crf);
        if (status == I2CRC_CRF_OUT_OF_MEMORY) {
          EXPECT_STREQ(i2crc_crf_last_error(), "out of memory");
          throw std::bad_alloc();
        }
      },
      [&](bool done) { ASSERT_EQ(status, done ? I2CRC_CRF_OK : I2CRC_CRF_OUT_OF_MEMORY); });
}

// How a child ended that may take so much more memory than it has: "done", "no memory", or what
// must not be. It is killed where it hangs.
std::string EndWithin(uint64_t bytes, const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(300);      // nothing is measured
    malloc_trim(0);  // what was freed before would be memory besides
    testing::LimitProcess(bytes, 300);
    int end = 3;
    try {
      end = work() ? 0 : 1;
    } catch (const std::bad_alloc&) {
      end = 1;
    } catch (...) {
    }
    std::_Exit(end);
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child) return "no child";
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  if (WEXITSTATUS(status) == 0) return "done";
  return WEXITSTATUS(status) == 1 ? "no memory" : "status " + std::to_string(WEXITSTATUS(status));
}

class LimitTest : public ::testing::TestWithParam<int> {
 protected:
  // From nothing to enough, with many steps where stacks and lattices begin to fit.
  void ExpectAnEndWithinAll(const std::function<bool()>& work) {
    int done = 0, failed = 0;
    for (uint64_t kib = 0; kib < uint64_t{2} << 20; kib = std::max(kib + 1536, kib * 9 / 8)) {
      const std::string end = EndWithin(kib << 10, work);
      ASSERT_TRUE(end == "done" || end == "no memory") << end << " with " << kib << " KiB";
      ++(end == "done" ? done : failed);
    }
    EXPECT_GT(failed, 5);
    EXPECT_GT(done, 5);
  }

  const CrfProblem problem_ = MakeCrfProblem(5, 240, 320);
};
INSTANTIATE_TEST_SUITE_P(Threads, LimitTest, ::testing::Values(1, 2, 4));

TEST_P(LimitTest, OfTheSystemEndInAnException) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  ExpectAnEndWithinAll([&] {
    DenseCrf crf({.threads = GetParam()});
    crf.Reset(problem_.labels, problem_.height, problem_.width);
    crf.SetUnary(problem_.unary);
    AddTerms(crf, SettingsOf(Preset::kPsa), problem_.rgb);
    crf.Infer(1);
    return true;
  });
}

TEST_P(LimitTest, OfTheSystemEndInAStatus) {
  I2CRC_NEEDS_LIMITED_MEMORY();
  ExpectAnEndWithinAll([&] {
    const I2crcCrfOptions options = {GetParam(), 0, 0};
    I2crcCrf* crf = nullptr;
    int status = i2crc_crf_create(&options, &crf);
    if (status == 0)
      status = i2crc_crf_reset(crf, problem_.labels, problem_.height, problem_.width);
    if (status == 0)
      status = i2crc_crf_set_unary(crf, problem_.unary.data(), problem_.unary.size());
    if (status == 0)
      status = i2crc_crf_add_preset(crf, I2CRC_CRF_PSA, problem_.rgb.data(), problem_.rgb.size(),
                                    nullptr);
    if (status == 0) status = i2crc_crf_infer(crf, 1);
    i2crc_crf_destroy(crf);
    if (status != I2CRC_CRF_OK && status != I2CRC_CRF_OUT_OF_MEMORY)
      throw std::logic_error(i2crc_crf_last_error());
    return status == I2CRC_CRF_OK;
  });
}

}  // namespace
}  // namespace i2crc::crf
