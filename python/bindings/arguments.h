// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "i2crc/crf/dense_crf.h"

// What Python gives to a function, checked: TypeError for what is no number or no array, ValueError
// for what does not fit, the argument's name in front of every message.
namespace i2crc::python {

namespace py = pybind11;

double DoubleOf(py::handle value, const std::string& name);
// The same as float, for instance a σ; finite or not.
float NumberOf(py::handle value, const std::string& name);
// With a count that many, or one number, which then counts for all.
std::vector<double> NumbersOf(py::handle value, const std::string& name,
                              std::optional<size_t> count = std::nullopt);
// A whole number; ValueError where int does not hold it.
int IntOf(py::handle value, const std::string& name);
int IntOf(int64_t value, const std::string& name);
std::vector<int64_t> IntsOf(py::handle value, const std::string& name);
std::string StringOf(py::handle value, const std::string& name);

// An array as it stands, without a copy: its dtype, lengths (−1: any) and C order are required.
// Whatever has Python's buffer interface counts as one.
py::array ArrayOf(const py::object& value, const std::string& name, const py::dtype& dtype,
                  std::initializer_list<py::ssize_t> shape);
// An array of any layout, its kind (numpy's letter of the dtype) one of kinds.
py::array AnyArrayOf(const py::object& value, const std::string& name, std::string_view kinds);
// "float32 [3, 5]"
std::string Described(const py::array& array);

// A number (Potts), a vector [L] or a matrix [L, L].
crf::Compatibility CompatibilityOf(const py::object& value);

template <typename Value>
std::span<const Value> Values(const py::array& array) {
  return {static_cast<const Value*>(array.data()), static_cast<size_t>(array.size())};
}

// An array of the shape that takes over the values, without a copy.
py::array_t<float> ToArray(std::vector<float>&& values, const std::vector<py::ssize_t>& shape);

// Calls work; in what the library says of its arguments their names become Python's.
using Names = std::initializer_list<std::pair<std::string_view, std::string_view>>;
std::string Renamed(const std::string& message, const Names& names);
template <typename Work>
auto WithNames(const Names& names, const Work& work) {
  try {
    return work();
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(Renamed(error.what(), names));
  }
}

}  // namespace i2crc::python
