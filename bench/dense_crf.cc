// SPDX-License-Identifier: Apache-2.0
// The dense CRF against a plain lattice, in turn in one process: an image and its phases for
// several numbers of labels, one and two threads, a batch, and how near an iteration comes to the
// copy bandwidth. Answers are compared before anything is timed.
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "crf_report.h"
#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/options/command_line.h"
#include "i2crc/threads/threads.h"

namespace i2crc::bench {
namespace {

struct BenchOptions {
  int repetitions = 5;
  std::vector<double> labels = {2, 3, 5, 21, 81};
  std::string instruction_set = "best";
  std::string precision = "auto";
  bool quick = false;
  std::filesystem::path json;
};

void Describe(BenchOptions& o, OptionSet& set) {
  std::vector<std::string> instruction_sets = {"best"};
  for (const crf::InstructionSet one : crf::AvailableInstructionSets())
    instruction_sets.push_back(crf::NameOf(one));
  set.Add("labels", &o.labels, "Numbers of labels to measure, whole").Range(1, 255);
  set.Add("repetitions", &o.repetitions, "Timings of an image").Range(1, 1000);
  set.Add("instruction-set", &o.instruction_set, "Which of ours to measure")
      .OneOf(std::move(instruction_sets));
  set.Add("precision", &o.precision, "How ours keeps values between the passes")
      .OneOf({"auto", "single", "packed"});
  set.Add("quick", &o.quick, "Few and short repetitions; figures are rougher");
  set.Add("json", &o.json, "Also write the figures to this file").Value("FILE");
}

crf::Precision PrecisionNamed(const std::string& name) {
  return name == "single"   ? crf::Precision::kSingle
         : name == "packed" ? crf::Precision::kPacked
                            : crf::Precision::kAuto;
}

MeasureOptions ToMeasureOptions(const BenchOptions& o, bool repetitions_given) {
  MeasureOptions options;
  options.repetitions = o.quick && !repetitions_given ? 2 : o.repetitions;
  options.instruction_set = crf::InstructionSetNamed(o.instruction_set);
  options.precision = PrecisionNamed(o.precision);
  if (o.quick) {
    options.batch_repetitions = 1;
    options.batch_seconds = 0;
    options.copy_rounds = 2;
  }
  return options;
}

std::string Machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string model = "unknown processor";
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(line.find(':') + 2);
    break;
  }
#if defined(__clang__)
  const char* compiler = "";
#else
  const char* compiler = "GCC ";
#endif
  return fmt::format("{}, {} hardware threads; {}{}", model, ThreadCount(0), compiler, __VERSION__);
}

CrfReport Measure(const BenchOptions& o, const MeasureOptions& options) {
  for (const double labels : o.labels)
    if (labels != std::floor(labels)) Fail("--labels {}: not a whole number", labels);
  if (!o.json.empty() &&
      !std::filesystem::is_directory(std::filesystem::absolute(o.json).parent_path()))
    Fail("--json {}: its folder is not there", o.json.string());
  CrfReport report;
  report.options = options;
  report.machine = Machine();
  report.instruction_set = options.instruction_set == crf::InstructionSet::kBest
                               ? crf::NameOf(crf::AvailableInstructionSets().back())
                               : o.instruction_set;
  report.precision = o.precision;

  const std::optional<CrfGolden> golden = ReadCrfGolden("dense_crf_few");
  for (const std::string name : {"dense_crf_few", "dense_crf_21"})
    if (const std::optional<CrfGolden> one = ReadCrfGolden(name))
      report.goldens.push_back(CompareWithGolden(name, *one, options));
  const ImageU8 rgb = WorkloadImage(golden);
  report.image =
      fmt::format("{}, {} × {} pixels",
                  golden ? "the photograph of dense_crf_few, mirrored downwards" : "a drawn scene",
                  rgb.height(), rgb.width());
  report.sizes = SizesOf(rgb);
  // Nothing is timed before all of it gives the right answer.
  for (const double labels : o.labels)
    report.measurements.push_back(CheckLabels(static_cast<int>(labels), rgb, options));
  report.gaussian_build_seconds = GaussianBuildSeconds(rgb, options);
  report.copy_rate = CopyRate(kLargeCopy, options.copy_rounds);
  for (LabelMeasurement& measured : report.measurements) TimeLabels(rgb, options, measured);
  return report;
}

int Run(const std::vector<std::string>& arguments) {
  BenchOptions o;
  OptionSet set;
  Describe(o, set);
  const CommandHelp help{"dense_crf_bench", "Times the dense CRF against a plain lattice", "", {}};
  const ParsedCommandLine line = ParseCommandLine(help, arguments, set, {help.name});
  if (line.help || line.print_config) {
    std::fputs((line.help ? HelpText(help, set) : ToToml(help.name, set)).c_str(), stdout);
    return 0;
  }
  const CrfReport report = Measure(o, ToMeasureOptions(o, set.Find("repetitions")->given()));
  std::fputs(ToMarkdown(report).c_str(), stdout);
  if (!o.json.empty()) WriteFileAtomically(o.json, ToJson(report));
  return 0;
}

}  // namespace
}  // namespace i2crc::bench

int main(int argc, char** argv) {
  try {
    return i2crc::bench::Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dense_crf_bench: %s\n", error.what());
    return 1;
  }
}
