// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/command.h"
#include "i2crc/synth/synth.h"
#include "i2crc/threads/threads.h"

namespace i2crc {
namespace {

struct SynthCommandOptions {
  SynthOptions scenes;
  int threads = 0;
};

void Describe(SynthCommandOptions& o, OptionSet& set) {
  Describe(o.scenes, set);
  set.Add("threads", &o.threads, "Threads to draw on; 0: all cores")
      .Range(0, kMostThreads)
      .Group("General");
}

}  // namespace

Command SynthCommand() {
  return MakeCommand<SynthCommandOptions>(
      {.name = "synth",
       .summary = "draw a dataset of synthetic scenes with true masks and saliency maps",
       .details = "Writes JPEGImages, SegmentationClass, Saliency, train.txt, val.txt and "
                  "classes.txt into OUT. The same options give the same bytes.",
       .positionals = {}},
      [](const SynthCommandOptions& options, const ParsedCommandLine&, Context& context) {
        const SynthResult result =
            PrepareSynth(options.scenes, ThreadCount(options.threads)).Run(context);
        context.log().info(
            "synth: {} scenes for training, {} for validation, {} of them with one tag, in {}",
            result.train, result.val, result.one_tag, options.scenes.out.string());
        return 0;
      });
}

}  // namespace i2crc
