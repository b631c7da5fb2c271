// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <mutex>

#include "arguments.h"
#include "module.h"

namespace i2crc::python {
namespace {

// pydensecrf's numbers.
enum KernelType { kConstKernel, kDiagKernel, kFullKernel };
enum NormalizationType { kNone, kBefore, kAfter, kSymmetric };

// The types of kernels differ in which parameters pydensecrf would learn; all start as the kernel
// that is asked for, and inference does not tell them apart.
void CheckKernel(const py::object& type) {
  const int kernel = IntOf(type, "kernel");
  if (kernel < kConstKernel || kernel > kFullKernel) {
    throw py::value_error("kernel: expected CONST_KERNEL, DIAG_KERNEL or FULL_KERNEL, got " +
                          std::to_string(kernel));
  }
}

crf::Normalization NormalizationOf(const py::object& type) {
  const int value = IntOf(type, "normalization");
  switch (value) {
    case kNone:
      return crf::Normalization::kNone;
    case kBefore:
      return crf::Normalization::kBefore;
    case kAfter:
      return crf::Normalization::kAfter;
    case kSymmetric:
      return crf::Normalization::kSymmetric;
    default:
      throw py::value_error(
          "normalization: expected NO_NORMALIZATION, NORMALIZE_BEFORE, NORMALIZE_AFTER or "
          "NORMALIZE_SYMMETRIC, got " +
          std::to_string(value));
  }
}

// pydensecrf's ConstUnary: energies that are handed over as an object. Its shape is checked where
// it is set.
class ConstUnary {
 public:
  explicit ConstUnary(const py::object& u)
      : energy_(ArrayOf(u, "u", py::dtype::of<float>(), {-1, -1}).attr("copy")()) {}
  const py::object& energy() const { return energy_; }

 private:
  py::object energy_;
};

// pydensecrf's DenseCRF: any number of terms, the unary set at any time and again, every inference
// from the unary on, which is 0 until it is set.
class PointsCrf {
 public:
  PointsCrf(const py::object& nvar, const py::object& nlabels)
      : PointsCrf(IntOf(nlabels, "nlabels"), 1, IntOf(nvar, "nvar"),
                  {{"labels", "nlabels"}, {"width", "nvar"}, {"height and width", "nvar"}}) {}

  void SetUnaryEnergy(const py::object& u, const py::object& f) {
    if (!f.is_none()) {
      PyErr_SetString(PyExc_NotImplementedError, "f: learning is not part of i2crc_crf");
      throw py::error_already_set();
    }
    const py::array energy = MarginalsOf(u, "u");
    Run({{"energy", "u"}}, [&] {
      crf_.SetUnary(Values<float>(energy));
      has_unary_ = true;
    });
  }

  void SetUnary(const ConstUnary& u) { SetUnaryEnergy(u.energy(), py::none()); }

  void AddPairwiseEnergy(const py::object& features, const py::object& compat,
                         const py::object& kernel, const py::object& normalization) {
    const py::array values = ArrayOf(features, "features", py::dtype::of<float>(), {-1, points()});
    const crf::Compatibility compatibility = CompatibilityOf(compat);
    CheckKernel(kernel);
    const crf::Normalization how = NormalizationOf(normalization);
    const int dims = IntOf(values.shape(0), "features");
    Run({{"dims", "features"}},
        [&] { crf_.AddFeatures(Values<float>(values), dims, compatibility, how); });
  }

  py::array_t<float> Inference(const py::object& niter) {
    const int iterations = IntOf(niter, "niter");
    py::array_t<float> marginals = NewMarginals();
    const std::span<float> to = Writable(marginals);
    Run({{"iterations", "niter"}}, [&] {
      EnsureUnary();
      crf_.Infer(iterations);
      crf_.Marginals(to);
    });
    return marginals;
  }

  // The two others are pydensecrf's working memory, of which none is needed here.
  py::tuple StartInference() {
    py::array_t<float> marginals = NewMarginals();
    const std::span<float> to = Writable(marginals);
    Run({}, [&] {
      EnsureUnary();
      crf_.Start();
      crf_.Marginals(to);
    });
    const std::vector<py::ssize_t> none = {0, 0};
    return py::make_tuple(marginals, py::array_t<float>(none), py::array_t<float>(none));
  }

