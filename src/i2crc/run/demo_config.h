// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace i2crc {

// The demo's configuration: the practical recipe with small networks from scratch, for a laptop.
// Settings were found on scene seed 1; the scenes of the five seeds that docs/results.md shows were
// not looked at for it.
inline constexpr const char* kDemoConfig =
    R"(# Small networks from scratch on synthetic scenes, for a laptop.
[run]
recipe = "practical"
out = "run"
images = "data/JPEGImages"
saliency = "data/Saliency"
truth = "data/SegmentationClass"
train = "data/train.txt"
val = "data/val.txt"
classes = "data/classes.txt"

[train-cls]
arch = "resnet18"
width = 0.25
input-size = 128
epochs = 24
batch = 10
lr = 0.02
lr-milestones = [14, 20]
lr-head-factor = 1
jitter-hue = 0.02
precision = "fp32"

[cam]
scales = [1]
flip = false
precision = "fp32"

[train-seg]
arch = "deeplab-resnet18"
width = 0.25
crop = 161
crop-scales = [0.8, 1, 1.2]
batch = 8
lr = 0.03
lr-head-factor = 1
weight-decay = 5e-4
precision = "fp32"
jitter-brightness = 0
jitter-contrast = 0
jitter-saturation = 0

[train-seg-1]
iterations = 600

[train-seg-2]
iterations = 1200
)";

}  // namespace i2crc
