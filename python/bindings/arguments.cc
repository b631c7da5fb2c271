// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <cmath>
#include <limits>
#include <memory>

namespace i2crc::python {
namespace {

[[noreturn]] void BadType(const std::string& name, const std::string& expected, py::handle got) {
  throw py::type_error(name + ": expected " + expected + ", got " + Py_TYPE(got.ptr())->tp_name);
}

// The length of a sequence; none where the value is one number, also as an array without axes.
std::optional<size_t> LengthOf(py::handle value) {
  const Py_ssize_t length = PyObject_Length(value.ptr());
  if (length >= 0) return static_cast<size_t>(length);
  PyErr_Clear();
  return std::nullopt;
}

py::sequence SequenceOf(py::handle value, const std::string& name) {
  if (!LengthOf(value) || PySequence_Check(value.ptr()) == 0 || py::isinstance<py::str>(value) ||
      py::isinstance<py::dict>(value)) {
    BadType(name, "a sequence of numbers", value);
  }
  return py::reinterpret_borrow<py::sequence>(value);
}

std::string TextOf(py::handle value) { return py::str(value).cast<std::string>(); }

std::string ShapeText(const std::vector<py::ssize_t>& shape) {
  std::string text = "[";
  for (const py::ssize_t length : shape) {
    if (text.size() > 1) text += ", ";
    text += length < 0 ? "any" : std::to_string(length);
  }
  return text + "]";
}

py::array AsArray(const py::object& value, const std::string& name) {
  if (py::isinstance<py::array>(value)) return py::reinterpret_borrow<py::array>(value);
  if (PyObject_CheckBuffer(value.ptr()) == 0) BadType(name, "a numpy array", value);
  return py::module_::import("numpy").attr("asarray")(value);
}

}  // namespace

double DoubleOf(py::handle value, const std::string& name) {
  if (!LengthOf(value)) {
    const double number = PyFloat_AsDouble(value.ptr());
    if (number != -1 || PyErr_Occurred() == nullptr) return number;
    PyErr_Clear();
  }
  BadType(name, "a number", value);
}

float NumberOf(py::handle value, const std::string& name) {
  const double number = DoubleOf(value, name);
  if (std::isfinite(number) && std::abs(number) > double{std::numeric_limits<float>::max()}) {
    throw py::value_error(name + ": " + std::to_string(number) + " is too large");
  }
  return static_cast<float>(number);
}

std::vector<double> NumbersOf(py::handle value, const std::string& name,
                              std::optional<size_t> count) {
  if (count && !LengthOf(value)) return std::vector<double>(*count, DoubleOf(value, name));
  const py::sequence elements = SequenceOf(value, name);
  if (count && elements.size() != *count) {
    throw py::value_error(name + ": expected a number or " + std::to_string(*count) + ", got " +
                          std::to_string(elements.size()));
  }
  std::vector<double> numbers;
  for (const py::handle element : elements) numbers.push_back(DoubleOf(element, name));
  return numbers;
}

std::vector<int64_t> IntsOf(py::handle value, const std::string& name) {
  std::vector<int64_t> numbers;
  for (const py::handle element : SequenceOf(value, name)) numbers.push_back(IntOf(element, name));
  return numbers;
}

std::string StringOf(py::handle value, const std::string& name) {
  if (!py::isinstance<py::str>(value)) BadType(name, "a string", value);
  return value.cast<std::string>();
}

int IntOf(py::handle value, const std::string& name) {
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!index) {
    PyErr_Clear();
    BadType(name, "a whole number", value);
  }
  int overflow = 0;
  const int64_t number = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow != 0) throw py::value_error(name + ": out of range");
  return IntOf(number, name);
}

int IntOf(int64_t value, const std::string& name) {
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
    throw py::value_error(name + ": " + std::to_string(value) + " is out of range");
  }
  return static_cast<int>(value);
}

py::array ArrayOf(const py::object& value, const std::string& name, const py::dtype& dtype,
                  std::initializer_list<py::ssize_t> shape) {
  py::array array = AsArray(value, name);
  bool fits = array.ndim() == static_cast<py::ssize_t>(shape.size()) && array.dtype().equal(dtype);
  for (py::ssize_t axis = 0; fits && axis < array.ndim(); ++axis) {
    const py::ssize_t length = shape.begin()[axis];
    fits = length < 0 || array.shape(axis) == length;
  }
  if (!fits) {
    throw py::value_error(name + ": expected " + TextOf(dtype) + " " + ShapeText(shape) + ", got " +
                          Described(array));
  }
  if ((array.flags() & py::array::c_style) == 0) {
    throw py::value_error(name + ": not C-contiguous; numpy.ascontiguousarray makes it so");
  }
  return array;
}

py::array AnyArrayOf(const py::object& value, const std::string& name, std::string_view kinds) {
  py::array array = AsArray(value, name);
  if (kinds.find(array.dtype().kind()) == std::string_view::npos) {
    throw py::value_error(name + ": dtype " + TextOf(array.dtype()) + " does not fit");
  }
  return array;
}

std::string Described(const py::array& array) {
  return TextOf(array.dtype()) + " " + ShapeText({array.shape(), array.shape() + array.ndim()});
}

crf::Compatibility CompatibilityOf(const py::object& value) {
  if (!LengthOf(value)) return crf::Compatibility::Potts(NumberOf(value, "compat"));
  const py::array given = py::module_::import("numpy").attr("asarray")(value);
  if (std::string_view("biuf").find(given.dtype().kind()) == std::string_view::npos) {
    BadType("compat", "a number, a vector or a matrix of numbers", value);
  }
  const auto floats = py::array_t<float, py::array::c_style | py::array::forcecast>::ensure(given);
  if (!floats) throw py::error_already_set();
  const std::span<const float> values = Values<float>(floats);
  if (floats.ndim() == 1) return crf::Compatibility::PerLabel({values.begin(), values.end()});
  if (floats.ndim() != 2 || floats.shape(0) != floats.shape(1)) {
    throw py::value_error("compat: expected a number, a vector [L] or a matrix [L, L], got " +
                          Described(given));
  }
  return crf::Compatibility::Matrix({values.begin(), values.end()});
}

py::array_t<float> ToArray(std::vector<float>&& values, const std::vector<py::ssize_t>& shape) {
  auto owned = std::make_unique<std::vector<float>>(std::move(values));
  float* data = owned->data();
  const py::capsule owner(owned.get(), [](void* p) { delete static_cast<std::vector<float>*>(p); });
  static_cast<void>(owned.release());
  return py::array_t<float>(shape, data, owner);
}

std::string Renamed(const std::string& message, const Names& names) {
  for (const auto& [from, to] : names) {
    if (message.size() > from.size() && message.compare(0, from.size(), from) == 0 &&
        message[from.size()] == ':') {
      return std::string(to) + message.substr(from.size());
    }
  }
  return message;
}

}  // namespace i2crc::python
