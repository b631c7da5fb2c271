// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string>

#include "i2crc/core/error.h"
#include "i2crc/weights/pickle.h"
#include "i2crc/weights/torch_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string name = "fuzz";
  try {
    const i2crc::Pickle pickle({data, size}, name);
    i2crc::ReadTorchState(pickle, name);
  } catch (const i2crc::Error&) {
  }
  return 0;
}
