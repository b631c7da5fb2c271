// SPDX-License-Identifier: Apache-2.0
#include "i2crc/metrics/score_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

using Json = nlohmann::ordered_json;

Json NumberOrNull(const std::optional<double>& number) {
  return number.has_value() ? Json(*number) : Json(nullptr);
}

std::string Percent(const std::optional<double>& share) {
  return share.has_value() ? fmt::format("{:.2f}", 100 * *share) : "-";
}

// The columns on screen that fmt gives a text: its own width rule, which it also pads by.
size_t DisplayWidth(const std::string& text) {
  size_t width = 0;
  while (fmt::format("{:<{}}", text, width).size() == text.size()) ++width;
  return width - 1;
}

}  // namespace

Json ScoreReport::ToJson() const {
  Json json;
  json["mean_iou"] = mean_iou();
  json["pixel_accuracy"] = pixel_accuracy;
  json["images"] = images.scored;
  json["images_wholly_ignored"] = images.wholly_ignored;
  json["images_left_out"] = images.left_out;
  json["pixels"] = pixels;
  json["ignored_share"] = ignored_share;
  json["mean_iou_ignored_left_out"] = mean_iou_ignored_left_out;
  json["mean_iou_ignored_as_background"] = mean_iou_ignored_as_background;
  Json classes = Json::array();
  for (const Row& row : rows)
    classes.push_back({{"name", row.name},
                       {"iou", NumberOrNull(row.iou)},
                       {"iou_ignored_left_out", NumberOrNull(row.iou_left_out)},
                       {"truth_pixels", row.truth_pixels}});
  json["classes"] = std::move(classes);
  if (!curve.empty()) {
    json["best_threshold"] = NumberOrNull(best_threshold);
    Json points = Json::array();
    for (size_t i = 0; i < curve.size(); ++i)
      points.push_back({{"threshold", static_cast<double>(i + 1) / 100}, {"mean_iou", curve[i]}});
    json["curve"] = std::move(points);
  }
  return json;
}

std::string ScoreReport::ToText() const {
  size_t width = std::string("class").size();
  for (const Row& row : rows) width = std::max(width, DisplayWidth(row.name));
  std::string text =
      fmt::format("{:<{}}  {:>6}  {:>12}\n", "class", width, "IoU %", "truth pixels");
  for (const Row& row : rows)
    text +=
        fmt::format("{:<{}}  {:>6}  {:>12}\n", row.name, width, Percent(row.iou), row.truth_pixels);
  text += fmt::format("{} images, pixel accuracy {} %\n", images.scored, Percent(pixel_accuracy));
  if (images.left_out > 0) text += fmt::format("{} images left out\n", images.left_out);
  if (ignored_share > 0)
    text += fmt::format(
        "ignored {} % of the pixels ({} images wholly): mIoU {} % without them, {} % as "
        "background\n",
        Percent(ignored_share), images.wholly_ignored, Percent(mean_iou_ignored_left_out),
        Percent(mean_iou_ignored_as_background));
  const std::string where =
      best_threshold.has_value() ? fmt::format(" at threshold {:.2f}", *best_threshold) : "";
  return text + fmt::format("mIoU {} %{}\n", Percent(mean_iou()), where);
}

ScoreReport MakeScoreReport(const Confusion& confusion, std::span<const std::string> class_names,
                            const ScoredImages& images) {
  ENSURE(class_names.size() + 1 == static_cast<size_t>(confusion.labels()), "{} names, {} labels",
         class_names.size(), confusion.labels());
  using Ignored = Confusion::Ignored;
  ScoreReport report;
  for (int label = 0; label < confusion.labels(); ++label)
    report.rows.push_back(
        {.name = label == 0 ? "background" : class_names[static_cast<size_t>(label - 1)],
         .iou = confusion.Iou(label, Ignored::kAsBackground),
         .iou_left_out = confusion.Iou(label, Ignored::kLeftOut),
         .truth_pixels = confusion.truth_pixels(label)});
  report.images = images;
  report.pixels = confusion.pixels();
  report.pixel_accuracy = confusion.PixelAccuracy();
  report.ignored_share = confusion.IgnoredShare();
  report.mean_iou_ignored_as_background = confusion.MeanIou(Ignored::kAsBackground);
  report.mean_iou_ignored_left_out = confusion.MeanIou(Ignored::kLeftOut);
  return report;
}

ScoreReport MakeScoreReport(const ThresholdCurve& curve, std::span<const std::string> class_names,
                            const ScoredImages& images) {
  const int best = curve.best_step();
  ScoreReport report = MakeScoreReport(curve.At(best), class_names, images);
  for (int step = 1; step <= ThresholdCurve::kSteps; ++step)
    report.curve.push_back(curve.At(step).MeanIou());
  report.best_threshold = best / 100.0;
  return report;
}

}  // namespace i2crc
