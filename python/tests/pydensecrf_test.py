# SPDX-License-Identifier: Apache-2.0
"""The classes behave as pydensecrf's do, and a script written for it runs with new imports."""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np

import i2crc_crf.densecrf as dcrf
import i2crc_crf.utils as utils
import reference_crf
from support import made_image, made_probability, read_safetensors, shared

HEIGHT, WIDTH, LABELS = 24, 32, 4


def made_unary(seed=0, labels=LABELS):
    return utils.unary_from_softmax(made_probability(labels, HEIGHT, WIDTH, seed))


def made_crf(unary=None):
    crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
    if unary is not None:
        crf.setUnaryEnergy(unary)
    crf.addPairwiseGaussian(sxy=(2, 5), compat=3)
    crf.addPairwiseBilateral((10, 20), (13, 20, 30), made_image(HEIGHT, WIDTH), 4)
    return crf


class Inference(unittest.TestCase):
    def setUp(self):
        self.unary = made_unary()

    def test_against_the_reference(self):
        positions = reference_crf.position_features(HEIGHT, WIDTH, 2, 5)
        colours = reference_crf.colour_features(
            made_image(HEIGHT, WIDTH), (10, 20), (13, 20, 30))
        terms = [(reference_crf.kernel(positions), 3), (reference_crf.kernel(colours), 4)]
        expected, divergences = reference_crf.mean_field(self.unary, terms, 5)
        crf = made_crf(self.unary)
        marginals = np.array(crf.inference(5))
        self.assertEqual((marginals.dtype, marginals.shape), (np.float32, self.unary.shape))
        self.assertLess(np.abs(marginals - expected).max(), 1e-3)
        self.assertAlmostEqual(crf.klDivergence(marginals) / divergences[-1], 1, delta=1e-5)

    def test_compatibilities_and_normalizations(self):
        vector = np.array([-3, -1, -2, -4], np.float32)
        matrix = np.random.RandomState(3).randn(LABELS, LABELS).astype(np.float32)
        features = utils.create_pairwise_gaussian((4, 4), (HEIGHT, WIDTH))
        for name, normalization in [("none", dcrf.NO_NORMALIZATION),
                                    ("before", dcrf.NORMALIZE_BEFORE),
                                    ("after", dcrf.NORMALIZE_AFTER),
                                    ("symmetric", dcrf.NORMALIZE_SYMMETRIC)]:
            kernel = reference_crf.kernel(features, name)
            scale = 0.05 if name == "none" else 1
            for compatibility in (3 * scale, vector * scale, matrix * scale):
                with self.subTest(name, compatibility=compatibility):
                    crf = dcrf.DenseCRF(HEIGHT * WIDTH, LABELS)
                    crf.setUnaryEnergy(self.unary)
                    crf.addPairwiseEnergy(features, compatibility, normalization=normalization)
                    expected, _ = reference_crf.mean_field(
                        self.unary, [(kernel, compatibility)], 3)
                    self.assertLess(np.abs(crf.inference(3) - expected).max(), 1e-3)

    def test_numbers_stand_for_tuples(self):
        image = made_image(HEIGHT, WIDTH)
        both = []
        for sxy, srgb in [(3, 13), ((3, 3), [13, 13, 13]), (np.array([3.0, 3.0]), np.full(3, 13))]:
            crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
            crf.setUnaryEnergy(self.unary)
            crf.addPairwiseGaussian(sxy, 3)
            crf.addPairwiseBilateral(sxy, srgb, image, 3)
            both.append(np.array(crf.inference(3)))
        np.testing.assert_array_equal(both[0], both[1])
        np.testing.assert_array_equal(both[0], both[2])

    def test_kernel_types_infer_the_same(self):
        results = []
        for kernel in (dcrf.CONST_KERNEL, dcrf.DIAG_KERNEL, dcrf.FULL_KERNEL):
            crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
            crf.setUnaryEnergy(self.unary)
            crf.addPairwiseGaussian(3, 3, kernel)
            results.append(np.array(crf.inference(3)))
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])

    def test_a_grid_is_its_features(self):
        crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
        points = dcrf.DenseCRF(HEIGHT * WIDTH, LABELS)
        crf.setUnaryEnergy(self.unary)
        points.setUnaryEnergy(self.unary)
        crf.addPairwiseGaussian((3, 6), 5)
        features = utils.create_pairwise_gaussian((6, 3), (HEIGHT, WIDTH))[::-1].copy()
        points.addPairwiseEnergy(features, 5)
        np.testing.assert_allclose(points.inference(4), crf.inference(4), atol=1e-5)

    def test_the_order_of_calls_does_not_count(self):
        expected = np.array(made_crf(self.unary).inference(4))
        late = made_crf()
        late.setUnaryEnergy(self.unary)
        np.testing.assert_array_equal(late.inference(4), expected)
        again = made_crf(made_unary(seed=7))
        other = np.array(again.inference(4))
        self.assertGreater(np.abs(other - expected).max(), 0.1)
        again.setUnaryEnergy(self.unary)
        for _ in range(2):  # from the unary on each time, also after steps
            np.testing.assert_array_equal(again.inference(4), expected)
            again.stepInference(other, None, None)

    def test_terms_can_follow_an_inference(self):
        crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
        crf.setUnaryEnergy(self.unary)
        alone = np.array(crf.inference(4))
        np.testing.assert_allclose(alone, reference_crf.softmax(-self.unary), atol=1e-6)
        marginals, tmp1, tmp2 = crf.startInference()
        crf.addPairwiseGaussian(sxy=(2, 5), compat=3)
        crf.addPairwiseBilateral((10, 20), (13, 20, 30), made_image(HEIGHT, WIDTH), 4)
        for _ in range(4):
            crf.stepInference(marginals, tmp1, tmp2)
        expected = made_crf(self.unary).inference(4)
        np.testing.assert_allclose(marginals, expected, atol=1e-6)
        np.testing.assert_array_equal(crf.inference(4), expected)

    def test_without_a_unary(self):
        crf = made_crf()
        np.testing.assert_array_equal(crf.inference(0), np.full(self.unary.shape, 1 / LABELS))
        crf.setUnaryEnergy(self.unary)
        np.testing.assert_array_equal(crf.inference(4), made_crf(self.unary).inference(4))

    def test_a_unary_may_be_an_object(self):
        crf = made_crf()
        given = self.unary.copy()
        unary = dcrf.ConstUnary(given)
        given[:] = 0
        crf.setUnary(unary)
        np.testing.assert_array_equal(crf.inference(4), made_crf(self.unary).inference(4))
        with self.assertRaisesRegex(ValueError, "u: expected float32"):
            dcrf.ConstUnary(self.unary.astype(np.float64))
        with self.assertRaisesRegex(ValueError, "u: expected float32"):
            crf.setUnary(dcrf.ConstUnary(self.unary[:, :5].copy()))

    def test_the_caller_keeps_his_arrays(self):
        image = made_image(HEIGHT, WIDTH)
        unary, features = self.unary.copy(), np.ones((1, HEIGHT * WIDTH), np.float32)
        crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
        crf.setUnaryEnergy(unary)
        crf.addPairwiseBilateral(3, 3, image, 3)
        crf.addPairwiseEnergy(features, 1)
        first = crf.inference(3)
        kept = first.copy()
        unary[:], image[:], features[:] = 0, 0, 0
        second = crf.inference(3)
        np.testing.assert_array_equal(second, kept)
        np.testing.assert_array_equal(first, kept)
        first[:] = 0
        np.testing.assert_array_equal(crf.inference(3), kept)


