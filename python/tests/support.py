# SPDX-License-Identifier: Apache-2.0
"""What several tests need: goldens and a problem of their own."""

import json
import os
import pathlib
import unittest

import numpy as np

_TYPES = {"U8": np.uint8, "I32": np.int32, "F16": np.float16, "F32": np.float32, "F64": np.float64}


def shared(relative):
    """A file of the folder of goldens; where it is not there the test skips and says so."""
    path = pathlib.Path(os.environ.get("I2CRC_SHARED_DIR", "../../../shared")) / relative
    if not path.exists():
        raise unittest.SkipTest(f"needs {path}, not there")
    return path


def read_safetensors(path):
    """Arrays by name, and the metadata."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[begin + first:begin + last], _TYPES[entry["dtype"]])
        arrays[name] = values.reshape(entry["shape"])
    return arrays, metadata


def made_image(height, width, seed=0):
    """Coloured patches with soft noise, uint8 [H, W, 3]."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    patch = (x // (width // 3 + 1)) + 2 * (y // (height // 2 + 1))
    colours = random.randint(40, 216, (8, 3))
    return (colours[patch] + random.randint(-12, 13, (height, width, 3))).astype(np.uint8)


def made_probability(labels, height, width, seed=0):
    """A softmax that prefers a label here and there, float32 [L, H, W]."""
    random = np.random.RandomState(seed + 1)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(0.3 * (k + 1) * x / labels + 0.5 * y + k) for k in range(labels)]
    scores = np.exp(2 * np.stack(waves) + 0.7 * random.randn(labels, height, width))
    return (scores / scores.sum(axis=0)).astype(np.float32)
