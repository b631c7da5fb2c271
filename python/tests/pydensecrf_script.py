# SPDX-License-Identifier: Apache-2.0
"""Sharpens a segmentation in two ways, as scripts that use pydensecrf do.

usage: pydensecrf_script.py INPUT.npz OUTPUT.npz
INPUT: image uint8 [H, W, 3], probability [L, H, W], and marked [H, W], strokes of labels 1 ... L, 0
elsewhere.
"""

import sys

import numpy as np

import pydensecrf.densecrf as dcrf
from pydensecrf.utils import unary_from_labels, unary_from_softmax
from pydensecrf.utils import create_pairwise_bilateral, create_pairwise_gaussian


def from_probability(image, probability):
    n_labels, height, width = probability.shape
    d = dcrf.DenseCRF2D(width, height, n_labels)
    U = np.ascontiguousarray(unary_from_softmax(probability))
    d.setUnaryEnergy(U)
    d.addPairwiseGaussian(sxy=(3, 3), compat=9, kernel=dcrf.DIAG_KERNEL,
                          normalization=dcrf.NORMALIZE_SYMMETRIC)
    d.addPairwiseBilateral(sxy=30, srgb=13, rgbim=np.ascontiguousarray(image), compat=8)
    Q = d.inference(10)
    return np.array(Q).reshape((n_labels, height, width))


def from_strokes(image, marked):
    n_labels = len(np.unique(marked)) - 1
    d = dcrf.DenseCRF(np.prod(marked.shape), n_labels)
    d.setUnaryEnergy(unary_from_labels(marked, n_labels, gt_prob=0.7, zero_unsure=True))
    feats = create_pairwise_gaussian(sdims=(3, 3), shape=image.shape[:2])
    d.addPairwiseEnergy(feats, compat=3, kernel=dcrf.FULL_KERNEL,
                        normalization=dcrf.NORMALIZE_SYMMETRIC)
    feats = create_pairwise_bilateral(sdims=(30, 30), schan=(20, 20, 20), img=image, chdim=2)
    d.addPairwiseEnergy(feats, 10, dcrf.DIAG_KERNEL, dcrf.NORMALIZE_SYMMETRIC)

    Q, tmp1, tmp2 = d.startInference()
    divergences = []
    for i in range(5):
        divergences.append(d.klDivergence(Q))
        print("KL-divergence at {}: {}".format(i, divergences[-1]))
        d.stepInference(Q, tmp1, tmp2)
    MAP = np.argmax(Q, axis=0).reshape(marked.shape)
    return np.array(Q), MAP, divergences


if __name__ == "__main__":
    given = np.load(sys.argv[1])
    marginals = from_probability(given["image"], given["probability"])
    stroke_marginals, labels, divergences = from_strokes(given["image"], given["marked"])
    np.savez(sys.argv[2], marginals=marginals, stroke_marginals=stroke_marginals, labels=labels,
             divergences=divergences)
