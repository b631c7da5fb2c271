// SPDX-License-Identifier: Apache-2.0
#define I2CRC_CRF_NATIVE 4
#define I2CRC_CRF_TABLE kPortableKernels
#define I2CRC_CRF_SET InstructionSet::kPortable
#include "i2crc/crf/kernels_impl.h"
