// SPDX-License-Identifier: Apache-2.0
#define I2CRC_CRF_NATIVE 16
#define I2CRC_CRF_TABLE kAvx512Kernels
#define I2CRC_CRF_SET InstructionSet::kAvx512
#include "i2crc/crf/kernels_impl.h"
