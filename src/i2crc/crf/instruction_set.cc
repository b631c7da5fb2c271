// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/instruction_set.h"

#include <array>
#include <stdexcept>
#include <utility>

#include "i2crc/crf/kernels.h"

namespace i2crc::crf {

extern const Kernels kPortableKernels;
#ifdef I2CRC_CRF_X86
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

namespace {

constexpr std::array<std::pair<InstructionSet, const char*>, 4> kNames{
    {{InstructionSet::kBest, "best"},
     {InstructionSet::kPortable, "portable"},
     {InstructionSet::kAvx2, "avx2"},
     {InstructionSet::kAvx512, "avx512"}}};

bool Has(InstructionSet set) {
#ifdef I2CRC_CRF_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (set == InstructionSet::kAvx2) return avx2;
  if (set == InstructionSet::kAvx512)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi");
#endif
  return set == InstructionSet::kPortable;
}

}  // namespace

std::vector<InstructionSet> AvailableInstructionSets() {
  std::vector<InstructionSet> available;
  for (const auto& [set, name] : kNames)
    if (Has(set)) available.push_back(set);
  return available;
}

const char* NameOf(InstructionSet set) {
  for (const auto& [named, name] : kNames)
    if (named == set) return name;
  return "";
}

InstructionSet InstructionSetNamed(const std::string& name) {
  for (const auto& [set, its_name] : kNames)
    if (name == its_name) return set;
  throw std::invalid_argument("instruction set: '" + name +
                              "' is none of best, portable, avx2, avx512");
}

const Kernels& KernelsFor(InstructionSet set) {
  if (set == InstructionSet::kBest) return KernelsFor(AvailableInstructionSets().back());
  if (!Has(set))
    throw std::invalid_argument(std::string("instruction set: this machine has no ") + NameOf(set));
#ifdef I2CRC_CRF_X86
  if (set == InstructionSet::kAvx2) return kAvx2Kernels;
  if (set == InstructionSet::kAvx512) return kAvx512Kernels;
#endif
  return kPortableKernels;
}

}  // namespace i2crc::crf
