// SPDX-License-Identifier: Apache-2.0
#include "crf_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace i2crc::bench {
namespace {

using Json = nlohmann::ordered_json;

// pydensecrf, one thread, a photograph of the same size, 10 iterations, on another machine of this
// kind: what keeps the peer from being a straw man.
constexpr std::pair<int, double> kPydensecrfSeconds[] = {
    {2, 0.46}, {3, 0.69}, {5, 0.95}, {21, 1.86}};

std::string PydensecrfText(int labels) {
  for (const auto& [count, seconds] : kPydensecrfSeconds)
    if (count == labels) return fmt::format("{:.2f}", seconds);
  return "–";
}

std::string Row(const std::vector<std::string>& cells) {
  return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

std::string Head(const std::vector<std::string>& cells) {
  std::string line = Row(cells) + "|";
  for (size_t i = 0; i < cells.size(); ++i) line += i == 0 ? "---|" : "---:|";
  return line + "\n";
}

std::string Milliseconds(double seconds) { return fmt::format("{:.1f}", 1e3 * seconds); }

double Others(const crf::DenseCrfTimes& t, double total) {
  return total - t.build - t.splat - t.blur - t.update - t.convert;
}

double SecondsWithGaussian(const CrfReport& report, const LabelMeasurement& m) {
  return m.image.one_thread.Median() + report.gaussian_build_seconds;
}

std::string AgreementText(const Agreement& a) {
  return fmt::format("labels equal on {:.4f} %, marginals within {:.2g}, {:.1g} in the mean",
                     100 * a.labels_equal, a.largest_difference, a.mean_difference);
}

std::string Setting(const CrfReport& r) {
  std::string text = "# Dense CRF\n\n";
  text += fmt::format("- Machine: {}\n", r.machine);
  text += fmt::format("- Ours: instruction set {}, precision {}; the peer: one thread\n",
                      r.instruction_set, r.precision);
  text += fmt::format("- Image: {}; {:.2f} bilateral and {:.2f} Gaussian vertices a pixel\n",
                      r.image, r.sizes.bilateral, r.sizes.gaussian);
  text +=
      "- CRF: preset deeplab (Gaussian σ 1, weight 3; bilateral σ 67 and 3, weight 4), 10 "
      "iterations\n";
  text += fmt::format("- Probabilities: {}\n", PredictionText());
  for (const GoldenAgreement& golden : r.goldens) {
    text += fmt::format("- Golden {}, the peer: {}\n", golden.name, AgreementText(golden.peer));
    text += fmt::format("- Golden {}, ours: {}\n", golden.name, AgreementText(golden.ours));
  }
  if (r.goldens.empty())
    text += "- The goldens are not there: neither the peer nor ours was held to them\n";
  return text;
}

std::string Problems(const CrfReport& r) {
  std::string text = "\n## The problems, and ours against the peer\n\n";
  text += Head({"labels", "largest probability, mean", "pixels of the rarest label",
                "of the commonest", "labels equal", "marginals within"});
  for (const LabelMeasurement& m : r.measurements)
    text += Row({fmt::format("{}", m.labels), fmt::format("{:.2f}", m.mean_largest),
                 fmt::format("{:.2f} %", 100 * m.least_share),
                 fmt::format("{:.2f} %", 100 * m.most_share),
                 fmt::format("{:.4f} %", 100 * m.agreement.labels_equal),
                 fmt::format("{:.2g}", m.agreement.largest_difference)});
  return text;
}

std::string Images(const CrfReport& r) {
  std::string text = fmt::format(
      "\n## An image\n\nSeconds from energies in to labels out, lattices included; {} repetitions "
      "in turn, minimum / median. Ratios are the peer's median over ours. Ours has seen the size "
      "before and keeps its memory and its Gaussian lattice, whose building takes {:.1f} ms more; "
      "the peer is made anew for every image and builds both lattices, and so would ours under "
      "\"both built\". pydensecrf's figures are from another machine of this kind.\n\n",
      r.options.repetitions, 1e3 * r.gaussian_build_seconds);
  text += Head({"labels", "peer", "ours, one thread", "ours, two threads", "ratio, one thread",
                "two threads", "one thread, both built", "two threads against one", "pydensecrf"});
  for (const LabelMeasurement& m : r.measurements) {
    const Series &peer = m.image.peer, &one = m.image.one_thread, &two = m.image.two_threads;
    const auto both = [](const Series& s) {
      return fmt::format("{:.4f} / {:.4f}", s.Least(), s.Median());
    };
    text += Row({fmt::format("{}", m.labels), both(peer), both(one), both(two),
                 fmt::format("{:.2f}", peer.Median() / one.Median()),
                 fmt::format("{:.2f}", peer.Median() / two.Median()),
                 fmt::format("{:.2f}", peer.Median() / SecondsWithGaussian(r, m)),
                 fmt::format("{:.2f}", one.Median() / two.Median()), PydensecrfText(m.labels)});
  }
  return text;
}

std::string Phases(const CrfReport& r) {
  std::string text =
      "\n## Phases\n\nMilliseconds an image, one thread, median of each. Update is slice, energies "
      "and softmax in ours, and where splat is 0 the next iteration's splat too; the peer's slice "
      "stands apart from its energies and softmax.\n\n";
  text += Head({"labels", "build", "splat", "blur", "update", "convert", "other", "peer: build",
                "splat", "blur", "slice", "update"});
  for (const LabelMeasurement& m : r.measurements) {
    const crf::DenseCrfTimes& t = m.image.phases;
    const PlainTimes& p = m.image.peer_phases;
    text += Row({fmt::format("{}", m.labels), Milliseconds(t.build), Milliseconds(t.splat),
                 Milliseconds(t.blur), Milliseconds(t.update), Milliseconds(t.convert),
                 Milliseconds(Others(t, m.image.one_thread.Median())), Milliseconds(p.build),
                 Milliseconds(p.splat), Milliseconds(p.blur), Milliseconds(p.slice),
                 Milliseconds(p.update)});
  }
  return text;
}

std::string Batches(const CrfReport& r) {
  std::string text = fmt::format(
      "\n## A batch\n\nImages a second, one thread an image, each thread's first Gaussian lattice "
      "included; the image and its mirrors in turn. {} repetitions: best rates, median of the "
      "ratios.\n\n",
      r.options.batch_repetitions);
  text += Head({"labels", "images", "one thread", "two threads", "ratio"});
  for (const LabelMeasurement& m : r.measurements) {
    const auto images = static_cast<double>(m.batch.images);
    text += Row({fmt::format("{}", m.labels), fmt::format("{}", m.batch.images),
                 fmt::format("{:.2f}", images / m.batch.one_thread.Least()),
                 fmt::format("{:.2f}", images / m.batch.two_threads.Least()),
                 fmt::format("{:.2f}", m.batch.ratio)});
  }
  return text;
}

std::string Bandwidth(const CrfReport& r) {
  std::string text = fmt::format(
      "\n## Memory\n\nAn iteration on one thread (a tenth of splat, blur and update) against "
      "copying, one thread, read + written: {:.1f} GB/s between arrays of 256 MB, and as much as "
      "the table says where both arrays together are the working set. Bytes of an iteration: "
      "{}\n\n",
      1e-9 * r.copy_rate, TrafficText());
  text += Head({"labels", "row", "blocks", "working set, MB", "an iteration, MB", "ms", "GB/s",
                "copy, GB/s", "share of it", "of 256 MB's"});
  for (const LabelMeasurement& m : r.measurements) {
    const Traffic& t = m.traffic;
    text += Row({fmt::format("{}", m.labels),
                 fmt::format("{:.0f} bytes{}", t.row_bytes, t.packed ? ", packed" : ""),
                 fmt::format("{}", t.blocks), fmt::format("{:.1f}", 1e-6 * t.working_set),
                 fmt::format("{:.1f}", 1e-6 * t.bytes), Milliseconds(t.iteration_seconds),
                 fmt::format("{:.1f}", 1e-9 * t.Rate()),
                 fmt::format("{:.1f}", 1e-9 * t.copy_at_working_set),
                 fmt::format("{:.0f} %", 100 * t.Rate() / t.copy_at_working_set),
                 fmt::format("{:.0f} %", 100 * t.Rate() / r.copy_rate)});
  }
  return text;
}

Json JsonOf(const Agreement& a) {
  return {{"labels_equal", a.labels_equal},
          {"largest_difference", a.largest_difference},
          {"mean_difference", a.mean_difference}};
}

Json JsonOf(const LabelMeasurement& m) {
  const crf::DenseCrfTimes& t = m.image.phases;
  const PlainTimes& p = m.image.peer_phases;
  const double peer = m.image.peer.Median();
  return {{"labels", m.labels},
          {"mean_largest_probability", m.mean_largest},
          {"least_share", m.least_share},
          {"most_share", m.most_share},
          {"agreement", JsonOf(m.agreement)},
          {"peer_seconds", m.image.peer.seconds},
          {"one_thread_seconds", m.image.one_thread.seconds},
          {"two_threads_seconds", m.image.two_threads.seconds},
          {"ratio_one_thread", peer / m.image.one_thread.Median()},
          {"ratio_two_threads", peer / m.image.two_threads.Median()},
          {"phases",
           {{"build", t.build},
            {"splat", t.splat},
            {"blur", t.blur},
            {"update", t.update},
            {"convert", t.convert}}},
          {"peer_phases",
           {{"build", p.build},
            {"splat", p.splat},
            {"blur", p.blur},
            {"slice", p.slice},
            {"update", p.update}}},
          {"batch",
           {{"images", m.batch.images},
            {"one_thread_seconds", m.batch.one_thread.seconds},
            {"two_threads_seconds", m.batch.two_threads.seconds},
            {"ratio", m.batch.ratio}}},
          {"traffic",
           {{"packed", m.traffic.packed},
            {"scattered", m.traffic.scattered},
            {"row_bytes", m.traffic.row_bytes},
            {"energy_bytes", m.traffic.energy_bytes},
            {"blocks", m.traffic.blocks},
            {"bytes", m.traffic.bytes},
            {"working_set", m.traffic.working_set},
            {"iteration_seconds", m.traffic.iteration_seconds},
            {"copy_at_working_set", m.traffic.copy_at_working_set}}}};
}

}  // namespace

std::string ToMarkdown(const CrfReport& report) {
  return Setting(report) + Problems(report) + Images(report) + Phases(report) + Batches(report) +
         Bandwidth(report);
}

std::string ToJson(const CrfReport& r) {
  Json json = {{"machine", r.machine},
               {"instruction_set", r.instruction_set},
               {"precision", r.precision},
               {"image", r.image},
               {"gaussian_vertices_a_pixel", r.sizes.gaussian},
               {"bilateral_vertices_a_pixel", r.sizes.bilateral},
               {"probabilities", PredictionText()},
               {"gaussian_build_seconds", r.gaussian_build_seconds},
               {"copy_256mb", r.copy_rate},
               {"traffic", TrafficText()}};
  for (const GoldenAgreement& golden : r.goldens)
    json["goldens"][golden.name] = {{"peer", JsonOf(golden.peer)}, {"ours", JsonOf(golden.ours)}};
  for (const LabelMeasurement& m : r.measurements) json["measurements"].push_back(JsonOf(m));
  return json.dump(2) + "\n";
}

}  // namespace i2crc::bench