  void StepInference(const py::object& Q, const py::object& /*tmp1*/, const py::object& /*tmp2*/) {
    py::array marginals = MarginalsOf(Q, "Q");
    if (!marginals.writeable()) throw py::value_error("Q: read-only, and a step changes it");
    const std::span<float> values{static_cast<float*>(marginals.mutable_data()),
                                  static_cast<size_t>(marginals.size())};
    Run({{"marginals", "Q"}}, [&] {
      EnsureUnary();
      crf_.SetMarginals(values);
      crf_.Step();
      crf_.Marginals(values);
    });
  }

  double KlDivergence(const py::object& Q) {
    const py::array marginals = MarginalsOf(Q, "Q");
    double divergence = 0;
    Run({{"marginals", "Q"}}, [&] {
      EnsureUnary();
      crf_.SetMarginals(Values<float>(marginals));
      divergence = crf_.Divergence();
    });
    return divergence;
  }

 protected:
  PointsCrf(int labels, int height, int width, const Names& names) {
    WithNames(names, [&] { crf_.Reset(labels, height, width); });
  }

  // Without the interpreter's lock, but with this object's: threads of Python may share it.
  template <typename Work>
  void Run(const Names& names, const Work& work) {
    const py::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    WithNames(names, work);
  }

  crf::DenseCrf& crf() { return crf_; }

 private:
  void EnsureUnary() {
    if (has_unary_) return;
    crf_.SetUnary(std::vector<float>(static_cast<size_t>(crf_.pixels() * crf_.labels())));
    has_unary_ = true;
  }
  py::ssize_t points() const { return static_cast<py::ssize_t>(crf_.pixels()); }
  py::array MarginalsOf(const py::object& value, const char* name) const {
    return ArrayOf(value, name, py::dtype::of<float>(), {crf_.labels(), points()});
  }
  py::array_t<float> NewMarginals() const {
    return py::array_t<float>(std::vector<py::ssize_t>{crf_.labels(), points()});
  }
  static std::span<float> Writable(py::array_t<float>& marginals) {
    return {marginals.mutable_data(), static_cast<size_t>(marginals.size())};
  }

  crf::DenseCrf crf_;
  std::mutex mutex_;
  bool has_unary_ = false;
};

class ImageCrf : public PointsCrf {
 public:
  ImageCrf(const py::object& w, const py::object& h, const py::object& nlabels)
      : PointsCrf(IntOf(nlabels, "nlabels"), IntOf(h, "h"), IntOf(w, "w"),
                  {{"labels", "nlabels"},
                   {"width", "w"},
                   {"height", "h"},
                   {"height and width", "w and h"}}) {}

  void AddPairwiseGaussian(const py::object& sxy, const py::object& compat,
                           const py::object& kernel, const py::object& normalization) {
    const std::array<float, 2> sigma = SigmaOf<2>(sxy, "sxy");
    const crf::Compatibility compatibility = CompatibilityOf(compat);
    CheckKernel(kernel);
    const crf::Normalization how = NormalizationOf(normalization);
    Run({{"sigma_x", "sxy"}, {"sigma_y", "sxy"}},
        [&] { crf().AddGaussian(sigma[0], sigma[1], compatibility, how); });
  }

  void AddPairwiseBilateral(const py::object& sxy, const py::object& srgb, const py::object& rgbim,
                            const py::object& compat, const py::object& kernel,
                            const py::object& normalization) {
    const std::array<float, 2> sigma = SigmaOf<2>(sxy, "sxy");
    const std::array<float, 3> sigma_rgb = SigmaOf<3>(srgb, "srgb");
    const py::array rgb =
        ArrayOf(rgbim, "rgbim", py::dtype::of<uint8_t>(), {crf().height(), crf().width(), 3});
    const crf::Compatibility compatibility = CompatibilityOf(compat);
    CheckKernel(kernel);
    const crf::Normalization how = NormalizationOf(normalization);
    Run({{"sigma_x", "sxy"}, {"sigma_y", "sxy"}, {"sigma_rgb", "srgb"}, {"rgb", "rgbim"}}, [&] {
      crf().AddBilateral(sigma[0], sigma[1], sigma_rgb, Values<uint8_t>(rgb), compatibility, how);
    });
  }

