// SPDX-License-Identifier: Apache-2.0
#include "i2crc/cli/network_command_help.h"

namespace i2crc {

CommandHelp SaliencyHelp() {
  return {
      .name = "saliency",
      .summary = "saliency maps of photographs by a detector given as ONNX",
      .details =
          "Writes OUT/ID.png, 8-bit grey in the photograph's size, 255 where it is most salient.",
      .positionals = {}};
}

CommandHelp TrainTagsHelp() {
  return {.name = "train-tags",
          .summary = "a network that tells the tags of photographs",
          .details =
              "Logistic regression on the features of a backbone that stays as it is: minutes "
              "instead of hours. predict --tags guessed --attention OUT/checkpoint.safetensors "
              "uses it; OUT/report.json says how well it tells photographs that it did not "
              "learn from.",
          .positionals = {}};
}

CommandHelp TrainClsHelp() {
  return {
      .name = "train-cls",
      .summary = "train the attention network on tags and saliency maps",
      .details =
          "Defaults are the paper's. Weights of 0 for --intra-foreground, --intra-background and "
          "--inter train the plain CAM baseline. Given the same --out again it goes on where it "
          "was "
          "cut off.",
      .positionals = {}};
}

CommandHelp CamHelp() {
  return {.name = "cam",
          .summary = "attention maps of a trained attention network",
          .details = "Writes OUT/ID_k.png for every tag k of every image of the list.",
          .positionals = {}};
}

CommandHelp ObjectsHelp() {
  return {.name = "objects",
          .summary = "maps of the tags' objects, beside a detector's or in place of them",
          .details =
              "What attention sees a part of, grown to all that looks alike in all photographs "
              "of the list; with --saliency what these maps and a detector's say together. "
              "label and predict take OUT as --saliency. OUT/report.json says what share of the "
              "photographs was taken for objects.",
          .positionals = {}};
}

CommandHelp TrainSegHelp() {
  return {.name = "train-seg",
          .summary = "train a segmentation network on masks",
          .details =
              "Masks hold 0 for background, k + 1 for class k and 255 for ignored pixels. "
              "Defaults are the "
              "paper's. Given the same --out again it goes on where it was cut off.",
          .positionals = {}};
}

CommandHelp PredictHelp() {
  return {.name = "predict",
          .summary = "masks of photographs by a trained segmentation network",
          .details =
              "Writes OUT/ID.png, a palette PNG with 0 for background and k + 1 for class k. "
              "With --crf the dense CRF fits the probabilities to the photograph first.",
          .positionals = {}};
}

CommandHelp RunHelp() {
  return {.name = "run",
          .summary = "all stages into one run directory",
          .details =
              "Stages, each into OUT/STAGE: saliency, train-tags, train-cls, cam, objects, "
              "label, the first round's train-seg-1a, 1b and predict-train, choose-labels, "
              "train-seg-2, predict-tagged, masks, predict-val, eval; recipe paper has "
              "train-seg-1, predict-train, refine instead of the first round, and no masks. The "
              "configuration holds [run] and a section for each command; [train-seg] serves both "
              "networks, [train-seg-1] and [train-seg-2] override it. Run again, finished stages "
              "are skipped, those whose options or inputs changed are done over, and an "
              "interrupted one goes on.",
          .positionals = {}};
}

CommandHelp DemoHelp() {
  return {.name = "demo",
          .summary = "the whole method on synthetic scenes, in minutes, with a summary",
          .details =
              "Draws scenes (synth), runs all stages on them with small networks from scratch, "
              "and compares with "
              "attention maps without relation losses and with the ceiling, a network trained "
              "on the true masks.",
          .positionals = {}};
}

}  // namespace i2crc
