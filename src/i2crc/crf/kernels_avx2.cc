// SPDX-License-Identifier: Apache-2.0
#define I2CRC_CRF_NATIVE 8
#define I2CRC_CRF_TABLE kAvx2Kernels
#define I2CRC_CRF_SET InstructionSet::kAvx2
#include "i2crc/crf/kernels_impl.h"
