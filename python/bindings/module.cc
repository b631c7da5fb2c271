// SPDX-License-Identifier: Apache-2.0
#include "module.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The dense CRF of i2crc; import i2crc_crf instead.";
  i2crc::python::AddDenseCrfClasses(module);
  i2crc::python::AddUtilities(module);
  i2crc::python::AddSolve(module);
}
