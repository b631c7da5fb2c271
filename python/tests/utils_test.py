# SPDX-License-Identifier: Apache-2.0
"""pydensecrf's helpers, on values worked out by hand."""

import unittest

import numpy as np

from i2crc_crf import utils

log = np.log


class UnaryFromLabels(unittest.TestCase):
    def test_zero_is_unsure(self):
        energy = utils.unary_from_labels(np.array([[0, 1], [2, 3]]), 3, 0.7)
        third, own, other = -log(1 / 3), -log(0.7), -log(0.15)
        expected = [[third, own, other, other], [third, other, own, other],
                    [third, other, other, own]]
        self.assertEqual(energy.dtype, np.float32)
        self.assertTrue(energy.flags.c_contiguous)
        np.testing.assert_allclose(energy, expected, rtol=1e-6)

    def test_zero_is_a_label(self):
        energy = utils.unary_from_labels(np.array([1, 0], np.uint8), 2, 0.9, zero_unsure=False)
        np.testing.assert_allclose(energy, -log([[0.1, 0.9], [0.9, 0.1]]), rtol=1e-6)

    def test_any_layout(self):
        labels = np.arange(6).reshape(2, 3) % 3
        self.assertFalse(labels.T.flags.c_contiguous)
        np.testing.assert_array_equal(
            utils.unary_from_labels(labels.T, 3, 0.5),
            utils.unary_from_labels(labels.T.flatten(), 3, 0.5),
        )

    def test_bad_arguments(self):
        labels = np.array([0, 3])
        for name, arguments in [
            ("labels", (labels, 2, 0.5)),
            ("labels", (labels, 3, 0.5, False)),
            ("labels", (-labels, 3, 0.5)),
            ("labels", (labels + 2**40, 3, 0.5)),
            ("labels", (labels * 1.0, 3, 0.5)),
            ("n_labels", (labels * 0, 1, 0.5)),
            ("gt_prob", (labels, 3, 0)),
            ("gt_prob", (labels, 3, 1)),
            ("gt_prob", (labels, 3, np.nan)),
        ]:
            with self.subTest(arguments), self.assertRaisesRegex(ValueError, f"^{name}: "):
                utils.unary_from_labels(*arguments)
        for name, arguments in [
            ("labels", ([0, 3], 3, 0.5)),
            ("n_labels", (labels, 3.5, 0.5)),
            ("gt_prob", (labels, 3, "0.5")),
        ]:
            with self.subTest(arguments), self.assertRaisesRegex(TypeError, f"^{name}: "):
                utils.unary_from_labels(*arguments)


class UnaryFromSoftmax(unittest.TestCase):
    def setUp(self):
        self.softmax = np.array([[[0, 0.25, 0.5]], [[1, 0.75, 0.5]]])

    def test_clip(self):
        expected = -log([[1e-5, 0.25, 0.5], [1, 0.75, 0.5]])
        for dtype in (np.float16, np.float32, np.float64):
            energy = utils.unary_from_softmax(self.softmax.astype(dtype))
            self.assertEqual(energy.dtype, np.float32)
            np.testing.assert_allclose(energy, expected, rtol=1e-6)
        np.testing.assert_allclose(
            utils.unary_from_softmax(self.softmax, clip=0.5),
            -log([[0.5, 0.5, 0.5], [1, 0.75, 0.5]]), rtol=1e-6)

    def test_scale(self):
        np.testing.assert_allclose(
            utils.unary_from_softmax(self.softmax, 0.5),
            -log([[0.25, 0.375, 0.5], [0.75, 0.625, 0.5]]), rtol=1e-6)

    def test_no_clip(self):
        energy = utils.unary_from_softmax(self.softmax, clip=None)
        self.assertEqual(energy[0, 0], np.inf)
        np.testing.assert_allclose(energy[:, 1:], -log([[0.25, 0.5], [0.75, 0.5]]), rtol=1e-6)

    def test_any_layout(self):
        last = np.moveaxis(self.softmax, 0, 2).copy()
        np.testing.assert_array_equal(
            utils.unary_from_softmax(last.transpose(2, 0, 1)),
            utils.unary_from_softmax(self.softmax),
        )

    def test_bad_arguments(self):
        for name, arguments in [
            ("sm", (self.softmax + np.nan,)),
            ("sm", (self.softmax + np.inf,)),
            ("sm", (-self.softmax, None, None)),
            ("sm", (np.float32(1),)),
            ("sm", (np.zeros((0, 3)),)),
            ("sm", (self.softmax.astype(complex),)),
            ("scale", (self.softmax, 0)),
            ("scale", (self.softmax, 1.5)),
            ("clip", (self.softmax, None, -1)),
            ("clip", (self.softmax, None, np.nan)),
        ]:
            with self.subTest(arguments), self.assertRaisesRegex(ValueError, f"^{name}: "):
                utils.unary_from_softmax(*arguments)
        for name, arguments in [
            ("sm", ([[1.0]],)),
            ("scale", (self.softmax, "1")),
            ("clip", (self.softmax, None, [1e-5])),
        ]:
            with self.subTest(arguments), self.assertRaisesRegex(TypeError, f"^{name}: "):
                utils.unary_from_softmax(*arguments)


