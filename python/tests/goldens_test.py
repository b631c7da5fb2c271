# SPDX-License-Identifier: Apache-2.0
"""pydensecrf's own results, whole where the folder of goldens is there, and an excerpt of them."""

import json
import pathlib
import unittest

import numpy as np

import i2crc_crf
import i2crc_crf.densecrf as dcrf
import i2crc_crf.utils as utils
import reference_crf
from support import read_safetensors, shared

_NORMALIZATIONS = {
    "none": dcrf.NO_NORMALIZATION,
    "before": dcrf.NORMALIZE_BEFORE,
    "after": dcrf.NORMALIZE_AFTER,
    "symmetric": dcrf.NORMALIZE_SYMMETRIC,
}
_OPTIONS = "goldens/dense_crf_options.safetensors"


def compatibility(term):
    given = term["compatibility"]
    return np.array(given, np.float32) if isinstance(given, list) else given


def unary_of(arrays, case):
    if "input" not in case:
        return arrays["line.unary"]
    probability = arrays[case["input"]].astype(np.float32)
    return -np.log(np.clip(probability, 1e-5, 1)).reshape(len(probability), -1)


def crf_of(arrays, case):
    """The case's problem, set with pydensecrf's interface."""
    unary = unary_of(arrays, case)
    if any(term["kind"] != "features" for term in case["pairwise"]):
        height, width, _ = arrays["image"].shape
        crf = dcrf.DenseCRF2D(width, height, len(unary))
    else:
        crf = dcrf.DenseCRF(unary.shape[1], len(unary))
    crf.setUnaryEnergy(unary)
    for term in case["pairwise"]:
        how = dict(
            compat=compatibility(term), normalization=_NORMALIZATIONS[term["normalization"]]
        )
        if term["kind"] == "gaussian":
            crf.addPairwiseGaussian(tuple(term["sigma_xy"]), **how)
        elif term["kind"] == "bilateral":
            sigma_xy, sigma_rgb = tuple(term["sigma_xy"]), tuple(term["sigma_rgb"])
            crf.addPairwiseBilateral(sigma_xy, sigma_rgb, arrays["image"], **how)
        else:
            features = arrays[term["features"]]
            crf.addPairwiseEnergy(features.reshape(len(features), -1), **how)
    return crf


def reference_terms(arrays, case):
    terms = []
    for term in case["pairwise"]:
        if term["kind"] == "gaussian":
            features = reference_crf.position_features(60, 80, *term["sigma_xy"])
        elif term["kind"] == "bilateral":
            features = reference_crf.colour_features(
                arrays["image"], term["sigma_xy"], term["sigma_rgb"]
            )
        else:
            features = arrays[term["features"]]
            features = features.reshape(len(features), -1)
        terms.append((reference_crf.kernel(features, term["normalization"]), compatibility(term)))
    return terms