class Steps(unittest.TestCase):
    def test_steps_are_an_inference(self):
        # 4 labels are kept as floats between the passes; 21, where the machine can, in 24 bits.
        for labels in (4, 21):
            with self.subTest(labels=labels):
                crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, labels)
                crf.setUnaryEnergy(made_unary(labels=labels))
                crf.addPairwiseGaussian(3, 3)
                crf.addPairwiseBilateral(20, 13, made_image(HEIGHT, WIDTH), 4)
                marginals, tmp1, tmp2 = crf.startInference()
                address = marginals.ctypes.data
                for done in range(5):
                    np.testing.assert_allclose(marginals, crf.inference(done), atol=1e-6)
                    crf.stepInference(marginals, tmp1, tmp2)
                self.assertEqual(marginals.ctypes.data, address)
                np.testing.assert_allclose(marginals.sum(axis=0), 1, atol=1e-5)

    def test_divergence_falls(self):
        crf = made_crf(made_unary())
        marginals, tmp1, tmp2 = crf.startInference()
        divergences = []
        for _ in range(6):
            divergences.append(crf.klDivergence(marginals))
            crf.stepInference(marginals, tmp1, tmp2)
        self.assertTrue(all(a > b for a, b in zip(divergences, divergences[1:])), divergences)

    def test_divergence_of_many_labels(self):
        """Values of 24 bits between the passes do not show in it."""
        labels = 21
        unary = made_unary(labels=labels)
        crf = dcrf.DenseCRF2D(WIDTH, HEIGHT, labels)
        crf.setUnaryEnergy(unary)
        crf.addPairwiseGaussian(3, 3)
        kernel = reference_crf.kernel(reference_crf.position_features(HEIGHT, WIDTH, 3, 3))
        _, divergences = reference_crf.mean_field(unary, [(kernel, 3)], 3)
        for done, expected in enumerate(divergences):
            marginals, _ = reference_crf.mean_field(unary, [(kernel, 3)], done)
            self.assertAlmostEqual(
                crf.klDivergence(marginals.astype(np.float32)) / expected, 1, delta=1e-5)


