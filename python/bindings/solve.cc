// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <system_error>

#include "arguments.h"
#include "i2crc/threads/threads.h"
#include "module.h"

namespace i2crc::python {
namespace {

// One image with all that its thread needs: views of arrays that live as long as it does.
struct Task {
  std::string image_name;
  std::string planes_name;
  py::array image;
  py::array planes;
  py::array result;
  std::span<const uint8_t> rgb;
  std::span<const float> values;  // [labels, height, width]
  std::span<float> marginals;     // one of these two is empty
  std::span<int32_t> label_map;
  int labels = 0;
  int height = 0;
  int width = 0;
};

const Names kOptionNames = {{"instruction set", "instruction_set"}};

struct Problem {
  crf::PairwiseSettings settings;
  bool is_energy = false;
  float clip = 0;
};

crf::PairwiseSettings PresetNamed(const std::string& name) {
  if (name == "deeplab") return SettingsOf(crf::Preset::kDeeplab);
  if (name == "psa") return SettingsOf(crf::Preset::kPsa);
  if (name == "irn") return SettingsOf(crf::Preset::kIrn);
  throw py::value_error("preset: \"" + name + "\", expected deeplab, psa or irn");
}

crf::Precision PrecisionNamed(const std::string& name) {
  if (name == "auto") return crf::Precision::kAuto;
  if (name == "single") return crf::Precision::kSingle;
  if (name == "packed") return crf::Precision::kPacked;
  throw py::value_error("precision: \"" + name + "\", expected auto, single or packed");
}

// The preset's settings, and over them those that are not None.
crf::PairwiseSettings SettingsFrom(const std::string& preset, const py::dict& given) {
  crf::PairwiseSettings settings = PresetNamed(preset);
  const auto set = [&](const char* name, float& value, bool is_sigma) {
    const py::object number = given[name];
    if (!number.is_none()) value = NumberOf(number, name);
    if (!std::isfinite(value) || (is_sigma && value <= 0)) {
      throw py::value_error(std::string(name) + ": " + std::to_string(value) +
                            ", expected a finite number" + (is_sigma ? " above 0" : ""));
    }
  };
  set("gaussian_sigma", settings.gaussian_sigma, true);
  set("gaussian_weight", settings.gaussian_weight, false);
  set("bilateral_sigma_xy", settings.bilateral_sigma_xy, true);
  set("bilateral_sigma_rgb", settings.bilateral_sigma_rgb, true);
  set("bilateral_weight", settings.bilateral_weight, false);
  const py::object iterations = given["iterations"];
  if (!iterations.is_none()) settings.iterations = IntOf(iterations, "iterations");
  return settings;
}

// Image and planes of any layout and float type become what the library works on.
Task TaskOf(const py::object& image, const py::object& planes, bool is_energy, bool return_labels,
            const std::string& index) {
  Task task;
  task.image_name = index.empty() ? "image" : "images" + index;
  const std::string one = is_energy ? "energy" : "probability";
  task.planes_name = index.empty() ? one : (is_energy ? "energies" : "probabilities") + index;
  const py::array rgb = AnyArrayOf(image, task.image_name, "u");
  if (rgb.itemsize() != 1 || rgb.ndim() != 3 || rgb.shape(2) != 3) {
    throw py::value_error(task.image_name + ": expected uint8 [H, W, 3], got " + Described(rgb));
  }
  task.height = IntOf(rgb.shape(0), task.image_name);
  task.width = IntOf(rgb.shape(1), task.image_name);
  const py::array given = AnyArrayOf(planes, task.planes_name, "f");
  const bool flat = is_energy && given.ndim() == 2 && given.shape(1) == rgb.shape(0) * rgb.shape(1);
  if (!flat &&
      (given.ndim() != 3 || given.shape(1) != task.height || given.shape(2) != task.width)) {
    throw py::value_error(task.planes_name + ": expected [L, " + std::to_string(task.height) +
                          ", " + std::to_string(task.width) + "] as the image's size, got " +
                          Described(given));
  }
  task.labels = IntOf(given.shape(0), task.planes_name);
  using Bytes = py::array_t<uint8_t, py::array::c_style | py::array::forcecast>;
  using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;
  task.image = Bytes::ensure(rgb);
  task.planes = Floats::ensure(given);
  if (!task.image || !task.planes) throw py::error_already_set();
  task.rgb = Values<uint8_t>(task.image);
  task.values = Values<float>(task.planes);
  if (return_labels) {
    task.result = py::array_t<int32_t>(std::vector<py::ssize_t>{task.height, task.width});
    task.label_map = {static_cast<int32_t*>(task.result.mutable_data()),
                      static_cast<size_t>(task.result.size())};
  } else {
    task.result =
        py::array_t<float>(std::vector<py::ssize_t>{task.labels, task.height, task.width});
    task.marginals = {static_cast<float*>(task.result.mutable_data()),
                      static_cast<size_t>(task.result.size())};
  }
  return task;
}

// What crf::AddTerms adds, each term with its own names in front of what does not fit.
void AddNamedTerms(crf::DenseCrf& crf, const crf::PairwiseSettings& settings,
                   std::span<const uint8_t> rgb) {
  WithNames({{"sigma_x", "gaussian_sigma"}, {"sigma_y", "gaussian_sigma"}}, [&] {
    crf.AddGaussian(settings.gaussian_sigma, settings.gaussian_sigma,
                    crf::Compatibility::Potts(settings.gaussian_weight));
  });
  const Names bilateral = {{"sigma_x", "bilateral_sigma_xy"},
                           {"sigma_y", "bilateral_sigma_xy"},
                           {"sigma_rgb", "bilateral_sigma_rgb"}};
  const float sigma_rgb = settings.bilateral_sigma_rgb;
  WithNames(bilateral, [&] {
    crf.AddBilateral(settings.bilateral_sigma_xy, settings.bilateral_sigma_xy,
                     {sigma_rgb, sigma_rgb, sigma_rgb}, rgb,
                     crf::Compatibility::Potts(settings.bilateral_weight));
  });
}

void Work(crf::DenseCrf& crf, const Problem& problem, const Task& task) {
  const Names names = {{"energy", task.planes_name}, {"probability", task.planes_name},
                       {"labels", task.planes_name}, {"height", task.image_name},
                       {"width", task.image_name},   {"height and width", task.image_name}};
  WithNames(names, [&] {
    crf.Reset(task.labels, task.height, task.width);
    if (problem.is_energy) {
      crf.SetUnary(task.values);
    } else {
      crf.SetProbability(task.values, problem.clip);
    }
    AddNamedTerms(crf, problem.settings, task.rgb);
    crf.Infer(problem.settings.iterations);
    if (task.marginals.empty()) {
      crf.ArgMax(task.label_map);
    } else {
      crf.Marginals(task.marginals);
    }
  });
}

// Other threads work, without the interpreter's lock; this one looks for Ctrl-C meanwhile, upon
// which no further image is begun.
void WorkThrough(const std::vector<Task>& tasks, const Problem& problem, int threads,
                 const crf::DenseCrfOptions& options) {
  std::atomic<bool> stop{false};
  const auto count = static_cast<int64_t>(tasks.size());
  const auto work_through = [&] {
    crf::ForEachImage(count, threads, options, [&](crf::DenseCrf& crf, int64_t i) {
      if (!stop) Work(crf, problem, tasks[static_cast<size_t>(i)]);
    });
  };
  std::future<void> work;
  try {
    work = std::async(std::launch::async, work_through);
  } catch (const std::system_error&) {
    // No thread to be had: this one does the work, and Ctrl-C comes after it.
    const py::gil_scoped_release release;
    WithNames(kOptionNames, work_through);
    return;
  }
  while (true) {
    {
      const py::gil_scoped_release release;
      if (work.wait_for(std::chrono::milliseconds(50)) == std::future_status::ready) break;
    }
    if (PyErr_CheckSignals() == 0) continue;
    stop = true;
    {
      const py::gil_scoped_release release;
      work.wait();
    }
    throw py::error_already_set();
  }
  WithNames(kOptionNames, [&] { work.get(); });
}

py::list Solve(const py::list& images, const py::list& planes, bool batch, bool is_energy,
               const py::object& preset, const py::dict& settings, const py::object& clip,
               const py::object& threads, const py::object& precision,
               const py::object& instruction_set, bool return_labels) {
  const Problem problem{SettingsFrom(StringOf(preset, "preset"), settings), is_energy,
                        NumberOf(clip, "clip")};
  const int team = IntOf(threads, "threads");
  if (team < 0) throw py::value_error("threads: " + std::to_string(team) + " is negative");
  if (team > kMostThreads) {
    throw py::value_error("threads: " + std::to_string(team) + ", expected 0 to " +
                          std::to_string(kMostThreads));
  }
  crf::DenseCrfOptions options;
  options.threads = batch ? 1 : team;
  options.precision = PrecisionNamed(StringOf(precision, "precision"));
  const std::string set = StringOf(instruction_set, "instruction_set");
  WithNames(kOptionNames, [&] { options.instruction_set = crf::InstructionSetNamed(set); });
  if (images.size() != planes.size()) {
    throw py::value_error(std::string(is_energy ? "energies: " : "probabilities: ") +
                          std::to_string(planes.size()) + " for " + std::to_string(images.size()) +
                          " images");
  }
  std::vector<Task> tasks;
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string index = batch ? "[" + std::to_string(i) + "]" : "";
    tasks.push_back(TaskOf(images[i], planes[i], is_energy, return_labels, index));
  }
  WorkThrough(tasks, problem, batch ? team : 1, options);
  py::list results;
  for (const Task& task : tasks) results.append(task.result);
  return results;
}

}  // namespace

void AddSolve(py::module_& module) {
  using namespace py::literals;
  module.def("solve", &Solve, "images"_a, "planes"_a, "batch"_a, "is_energy"_a, "preset"_a,
             "settings"_a, "clip"_a, "threads"_a, "precision"_a, "instruction_set"_a,
             "return_labels"_a);
}

}  // namespace i2crc::python