 private:
  template <size_t kCount>
  static std::array<float, kCount> SigmaOf(const py::object& value, const char* name) {
    const std::vector<double> numbers = NumbersOf(value, name, kCount);
    std::array<float, kCount> sigma;
    for (size_t i = 0; i < kCount; ++i) sigma[i] = NumberOf(py::float_(numbers[i]), name);
    return sigma;
  }
};

}  // namespace

void AddDenseCrfClasses(py::module_& module) {
  using namespace py::literals;
  module.attr("CONST_KERNEL") = int{kConstKernel};
  module.attr("DIAG_KERNEL") = int{kDiagKernel};
  module.attr("FULL_KERNEL") = int{kFullKernel};
  module.attr("NO_NORMALIZATION") = int{kNone};
  module.attr("NORMALIZE_BEFORE") = int{kBefore};
  module.attr("NORMALIZE_AFTER") = int{kAfter};
  module.attr("NORMALIZE_SYMMETRIC") = int{kSymmetric};

  py::class_<ConstUnary>(module, "ConstUnary", "Energies for setUnary.")
      .def(py::init<const py::object&>(), "u"_a,
           "u: float32 [nlabels, nvar], C-contiguous, copied; +inf: a label that cannot be.");

  py::class_<PointsCrf>(module, "DenseCRF", "Dense CRF over nvar points without a grid.")
      .def(py::init<const py::object&, const py::object&>(), "nvar"_a, "nlabels"_a)
      .def("setUnaryEnergy", &PointsCrf::SetUnaryEnergy, "u"_a, "f"_a = py::none(),
           "u: float32 [nlabels, nvar], C-contiguous; +inf: a label that cannot be.")
      .def("setUnary", &PointsCrf::SetUnary, "u"_a, "u: a ConstUnary.")
      .def("addPairwiseEnergy", &PointsCrf::AddPairwiseEnergy, "features"_a, "compat"_a,
           "kernel"_a = int{kDiagKernel}, "normalization"_a = int{kSymmetric},
           "features: float32 [dims, nvar], each divided by its sigma. compat: a number w "
           "(Potts: -w on the diagonal), a vector [nlabels] or a matrix [nlabels, nlabels], "
           "both added to the energy with their own sign. kernel: only learning would differ.")
      .def("inference", &PointsCrf::Inference, "niter"_a,
           "Marginals, float32 [nlabels, nvar], after niter iterations from the unary on.")
      .def("startInference", &PointsCrf::StartInference,
           "(Q, tmp1, tmp2): the marginals before the first iteration, and two empty arrays.")
      .def("stepInference", &PointsCrf::StepInference, "Q"_a, "tmp1"_a, "tmp2"_a,
           "One iteration, from Q into Q. tmp1 and tmp2 are left as they are.")
      .def("klDivergence", &PointsCrf::KlDivergence, "Q"_a, "KL divergence of Q up to a constant.");

  py::class_<ImageCrf, PointsCrf>(module, "DenseCRF2D", "Dense CRF over an image of w x h pixels.")
      .def(py::init<const py::object&, const py::object&, const py::object&>(), "w"_a, "h"_a,
           "nlabels"_a)
      .def("addPairwiseGaussian", &ImageCrf::AddPairwiseGaussian, "sxy"_a, "compat"_a,
           "kernel"_a = int{kDiagKernel}, "normalization"_a = int{kSymmetric},
           "sxy: sigma in pixels, a number or (x, y); the rest as in addPairwiseEnergy.")
      .def("addPairwiseBilateral", &ImageCrf::AddPairwiseBilateral, "sxy"_a, "srgb"_a, "rgbim"_a,
           "compat"_a, "kernel"_a = int{kDiagKernel}, "normalization"_a = int{kSymmetric},
           "sxy and srgb: sigma, a number or (x, y) and (r, g, b); rgbim: uint8 [h, w, 3], "
           "C-contiguous; the rest as in addPairwiseEnergy.");
}

}  // namespace i2crc::python
