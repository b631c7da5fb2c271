# SPDX-License-Identifier: Apache-2.0
"""The dense CRF written down plainly with numpy: what the module's results are compared with.

Marginals and energies are [L, N], features [d, N] each divided by its sigma.
"""

import numpy as np


class Lattice:
    """The filter L of docs/ALGORITHM.md: splat, blur, slice on the permutohedral lattice."""

    def __init__(self, features):
        self.dims, self.points = features.shape
        rounded, rank, self.weights = _simplex(features.astype(np.float32))
        steps = np.arange(self.dims + 1)
        corner = rounded + steps[:, None, None] - (self.dims + 1) * (
            rank > self.dims - steps[:, None, None]
        )
        keys = corner[:, : self.dims].transpose(0, 2, 1).reshape(-1, self.dims)
        vertices, index = np.unique(keys, axis=0, return_inverse=True)
        self.vertices = len(vertices)
        self.index = index.reshape(self.dims + 1, self.points)
        places = {tuple(key): i for i, key in enumerate(vertices.tolist())}
        self.neighbours = []
        for axis in range(self.dims + 1):
            step = np.full(self.dims, -1)
            step[axis:axis + 1] = self.dims
            pair = [(vertices + sign * step).tolist() for sign in (1, -1)]
            # A vertex that is not there is the one behind the last, which stays 0.
            self.neighbours.append(
                [[places.get(tuple(key), self.vertices) for key in keys] for keys in pair]
            )

    def __call__(self, values):
        sums = np.zeros((self.vertices + 1, len(values)))
        for index, weight in zip(self.index, self.weights):
            np.add.at(sums, index, (values * weight).T)
        for above, below in self.neighbours:
            sums[:-1] += 0.5 * (sums[above] + sums[below])
        sliced = sum(sums[index].T * weight for index, weight in zip(self.index, self.weights))
        return sliced / (1 + 2.0**-self.dims)


def _simplex(features):
    """Rounded coordinates and ranks [d + 1, N], barycentric weights [d + 1, N]."""
    dims, points = features.shape
    j = np.arange(dims)
    # The side is rounded before it is used, as pydensecrf does it.
    side = np.float64(np.float32((dims + 1) * np.sqrt(2 / 3)))
    scale = 1 / np.sqrt((j + 1) * (j + 2)) * side
    scaled = features * scale.astype(np.float32)[:, None]
    elevated = np.empty((dims + 1, points), np.float32)
    total = np.zeros(points, np.float32)
    for j in range(dims, 0, -1):
        elevated[j] = total - j * scaled[j - 1]
        total = total + scaled[j - 1]
    elevated[0] = total

    rounded = ((dims + 1) * np.ceil(elevated / (dims + 1) - 0.5)).astype(int)
    rest = elevated - rounded
    rank = np.zeros((dims + 1, points), int)
    for i in range(dims + 1):
        for j in range(i + 1, dims + 1):
            less = rest[i] < rest[j]
            rank[i] += less
            rank[j] += ~less
    rank += rounded.sum(axis=0) // (dims + 1)
    wrap = (dims + 1) * ((rank < 0).astype(int) - (rank > dims))
    rank += wrap
    rounded += wrap

    weights = np.zeros((dims + 2, points))
    everyone = np.arange(points)
    for i in range(dims + 1):
        share = (elevated[i] - rounded[i]) / (dims + 1)
        np.add.at(weights, (dims - rank[i], everyone), share)
        np.add.at(weights, (dims + 1 - rank[i], everyone), -share)
    weights[0] += 1 + weights[dims + 1]
    return rounded, rank, weights[: dims + 1]


def kernel(features, normalization="symmetric"):
    """The normalised filter F."""
    lattice = Lattice(features)
    ones = lattice(np.ones((1, features.shape[1]))) + 1e-20
    before, after = {
        "none": (1, 1),
        "before": (1 / ones, 1),
        "after": (1, 1 / ones),
        "symmetric": (ones**-0.5, ones**-0.5),
    }[normalization]
    return lambda values: after * lattice(before * values)


def position_features(height, width, sigma_x, sigma_y):
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x.ravel() / np.float32(sigma_x), y.ravel() / np.float32(sigma_y)])


def colour_features(image, sigma_xy, sigma_rgb):
    height, width, _ = image.shape
    colours = image.reshape(-1, 3).T / np.asarray(sigma_rgb, np.float32).reshape(-1, 1)
    positions = position_features(height, width, *sigma_xy)
    return np.concatenate([positions, colours.astype(np.float32)])


def softmax(values):
    exponentials = np.exp(values - values.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


def mean_field(unary, terms, iterations):
    """Marginals after the iterations, and KL(Q) after 0, 1 ... of them; terms: pairs of a kernel
    and a compatibility, a number, a vector or a matrix."""
    unary = unary.astype(np.float64)

    def pairwise(marginals):
        energy = np.zeros_like(unary)
        for filtered, compatibility in terms:
            matrix = np.asarray(compatibility, np.float64)
            if matrix.ndim == 0:
                matrix = -matrix * np.eye(len(unary))
            elif matrix.ndim == 1:
                matrix = np.diag(matrix)
            energy += (matrix + matrix.T) / 2 @ filtered(marginals)
        return energy

    marginals = softmax(-unary)
    divergences = []
    for step in range(iterations + 1):
        energy = unary + pairwise(marginals)
        divergences.append(np.sum(marginals * (np.log(np.maximum(marginals, 1e-20)) + energy)))
        if step < iterations:
            marginals = softmax(-energy)
    return marginals, np.array(divergences)
