# SPDX-License-Identifier: Apache-2.0
"""dense_crf and dense_crf_batch."""

import signal
import threading
import time
import unittest

import numpy as np

import i2crc_crf.densecrf as dcrf
from i2crc_crf import dense_crf, dense_crf_batch, utils
from support import made_image, made_probability

HEIGHT, WIDTH, LABELS = 24, 32, 4
SETTINGS = dict(gaussian_sigma=2, gaussian_weight=3.5, bilateral_sigma_xy=20,
                bilateral_sigma_rgb=13, bilateral_weight=5, iterations=4)


def expected_marginals(image, energy, settings):
    labels, (height, width, _) = len(energy), image.shape
    crf = dcrf.DenseCRF2D(width, height, labels)
    crf.setUnaryEnergy(energy.reshape(labels, -1))
    crf.addPairwiseGaussian(settings["gaussian_sigma"], settings["gaussian_weight"])
    crf.addPairwiseBilateral(settings["bilateral_sigma_xy"], settings["bilateral_sigma_rgb"],
                             image, settings["bilateral_weight"])
    return np.array(crf.inference(settings["iterations"])).reshape(labels, height, width)


class OneImage(unittest.TestCase):
    def setUp(self):
        self.image = made_image(HEIGHT, WIDTH)
        self.probability = made_probability(LABELS, HEIGHT, WIDTH)
        self.energy = utils.unary_from_softmax(self.probability)

    def test_every_setting_counts(self):
        marginals = dense_crf(self.image, self.probability, **SETTINGS)
        self.assertEqual((marginals.dtype, marginals.shape), (np.float32, self.probability.shape))
        expected = expected_marginals(self.image, self.energy, SETTINGS)
        np.testing.assert_allclose(marginals, expected, atol=1e-5)
        for name in SETTINGS:
            changed = dict(SETTINGS, **{name: SETTINGS[name] + 1})
            with self.subTest(name):
                made = dense_crf(self.image, self.probability, **changed)
                np.testing.assert_allclose(
                    made, expected_marginals(self.image, self.energy, changed), atol=1e-5)
                self.assertGreater(np.abs(made - marginals).max(), 1e-3)

    def test_presets(self):
        for preset, numbers in [(None, (1, 3, 67, 3, 4, 10)), ("deeplab", (1, 3, 67, 3, 4, 10)),
                                ("psa", (3, 3, 80, 13, 10, 10)), ("irn", (3, 3, 50, 5, 10, 10))]:
            with self.subTest(preset):
                settings = dict(zip(SETTINGS, numbers))
                np.testing.assert_allclose(
                    dense_crf(self.image, self.probability, preset=preset),
                    expected_marginals(self.image, self.energy, settings), atol=1e-5)
                settings["iterations"] = 2
                np.testing.assert_allclose(
                    dense_crf(self.image, self.probability, preset=preset, iterations=2),
                    expected_marginals(self.image, self.energy, settings), atol=1e-5)

    def test_energy(self):
        labels = self.probability.argmax(axis=0)
        energy = utils.unary_from_labels(labels, LABELS, 0.7, zero_unsure=False)
        flat = dense_crf(self.image, energy=energy, preset="irn")
        solid = dense_crf(self.image, energy=energy.reshape(LABELS, HEIGHT, WIDTH), preset="irn")
        np.testing.assert_array_equal(flat, solid)
        settings = dict(zip(SETTINGS, (3, 3, 50, 5, 10, 10)))
        np.testing.assert_allclose(
            flat, expected_marginals(self.image, energy, settings), atol=1e-5)

    def test_labels(self):
        marginals = dense_crf(self.image, self.probability)
        labels = dense_crf(self.image, self.probability, return_labels=True)
        self.assertEqual((labels.dtype, labels.shape), (np.int32, (HEIGHT, WIDTH)))
        np.testing.assert_array_equal(labels, marginals.argmax(axis=0))

    def test_clip(self):
        hard = np.eye(LABELS, dtype=np.float32)[self.probability.argmax(axis=0)]
        hard = hard.transpose(2, 0, 1)
        self.assertFalse(hard.flags.c_contiguous)
        for clip in (1e-5, 0.1):
            np.testing.assert_allclose(
                dense_crf(self.image, hard, clip=clip, **SETTINGS),
                expected_marginals(
                    self.image, utils.unary_from_softmax(hard, clip=clip), SETTINGS), atol=1e-5)

    def test_types_and_layouts(self):
        exact = self.probability.astype(np.float16)
        expected = dense_crf(self.image, exact)
        for dtype in (np.float32, np.float64, ">f4"):
            np.testing.assert_array_equal(dense_crf(self.image, exact.astype(dtype)), expected)
        turned = np.asfortranarray(self.image)[:, ::-1][:, ::-1]
        self.assertFalse(turned.flags.c_contiguous)
        np.testing.assert_array_equal(dense_crf(turned, np.asfortranarray(exact)), expected)

    def test_how_it_is_done_hardly_counts(self):
        expected = dense_crf(self.image, self.probability, precision="single")
        for threads in (0, 2, 3):
            np.testing.assert_array_equal(
                dense_crf(self.image, self.probability, precision="single", threads=threads),
                expected)
        np.testing.assert_allclose(
            dense_crf(self.image, self.probability, instruction_set="portable"), expected,
            atol=1e-3)
        try:
            packed = dense_crf(self.image, self.probability, precision="packed")
        except ValueError as error:  # a machine without instructions for it
            self.assertRegex(str(error), "^precision: ")
        else:
            np.testing.assert_allclose(packed, expected, atol=1e-3)

    def refused(self, error, name, *arguments, **named):
        with self.subTest(name=name, named=named), self.assertRaisesRegex(error, f"^{name}: "):
            dense_crf(*arguments, **named)

    def test_bad_arrays(self):
        image, probability = self.image, self.probability
        for bad in (image[:5], image.transpose(1, 0, 2)):
            self.refused(ValueError, "probability", bad, probability)
        for bad in (image[..., 0], image[..., :2], image.astype(np.uint16), image / 255.0,
                    image.astype(np.int8)):
            self.refused(ValueError, "image", bad, probability)
        self.refused(ValueError, "image", image[:0], probability[:, :0])
        self.refused(TypeError, "image", None, probability)
        self.refused(TypeError, "image", image.tolist(), probability)
        for bad in (probability[0], probability[:, 1:], probability[:0], -probability,
                    probability * np.float32(np.nan), probability + np.inf,
                    probability.astype(int), probability.reshape(LABELS, -1)):
            self.refused(ValueError, "probability", image, bad)
        self.refused(TypeError, "probability", image, probability.tolist())
        self.refused(TypeError, "probability", image)
        self.refused(TypeError, "probability", image, probability, energy=probability)
        self.refused(ValueError, "energy", image, energy=self.energy[:, 1:])
        self.refused(ValueError, "energy", image, energy=self.energy - np.float32(np.inf))

    def test_bad_settings(self):
        both = (self.image, self.probability)
        for name in ("gaussian_sigma", "bilateral_sigma_xy", "bilateral_sigma_rgb"):
            for bad in (0, -1, np.nan, np.inf, 1e60, 1e-30):
                self.refused(ValueError, name, *both, **{name: bad})
            self.refused(TypeError, name, *both, **{name: "3"})
            self.refused(TypeError, name, *both, **{name: (3, 3)})
        for name in ("gaussian_weight", "bilateral_weight"):
            for bad in (np.nan, -np.inf, 1e60):
                self.refused(ValueError, name, *both, **{name: bad})
        for name, values in [("iterations", (-1, 2**40)), ("threads", (-1, 1025)),
                             ("clip", (0, -1, 1.5, np.nan)), ("preset", ("voc",)),
                             ("precision", ("double",)), ("instruction_set", ("avx3",))]:
            for bad in values:
                self.refused(ValueError, name, *both, **{name: bad})
        self.refused(TypeError, "iterations", *both, iterations=1.5)
        self.refused(TypeError, "threads", *both, threads="2")
        self.refused(TypeError, "clip", *both, clip=None)
        for name in ("preset", "precision", "instruction_set"):
            self.refused(TypeError, name, *both, **{name: 3})
        with self.assertRaises(TypeError):
            dense_crf(*both, sigma=3)