class Deprecated(unittest.TestCase):
    def test_they_warn(self):
        labels = np.array([0, 1, 2])
        with self.assertLogs(level="WARNING") as logs:
            energy = utils.compute_unary(labels, 2)
        self.assertIn("unary_from_labels", logs.output[0])
        np.testing.assert_array_equal(energy, utils.unary_from_labels(labels, 2, 0.5))

        softmax = np.array([[0.25, 0.5], [0.75, 0.5]])
        with self.assertLogs(level="WARNING") as logs:
            energy = utils.softmax_to_unary(softmax)
            scaled = utils.softmax_to_unary(softmax, 0.5)
        self.assertIn("unary_from_softmax", logs.output[0])
        np.testing.assert_allclose(energy, -log(softmax), rtol=1e-6)
        np.testing.assert_array_equal(scaled, utils.unary_from_softmax(softmax, 0.5, None))


class Features(unittest.TestCase):
    def test_gaussian(self):
        features = utils.create_pairwise_gaussian(sdims=(2, 4), shape=(2, 3))
        self.assertEqual(features.dtype, np.float32)
        np.testing.assert_array_equal(
            features, [[0, 0, 0, 0.5, 0.5, 0.5], [0, 0.25, 0.5, 0, 0.25, 0.5]])

    def test_three_axes(self):
        features = utils.create_pairwise_gaussian((1, 1, 1), np.zeros((2, 3, 4)).shape)
        np.testing.assert_array_equal(features, np.indices((2, 3, 4)).reshape(3, -1))

    def test_bilateral(self):
        image = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
        positions = utils.create_pairwise_gaussian((2, 4), (2, 3))
        colours = image.reshape(6, 3).T / np.array([[1], [2], [4]])
        for axis in range(3):
            features = utils.create_pairwise_bilateral(
                (2, 4), (1, 2, 4), np.moveaxis(image, 2, axis), axis)
            np.testing.assert_array_equal(features, np.concatenate([positions, colours]))
        np.testing.assert_array_equal(
            utils.create_pairwise_bilateral((2, 4), 2, image, 2)[2:], image.reshape(6, 3).T / 2)

    def test_grey(self):
        grey = np.array([[0, 0.5], [1, 1.5]])
        features = utils.create_pairwise_bilateral((1, 1), 0.5, grey)
        np.testing.assert_array_equal(features, [[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 2, 3]])

    def test_bad_arguments(self):
        image = np.zeros((2, 3, 3))
        for name, call in [
            ("sdims", lambda: utils.create_pairwise_gaussian((1,), (2, 3))),
            ("sdims", lambda: utils.create_pairwise_gaussian((1, 0), (2, 3))),
            ("sdims", lambda: utils.create_pairwise_gaussian((1, np.nan), (2, 3))),
            ("shape", lambda: utils.create_pairwise_gaussian((1, 1), (2, -3))),
            ("shape", lambda: utils.create_pairwise_gaussian((1, 1), (2**31 - 1, 2**31 - 1))),
            ("shape", lambda: utils.create_pairwise_gaussian((1, 1), (2**80, 1))),
            ("schan", lambda: utils.create_pairwise_bilateral((1, 1), (1, 1), image, 2)),
            ("schan", lambda: utils.create_pairwise_bilateral((1, 1), -1, image, 2)),
            ("chdim", lambda: utils.create_pairwise_bilateral((1, 1), 1, image, 3)),
            ("chdim", lambda: utils.create_pairwise_bilateral((1, 1), 1, image, -2)),
            ("img", lambda: utils.create_pairwise_bilateral((1, 1), 1, image + np.inf, 2)),
            ("img", lambda: utils.create_pairwise_bilateral((1, 1), 1, image.astype(str), 2)),
        ]:
            with self.subTest(name), self.assertRaisesRegex(ValueError, f"^{name}: "):
                call()
        for name, call in [
            ("sdims", lambda: utils.create_pairwise_gaussian(1, (2, 3))),
            ("sdims", lambda: utils.create_pairwise_gaussian("ab", (2, 3))),
            ("shape", lambda: utils.create_pairwise_gaussian((1, 1), (2.5, 3))),
            ("shape", lambda: utils.create_pairwise_gaussian((1,), 3)),
            ("schan", lambda: utils.create_pairwise_bilateral((1, 1), None, image, 2)),
            ("img", lambda: utils.create_pairwise_bilateral((1, 1), 1, [[1]])),
            ("chdim", lambda: utils.create_pairwise_bilateral((1, 1), 1, image, "2")),
        ]:
            with self.subTest(name), self.assertRaisesRegex(TypeError, f"^{name}: "):
                call()


if __name__ == "__main__":
    unittest.main()