class Threads(unittest.TestCase):
    def test_the_interpreter_goes_on(self):
        """While one thread infers, this one runs Python."""
        height, width, labels = 200, 240, 8
        crf = dcrf.DenseCRF2D(width, height, labels)
        crf.setUnaryEnergy(utils.unary_from_softmax(made_probability(labels, height, width)))
        crf.addPairwiseBilateral(40, 13, made_image(height, width), 4)
        iterations = 1
        duration = 0
        while duration < 0.3:
            iterations *= 2
            begin = time.monotonic()
            crf.inference(iterations)
            duration = time.monotonic() - begin
        span = []

        def infer():
            span.append(time.monotonic())
            crf.inference(iterations)
            span.append(time.monotonic())

        worker = threading.Thread(target=infer)
        worker.start()
        ticks = []
        while worker.is_alive():
            ticks.append(time.monotonic())
            time.sleep(0.005)
        worker.join()
        inside = [t for t in ticks if span[0] < t < span[1]]
        self.assertGreater(span[1] - span[0], 0.1)
        # In the middle half too, not only at the two ends where Python changes threads anyway.
        quarter = (span[1] - span[0]) / 4
        middle = [t for t in inside if span[0] + quarter < t < span[1] - quarter]
        self.assertGreater(len(middle), 3)

    def test_threads_may_share_one_object(self):
        crf = made_crf(made_unary())
        expected = np.array(crf.inference(3))
        results = []
        workers = [
            threading.Thread(target=lambda: results.append(np.array(crf.inference(3))))
            for _ in range(8)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(len(results), len(workers))
        for marginals in results:
            np.testing.assert_array_equal(marginals, expected)


def run_script(arrays):
    """pydensecrf_script.py with only its imports changed; what it saves and what it prints."""
    path = pathlib.Path(__file__).with_name("pydensecrf_script.py")
    lines = path.read_text().splitlines()
    changed = 0
    for i, line in enumerate(lines):
        if line.startswith(("import pydensecrf.", "from pydensecrf.")):
            lines[i] = line.replace("pydensecrf", "i2crc_crf", 1)
            changed += 1
    assert changed == 3
    with tempfile.TemporaryDirectory() as folder:
        script, given, made = (
            os.path.join(folder, name) for name in ("script.py", "in.npz", "out.npz"))
        pathlib.Path(script).write_text("\n".join(lines))
        np.savez(given, **arrays)
        done = subprocess.run([sys.executable, "-B", script, given, made],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0 or done.stderr:
            raise AssertionError(done.stderr)
        with np.load(made) as saved:
            return dict(saved), done.stdout


class Script(unittest.TestCase):
    def check(self, image, probability):
        """Returns the marginals of the script's first part, all else being compared."""
        labels, height, width = probability.shape
        marked = np.zeros((height, width), np.int64)
        for k in range(3):
            marked[5 * k + 2:5 * k + 5, 6 * k + 2:6 * k + 9] = k + 1
        saved, printed = run_script(dict(image=image, probability=probability, marked=marked))

        unary = np.full((3, height * width), np.log(3))
        for k in range(3):
            unary[:, marked.ravel() == k + 1] = -np.log(0.15)
            unary[k, marked.ravel() == k + 1] = -np.log(0.7)
        y, x = np.mgrid[0:height, 0:width].reshape(2, -1)
        colours = np.concatenate([[y / 30, x / 30], image.reshape(-1, 3).T / 20])
        terms = [(reference_crf.kernel(np.stack([y, x]) / 3), 3),
                 (reference_crf.kernel(colours), 10)]
        marginals, divergences = reference_crf.mean_field(unary, terms, 5)
        self.assertLess(np.abs(saved["stroke_marginals"] - marginals).max(), 1e-3)
        np.testing.assert_allclose(saved["divergences"], divergences[:5], rtol=1e-5)
        equal = saved["labels"].ravel() == marginals.argmax(axis=0)
        self.assertGreater(equal.mean(), 0.999)
        self.assertEqual(printed.count("KL-divergence at "), 5)
        return saved["marginals"]

    def test_against_the_reference(self):
        image, probability = made_image(HEIGHT, WIDTH), made_probability(3, HEIGHT, WIDTH)
        marginals = self.check(image, probability)
        terms = [
            (reference_crf.kernel(reference_crf.position_features(HEIGHT, WIDTH, 3, 3)), 9),
            (reference_crf.kernel(reference_crf.colour_features(image, (30, 30), (13,) * 3)), 8),
        ]
        expected, _ = reference_crf.mean_field(-np.log(probability).reshape(3, -1), terms, 10)
        self.assertLess(np.abs(marginals.reshape(3, -1) - expected).max(), 1e-3)

    def test_against_pydensecrf(self):
        arrays, _ = read_safetensors(shared("goldens/dense_crf_options.safetensors"))
        marginals = self.check(arrays["image"], arrays["probability_hard"])
        self.assertLess(np.abs(marginals - arrays["clip"]).max(), 1e-3)


if __name__ == "__main__":
    unittest.main()