class Batch(unittest.TestCase):
    def setUp(self):
        self.sizes = [(3, 24, 32), (5, 17, 9), (3, 24, 32), (1, 1, 1), (4, 30, 20)]
        self.images = [made_image(h, w, i) for i, (_, h, w) in enumerate(self.sizes)]
        self.probabilities = [
            made_probability(labels, h, w, i) for i, (labels, h, w) in enumerate(self.sizes)]

    def test_it_is_each_image(self):
        for threads in (0, 1, 3):
            for named in ({}, dict(SETTINGS, return_labels=True)):
                results = dense_crf_batch(
                    self.images, self.probabilities, threads=threads, **named)
                self.assertEqual(len(results), len(self.images))
                for image, probability, result in zip(self.images, self.probabilities, results):
                    np.testing.assert_array_equal(result, dense_crf(image, probability, **named))

    def test_any_iterable(self):
        energies = (utils.unary_from_softmax(p) for p in self.probabilities)
        results = dense_crf_batch(iter(self.images), energies=energies)
        for result, expected in zip(results, dense_crf_batch(self.images, self.probabilities)):
            np.testing.assert_allclose(result, expected, atol=1e-5)
        self.assertEqual(dense_crf_batch([], []), [])

    def test_the_message_says_which(self):
        bad = list(self.probabilities)
        bad[3] = -bad[3]
        with self.assertRaisesRegex(ValueError, r"^probabilities\[3\]: "):
            dense_crf_batch(self.images, bad)
        bad[1] = bad[1][:, 1:]
        with self.assertRaisesRegex(ValueError, r"^probabilities\[1\]: "):
            dense_crf_batch(self.images, bad)
        with self.assertRaisesRegex(ValueError, r"^images\[0\]: "):
            dense_crf_batch([image / 255.0 for image in self.images], bad)
        with self.assertRaisesRegex(ValueError, r"^probabilities: 5 for 4 images"):
            dense_crf_batch(self.images[1:], bad)
        with self.assertRaisesRegex(ValueError, r"^energies\[0\]: "):
            dense_crf_batch(self.images[:1], energies=[self.probabilities[0] * np.nan])

    def test_interrupt(self):
        """Ctrl-C ends a long batch after the images at hand."""
        image, probability = made_image(100, 120), made_probability(5, 100, 120)
        begin = time.monotonic()
        dense_crf(image, probability, iterations=20)
        count = 20 + int(20 / (time.monotonic() - begin))
        timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
        begin = time.monotonic()
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            dense_crf_batch([image] * count, [probability] * count, iterations=20, threads=1,
                            return_labels=True)
        timer.join()
        self.assertLess(time.monotonic() - begin, 10)


if __name__ == "__main__":
    unittest.main()
