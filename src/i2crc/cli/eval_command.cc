// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <vector>

#include "i2crc/cli/command.h"
#include "i2crc/steps/eval_step.h"

namespace i2crc {
namespace {

// Ten thresholds a line.
std::string CurveText(const std::vector<double>& curve) {
  std::string text = "mIoU % by threshold\n     ";
  for (int hundredth = 0; hundredth < 10; ++hundredth) text += fmt::format("   .0{}", hundredth);
  for (size_t step = 0; step <= curve.size(); ++step) {
    if (step % 10 == 0) text += fmt::format("\n0.{}  ", step / 10);
    // Threshold 0 is not on the curve.
    text += step == 0 ? fmt::format("{:>6}", "") : fmt::format("{:>6.2f}", 100 * curve[step - 1]);
  }
  return text + "\n";
}

}  // namespace

Command EvalCommand() {
  return MakeCommand<EvalOptions>(
      {.name = "eval",
       .summary = "scores of masks or attention maps against true masks",
       .details =
           "Prints a table of every class and the mIoU over background and classes; classes "
           "without "
           "a pixel in the truth are left out of the mean, true pixels of 255 are not scored, "
           "predicted ones of 255 are scored both ways. With --cams it prints the mIoU at every "
           "threshold, and the table at the best.",
       .positionals = {}},
      [](const EvalOptions& options, const ParsedCommandLine&, Context& context) {
        const EvalResult result = PrepareEval(options, context).Run(context);
        std::string text = result.report.ToText();
        if (!result.report.curve.empty()) text = CurveText(result.report.curve) + "\n" + text;
        std::fputs(text.c_str(), stdout);
        if (!result.below_min_miou) return 0;
        context.log().warn("eval: mIoU {:.4f} % is below --min-miou {}",
                           100 * result.report.mean_iou(), options.min_miou);
        return 1;
      });
}

}  // namespace i2crc
