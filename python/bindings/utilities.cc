// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include "arguments.h"
#include "i2crc/crf/unary.h"
#include "module.h"

namespace i2crc::python {
namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

template <typename Value>
py::array_t<Value, py::array::c_style | py::array::forcecast> Converted(const py::array& array) {
  auto converted = py::array_t<Value, py::array::c_style | py::array::forcecast>::ensure(array);
  if (!converted) throw py::error_already_set();
  return converted;
}

std::optional<double> OptionalNumber(const py::object& value, const char* name) {
  if (value.is_none()) return std::nullopt;
  return DoubleOf(value, name);
}

py::array_t<float> UnaryFromLabels(const py::object& labels, const py::object& n_labels,
                                   const py::object& gt_prob, bool zero_unsure) {
  const auto wide = Converted<int64_t>(AnyArrayOf(labels, "labels", "biu"));
  std::vector<int32_t> values;
  values.reserve(static_cast<size_t>(wide.size()));
  for (const int64_t label : Values<int64_t>(wide)) values.push_back(IntOf(label, "labels"));
  const int planes = IntOf(n_labels, "n_labels");
  const double certainty = DoubleOf(gt_prob, "gt_prob");
  std::vector<float> energy;
  WithNames({{"planes", "n_labels"}, {"certainty", "gt_prob"}}, [&] {
    const py::gil_scoped_release release;
    energy = crf::UnaryFromLabels(values, planes, certainty, zero_unsure);
  });
  return ToArray(std::move(energy), {planes, wide.size()});
}

template <typename Value>
py::array_t<float> FromSoftmax(const py::array& probability, std::optional<double> scale,
                               std::optional<double> clip) {
  const auto values = Converted<Value>(probability);
  const int planes = IntOf(values.shape(0), "sm");
  std::vector<float> energy;
  WithNames({{"probability", "sm"}, {"planes", "sm"}}, [&] {
    const py::gil_scoped_release release;
    energy = crf::UnaryFromSoftmax(Values<Value>(values), planes, scale, clip);
  });
  return ToArray(std::move(energy), {planes, values.size() / planes});
}

py::array_t<float> UnaryFromSoftmax(const py::object& sm, const py::object& scale,
                                    const py::object& clip) {
  const py::array probability = AnyArrayOf(sm, "sm", "biuf");
  if (probability.ndim() < 1) {
    throw py::value_error("sm: expected [n_labels, ...], got " + Described(probability));
  }
  const std::optional<double> factor = OptionalNumber(scale, "scale");
  const std::optional<double> lowest = OptionalNumber(clip, "clip");
  return probability.itemsize() > 4 ? FromSoftmax<double>(probability, factor, lowest)
                                    : FromSoftmax<float>(probability, factor, lowest);
}

// [rows, N]
std::vector<py::ssize_t> ShapeOf(const std::vector<float>& features, size_t rows) {
  const size_t points = rows == 0 ? 0 : features.size() / rows;
  return {static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(points)};
}

py::array_t<float> CreatePairwiseGaussian(const py::object& sdims, const py::object& shape) {
  const std::vector<double> sigma = NumbersOf(sdims, "sdims");
  const std::vector<int64_t> lengths = IntsOf(shape, "shape");
  std::vector<float> features;
  WithNames({{"sigma", "sdims"}}, [&] {
    const py::gil_scoped_release release;
    features = crf::GaussianFeatures(sigma, lengths);
  });
  const std::vector<py::ssize_t> result_shape = ShapeOf(features, sigma.size());
  return ToArray(std::move(features), result_shape);
}

py::array_t<float> CreatePairwiseBilateral(const py::object& sdims, const py::object& schan,
                                           const py::object& img, const py::object& chdim) {
  const py::array given = AnyArrayOf(img, "img", "biuf");
  const int axis_of_channels = IntOf(chdim, "chdim");
  const bool grey = axis_of_channels == -1;
  if (!grey && (axis_of_channels < 0 || axis_of_channels >= given.ndim())) {
    throw py::value_error("chdim: " + std::to_string(axis_of_channels) +
                          " is no axis of img, which has " + std::to_string(given.ndim()));
  }
  // The channels in front.
  py::array image = given;
  if (!grey) image = py::module_::import("numpy").attr("moveaxis")(given, axis_of_channels, 0);
  const FloatArray planes = Converted<float>(image);
  const std::vector<int64_t> shape(planes.shape() + (grey ? 0 : 1), planes.shape() + planes.ndim());
  const std::vector<double> sigma = NumbersOf(sdims, "sdims");
  const size_t channels = grey ? 1 : static_cast<size_t>(planes.shape(0));
  const std::vector<double> sigma_channels = NumbersOf(schan, "schan", channels);
  std::vector<float> features;
  WithNames({{"sigma", "sdims"}, {"sigma_channels", "schan"}, {"channels", "img"}}, [&] {
    const py::gil_scoped_release release;
    features = crf::BilateralFeatures(sigma, sigma_channels, shape, Values<float>(planes));
  });
  const std::vector<py::ssize_t> result_shape =
      ShapeOf(features, sigma.size() + sigma_channels.size());
  return ToArray(std::move(features), result_shape);
}

}  // namespace

void AddUtilities(py::module_& module) {
  using namespace py::literals;
  module.def(
      "unary_from_labels", &UnaryFromLabels, "labels"_a, "n_labels"_a, "gt_prob"_a,
      "zero_unsure"_a = true,
      "Energies, float32 [n_labels, N], of labels that hold with certainty gt_prob. "
      "zero_unsure: label 0 means unsure and label k > 0 plane k - 1, else label k plane k.");
  module.def("unary_from_softmax", &UnaryFromSoftmax, "sm"_a, "scale"_a = py::none(),
             "clip"_a = 1e-5,
             "Energies, float32 [n_labels, N], of probabilities [n_labels, ...]: "
             "-log(clip(scale * sm + (1 - scale) / n_labels, clip, 1)). Without a clip 0 becomes "
             "infinite: a label that cannot be.");
  module.def("create_pairwise_gaussian", &CreatePairwiseGaussian, "sdims"_a, "shape"_a,
             "Positions on a grid / sdims, float32 [len(shape), N], in the order of the axes.");
  module.def("create_pairwise_bilateral", &CreatePairwiseBilateral, "sdims"_a, "schan"_a, "img"_a,
             "chdim"_a = -1,
             "Positions / sdims and channels / schan, float32 [axes + channels, N]. chdim: the "
             "axis of the channels; -1: img has none, its values are the one channel.");
}

}  // namespace i2crc::python
