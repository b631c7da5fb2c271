# SPDX-License-Identifier: Apache-2.0
"""A fast dense CRF (Krähenbühl and Koltun 2011) on the CPU.

dense_crf and dense_crf_batch take images and probabilities; i2crc_crf.densecrf and i2crc_crf.utils
have pydensecrf's interface.
"""

from . import _core

__all__ = ["dense_crf", "dense_crf_batch"]


def dense_crf(
    image,
    probability=None,
    *,
    energy=None,
    preset=None,
    gaussian_sigma=None,
    gaussian_weight=None,
    bilateral_sigma_xy=None,
    bilateral_sigma_rgb=None,
    bilateral_weight=None,
    iterations=None,
    clip=1e-5,
    threads=1,
    precision="auto",
    instruction_set="best",
    return_labels=False,
):
    """Mean field of one image.

    image: uint8 [H, W, 3]. probability: float16, 32 or 64 [L, H, W], finite and not negative, sums
    near 1 are enough; its unary energy is -log(clip(probability, clip, 1)). energy instead: unary
    energies [L, H, W] or [L, H*W], finite.

    preset: "deeplab" (the default), "psa" or "irn" gives the settings that are None: sigma in
    pixels and in steps of 0...255, and Potts weights, of a Gaussian and a bilateral term, and the
    iterations. (irn's published unary is energy=unary_from_labels(labels, L, 0.7, False).)

    threads: up to 1024, 0 means all cores; the result does not depend on it. precision: "single",
    "packed" (24 bits between the passes, which many labels gain from) or "auto", the faster of
    both.
    instruction_set: "best", "portable", "avx2" or "avx512".

    Returns the marginals, float32 [L, H, W], or with return_labels their argmax, int32 [H, W].
    Raises ValueError or TypeError with the argument's name.
    """
    planes, is_energy = _one_of("probability", probability, "energy", energy)
    settings = dict(
        gaussian_sigma=gaussian_sigma,
        gaussian_weight=gaussian_weight,
        bilateral_sigma_xy=bilateral_sigma_xy,
        bilateral_sigma_rgb=bilateral_sigma_rgb,
        bilateral_weight=bilateral_weight,
        iterations=iterations,
    )
    how = (preset, settings, clip, threads, precision, instruction_set, return_labels)
    return _solve([image], [planes], False, is_energy, *how)[0]


def dense_crf_batch(
    images,
    probabilities=None,
    *,
    energies=None,
    preset=None,
    gaussian_sigma=None,
    gaussian_weight=None,
    bilateral_sigma_xy=None,
    bilateral_sigma_rgb=None,
    bilateral_weight=None,
    iterations=None,
    clip=1e-5,
    threads=0,
    precision="auto",
    instruction_set="best",
    return_labels=False,
):
    """Mean field of many images at once, of any sizes and numbers of labels: a list of what
    dense_crf returns for each. Its threads (0: all cores) work on an image each; the other
    arguments are those of dense_crf, with a list of images and one of probabilities or energies.
    """
    planes, is_energy = _one_of("probabilities", probabilities, "energies", energies)
    settings = dict(
        gaussian_sigma=gaussian_sigma,
        gaussian_weight=gaussian_weight,
        bilateral_sigma_xy=bilateral_sigma_xy,
        bilateral_sigma_rgb=bilateral_sigma_rgb,
        bilateral_weight=bilateral_weight,
        iterations=iterations,
    )
    how = (preset, settings, clip, threads, precision, instruction_set, return_labels)
    return _solve(list(images), list(planes), True, is_energy, *how)


def _one_of(name, probability, other_name, energy):
    if (probability is None) == (energy is None):
        raise TypeError(f"{name}: expected it or {other_name}, and not both")
    return (probability, False) if energy is None else (energy, True)


def _solve(images, planes, batch, is_energy, preset, *how):
    preset = "deeplab" if preset is None else preset
    return _core.solve(images, planes, batch, is_energy, preset, *how)