class Options(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.arrays, metadata = read_safetensors(shared(_OPTIONS))
        cls.cases = {k: json.loads(v) for k, v in metadata.items() if k != "utils"}
        assert len(cls.cases) == 9

    def test_marginals(self):
        for name, case in self.cases.items():
            with self.subTest(name):
                marginals = np.array(crf_of(self.arrays, case).inference(case["iterations"]))
                expected = self.arrays[name].reshape(marginals.shape)
                self.assertLess(np.abs(marginals - expected).max(), 1e-3)

    def test_divergence(self):
        with_divergence = [name for name in self.cases if f"{name}.kl" in self.arrays]
        self.assertEqual(with_divergence, ["clip", "anisotropic"])
        for name in with_divergence:
            with self.subTest(name):
                crf = crf_of(self.arrays, self.cases[name])
                marginals, tmp1, tmp2 = crf.startInference()
                divergences = [crf.klDivergence(marginals)]
                for _ in range(self.cases[name]["iterations"]):
                    crf.stepInference(marginals, tmp1, tmp2)
                    divergences.append(crf.klDivergence(marginals))
                np.testing.assert_allclose(divergences, self.arrays[f"{name}.kl"], rtol=1e-5)

    def test_dense_crf(self):
        case = self.cases["clip"]
        marginals = i2crc_crf.dense_crf(
            self.arrays["image"],
            self.arrays["probability_hard"],
            gaussian_sigma=3,
            gaussian_weight=9,
            bilateral_sigma_xy=30,
            bilateral_sigma_rgb=13,
            bilateral_weight=8,
            iterations=case["iterations"],
        )
        self.assertLess(np.abs(marginals - self.arrays["clip"]).max(), 1e-3)

    def test_reference(self):
        """The plain one that other tests compare with stands the same test."""
        for name in ("clip", "compatibility_matrix", "normalization_before", "own_features"):
            with self.subTest(name):
                case = self.cases[name]
                marginals, divergences = reference_crf.mean_field(
                    unary_of(self.arrays, case),
                    reference_terms(self.arrays, case),
                    case["iterations"],
                )
                expected = self.arrays[name].reshape(marginals.shape)
                self.assertLess(np.abs(marginals - expected).max(), 1e-3)
                if f"{name}.kl" in self.arrays:
                    np.testing.assert_allclose(divergences, self.arrays[f"{name}.kl"], rtol=1e-5)

    def test_utils(self):
        arrays = self.arrays
        softmax = arrays["probability_hard"][:, :6, :5]
        corner = arrays["image"][:6, :5]
        labels = arrays["utils.labels"]
        made = {
            "unary_from_labels": utils.unary_from_labels(labels, 3, 0.7),
            "unary_from_labels_no_unsure": utils.unary_from_labels(
                labels, 4, 0.6, zero_unsure=False
            ),
            "unary_from_softmax": utils.unary_from_softmax(softmax, clip=1e-5),
            "unary_from_softmax_scale": utils.unary_from_softmax(softmax, scale=0.7),
            "create_pairwise_gaussian": utils.create_pairwise_gaussian((3, 4), (6, 5)),
            "create_pairwise_bilateral": utils.create_pairwise_bilateral(
                (2, 3), (5, 10, 20), corner, chdim=2
            ),
            "create_pairwise_bilateral_grey": utils.create_pairwise_bilateral(
                (2, 3), 7, corner[:, :, 0], chdim=-1
            ),
        }
        for name, values in made.items():
            with self.subTest(name):
                self.assertEqual(values.dtype, np.float32)
                expected = arrays[f"utils.{name}"]
                self.assertEqual(values.shape, expected.shape)
                np.testing.assert_allclose(values, expected, rtol=1e-6)


class Features(unittest.TestCase):
    """Volumes, grey images and fine sigmas by the helper functions."""

    def test_marginals(self):
        arrays, metadata = read_safetensors(shared("goldens/dense_crf_features.safetensors"))
        self.assertEqual(len(metadata), 9)
        for name, text in metadata.items():
            with self.subTest(name):
                case = json.loads(text)
                if "image" in case:
                    features = utils.create_pairwise_bilateral(
                        case["sdims"], case["schan"], arrays[case["image"]], case["chdim"]
                    )
                else:
                    features = utils.create_pairwise_gaussian(case["sdims"], case["shape"])
                np.testing.assert_array_equal(features, arrays[f"{name}.features"])
                crf = dcrf.DenseCRF(features.shape[1], case["labels"])
                crf.setUnary(dcrf.ConstUnary(arrays[f"{name}.unary"]))
                crf.addPairwiseEnergy(features, case["compat"])
                marginals = np.array(crf.inference(case["iterations"]))
                self.assertLess(np.abs(marginals - arrays[name]).max(), 1e-5)


class Excerpt(unittest.TestCase):
    def test_line(self):
        """line.npz: a line of 200 variables with five labels, and pydensecrf's marginals."""
        line = np.load(pathlib.Path(__file__).with_name("line.npz"))
        crf = dcrf.DenseCRF(200, 5)
        crf.setUnaryEnergy(line["unary"])
        crf.addPairwiseEnergy(line["features"], compat=4)
        self.assertLess(np.abs(np.array(crf.inference(5)) - line["marginals"]).max(), 1e-3)
        terms = [(reference_crf.kernel(line["features"]), 4)]
        marginals, _ = reference_crf.mean_field(line["unary"], terms, 5)
        self.assertLess(np.abs(marginals - line["marginals"]).max(), 1e-3)


if __name__ == "__main__":
    unittest.main()
