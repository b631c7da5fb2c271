# SPDX-License-Identifier: Apache-2.0
"""What the classes say of arguments that do not fit: the exception's type and the name."""

import unittest

import numpy as np

import i2crc_crf.densecrf as dcrf

HEIGHT, WIDTH, LABELS = 4, 6, 3
POINTS = HEIGHT * WIDTH


class Arguments(unittest.TestCase):
    def setUp(self):
        self.points = dcrf.DenseCRF(POINTS, LABELS)
        self.image = dcrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
        self.unary = np.zeros((LABELS, POINTS), np.float32)
        self.rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self.features = np.zeros((2, POINTS), np.float32)

    def refused(self, error, name, call, *arguments, **named):
        with self.subTest(name=name, arguments=(arguments, named)):
            with self.assertRaisesRegex(error, f"^{name}: "):
                call(*arguments, **named)

    def test_classes(self):
        self.assertTrue(issubclass(dcrf.DenseCRF2D, dcrf.DenseCRF))
        self.assertFalse(hasattr(dcrf.DenseCRF, "addPairwiseGaussian"))
        dcrf.DenseCRF2D(np.int64(WIDTH), np.uint8(HEIGHT), nlabels=LABELS)
        dcrf.DenseCRF(nvar=1, nlabels=1)

    def test_sizes(self):
        self.refused(ValueError, "nvar", dcrf.DenseCRF, 0, 2)
        self.refused(ValueError, "nvar", dcrf.DenseCRF, -5, 2)
        self.refused(ValueError, "nvar", dcrf.DenseCRF, 2**28, 2)
        self.refused(ValueError, "nvar", dcrf.DenseCRF, 2**100, 2)
        self.refused(ValueError, "nlabels", dcrf.DenseCRF, 5, 0)
        self.refused(ValueError, "nlabels", dcrf.DenseCRF, 5, 2**17)
        self.refused(ValueError, "nlabels", dcrf.DenseCRF, 2**27, 2**16)
        self.refused(ValueError, "w", dcrf.DenseCRF2D, 0, 5, 2)
        self.refused(ValueError, "h", dcrf.DenseCRF2D, 5, -1, 2)
        self.refused(ValueError, "w and h", dcrf.DenseCRF2D, 2**20, 2**20, 2)
        self.refused(ValueError, "h", dcrf.DenseCRF2D, 1, 2**40, 2)
        self.refused(TypeError, "nvar", dcrf.DenseCRF, 5.5, 2)
        self.refused(TypeError, "nlabels", dcrf.DenseCRF, 5, "2")
        self.refused(TypeError, "w", dcrf.DenseCRF2D, None, 5, 2)
        self.assertRaises(TypeError, dcrf.DenseCRF, 5)

    def test_unary(self):
        call = self.points.setUnaryEnergy
        call(self.unary)
        self.refused(ValueError, "u", call, self.unary.T)
        self.refused(ValueError, "u", call, self.unary[:2])
        self.refused(ValueError, "u", call, self.unary.reshape(LABELS, HEIGHT, WIDTH))
        self.refused(ValueError, "u", call, self.unary.astype(np.float64))
        self.refused(ValueError, "u", call, self.unary.astype(np.float16))
        self.refused(ValueError, "u", call, self.unary.astype(">f4"))
        self.refused(ValueError, "u", call, np.asfortranarray(self.unary))
        self.refused(ValueError, "u", call, np.repeat(self.unary, 2, axis=1)[:, ::2])
        for bad in (np.nan, -np.inf):
            self.refused(ValueError, "u", call, self.unary + np.float32(bad))
        self.refused(TypeError, "u", call, self.unary.tolist())
        self.refused(TypeError, "u", call, None)
        with self.assertRaisesRegex(NotImplementedError, "learning"):
            call(self.unary, self.unary)

    def test_sigma(self):
        for bad in (0, -1, np.nan, np.inf, 1e-60, 1e60, (3, -3), (np.nan, 3), (3,), (3, 3, 3), ()):
            self.refused(ValueError, "sxy", self.image.addPairwiseGaussian, bad, 3)
            self.refused(ValueError, "sxy", self.image.addPairwiseBilateral, bad, 3, self.rgb, 3)
        for bad in (0, -1, np.nan, np.inf, (13, -13, 13), (3, 3), np.array([1, 2, np.nan])):
            self.refused(ValueError, "srgb", self.image.addPairwiseBilateral, 3, bad, self.rgb, 3)
        for bad in (None, "3", "ab", ("a", "b"), [[3, 3], [3, 3]], {3, 4}, {1: 2, 3: 4}):
            self.refused(TypeError, "sxy", self.image.addPairwiseGaussian, bad, 3)
            self.refused(TypeError, "sxy", self.image.addPairwiseBilateral, bad, 3, self.rgb, 3)
        self.refused(TypeError, "srgb", self.image.addPairwiseBilateral, 3, "abc", self.rgb, 3)

    def test_compatibility(self):
        for good in (3, 2.5, True, np.float64(3), np.array(3), [1, 2, 3], np.ones(3),
                     np.eye(3, dtype=int), np.asfortranarray(np.eye(3, dtype=np.float32))):
            self.image.addPairwiseGaussian(3, good)
        for bad in (np.nan, np.inf, -np.inf, 1e60, np.array([1, np.nan, 2]), np.ones(4),
                    np.ones(9), np.eye(2), np.ones((3, 4)), np.ones((1, 3, 3)), np.eye(3) + np.inf):
            self.refused(ValueError, "compat", self.image.addPairwiseGaussian, 3, bad)
            self.refused(ValueError, "compat", self.image.addPairwiseBilateral, 3, 3, self.rgb, bad)
            self.refused(ValueError, "compat", self.points.addPairwiseEnergy, self.features, bad)
        for bad in (None, "3", ["a", "b", "c"], np.ones(3, complex)):
            self.refused(TypeError, "compat", self.image.addPairwiseGaussian, 3, bad)

    def test_image(self):
        call = self.image.addPairwiseBilateral
        call(3, 3, self.rgb, 3)
        turned = self.rgb.transpose(1, 0, 2)
        for bad in (turned, self.rgb[..., :2], self.rgb[..., 0], self.rgb.astype(np.float32),
                    self.rgb.astype(np.int8), np.ascontiguousarray(turned), self.rgb[:3],
                    np.asfortranarray(self.rgb)):
            self.refused(ValueError, "rgbim", call, 3, 3, bad, 3)
        self.refused(TypeError, "rgbim", call, 3, 3, self.rgb.tolist(), 3)
        self.refused(TypeError, "rgbim", call, 3, 3, None, 3)

    def test_features(self):
        call = self.points.addPairwiseEnergy
        call(self.features, 3)
        for bad in (self.features.T, self.features[:, :5], self.features.astype(np.float64),
                    self.features[:0], np.zeros((40, POINTS), np.float32), self.features[0],
                    np.asfortranarray(self.features), self.features + np.float32(np.nan),
                    self.features - np.float32(np.inf)):
            self.refused(ValueError, "features", call, bad, 3)
        self.refused(TypeError, "features", call, None, 3)

    def test_kernel_and_normalization(self):
        for call, arguments in [
            (self.image.addPairwiseGaussian, (3, 3)),
            (self.image.addPairwiseBilateral, (3, 3, self.rgb, 3)),
            (self.points.addPairwiseEnergy, (self.features, 3)),
        ]:
            for bad in (-1, 3, 2**50):
                self.refused(ValueError, "kernel", call, *arguments, kernel=bad)
            for bad in (-1, 4):
                self.refused(ValueError, "normalization", call, *arguments, normalization=bad)
            self.refused(TypeError, "kernel", call, *arguments, kernel="diag")
            self.refused(TypeError, "normalization", call, *arguments, normalization=None)
            for kernel in (dcrf.CONST_KERNEL, dcrf.DIAG_KERNEL, dcrf.FULL_KERNEL):
                call(*arguments, kernel, dcrf.NO_NORMALIZATION)

    def test_inference(self):
        self.refused(ValueError, "niter", self.points.inference, -1)
        self.refused(ValueError, "niter", self.points.inference, 2**40)
        self.refused(TypeError, "niter", self.points.inference, 1.5)
        marginals, tmp1, tmp2 = self.points.startInference()
        step = self.points.stepInference
        constant = marginals.copy()
        constant.flags.writeable = False
        self.points.klDivergence(constant)
        self.refused(ValueError, "Q", step, constant, tmp1, tmp2)
        for bad in (marginals[:2], marginals.T, marginals.astype(np.float64), -marginals,
                    marginals + np.float32(np.nan), marginals + np.float32(np.inf)):
            self.refused(ValueError, "Q", step, bad, tmp1, tmp2)
            self.refused(ValueError, "Q", self.points.klDivergence, bad)
        self.refused(TypeError, "Q", step, None, tmp1, tmp2)
        self.refused(TypeError, "Q", self.points.klDivergence, marginals.tolist())

    def test_a_refused_call_changes_nothing(self):
        self.image.setUnaryEnergy(self.unary + np.float32(1))
        self.image.addPairwiseGaussian(3, np.array([1, 2, 3]))
        before = np.array(self.image.inference(2))
        self.refused(ValueError, "sxy", self.image.addPairwiseGaussian, -3, 3)
        self.refused(ValueError, "compat", self.image.addPairwiseGaussian, 3, np.ones(4))
        self.refused(ValueError, "u", self.image.setUnaryEnergy, self.unary + np.float32(np.nan))
        np.testing.assert_array_equal(np.array(self.image.inference(2)), before)


if __name__ == "__main__":
    unittest.main()
