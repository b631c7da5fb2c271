# SPDX-License-Identifier: Apache-2.0
"""The interface of pydensecrf.utils."""

import logging

from ._core import (
    create_pairwise_bilateral,
    create_pairwise_gaussian,
    unary_from_labels,
    unary_from_softmax,
)

__all__ = [
    "compute_unary",
    "create_pairwise_bilateral",
    "create_pairwise_gaussian",
    "softmax_to_unary",
    "unary_from_labels",
    "unary_from_softmax",
]


def compute_unary(labels, M, GT_PROB=0.5):
    """Deprecated: unary_from_labels(labels, M, GT_PROB)."""
    logging.warning("i2crc_crf.utils.compute_unary is deprecated, use unary_from_labels")
    return unary_from_labels(labels, M, GT_PROB)


def softmax_to_unary(sm, GT_PROB=1):
    """Deprecated: unary_from_softmax with scale GT_PROB and without a clip."""
    logging.warning("i2crc_crf.utils.softmax_to_unary is deprecated, use unary_from_softmax")
    return unary_from_softmax(sm, None if GT_PROB == 1 else GT_PROB, None)
