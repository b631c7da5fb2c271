// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pybind11/pybind11.h>

namespace i2crc::python {

// DenseCRF, DenseCRF2D and their constants, as pydensecrf has them.
void AddDenseCrfClasses(pybind11::module_& module);
// unary_from_labels, unary_from_softmax, create_pairwise_gaussian, create_pairwise_bilateral.
void AddUtilities(pybind11::module_& module);
// solve: one image or many, in one call.
void AddSolve(pybind11::module_& module);

}  // namespace i2crc::python
