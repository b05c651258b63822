import numpy as np

from helpers.matrices import csr_of
from tacit.kernels.graphfilter import right_vectors
from tacit.kernels.neighbours import ItemGraph


def test_finds_the_leading_subspace_of_a_larger_graph() -> None:
    chance = np.random.default_rng(4)
    groups = chance.integers(0, 6, 400), chance.integers(0, 6, 300)
    likely = np.where(groups[0][:, None] == groups[1], 0.3, 0.02)
    matrix = csr_of([np.flatnonzero(row).tolist() for row in chance.random((400, 300)) < likely], 300)
    found = right_vectors(ItemGraph.of(matrix), 6)
    dense = np.zeros((400, 300))
    for user in range(400):
        dense[user, matrix.row(user)] = 1
    normal = dense / np.sqrt(dense.sum(1, keepdims=True)) / np.sqrt(dense.sum(0))
    exact = np.linalg.svd(normal)[2][:6].T
    np.testing.assert_allclose(found.T @ found, np.eye(6), atol=1e-5)
    np.testing.assert_allclose(found @ found.T, exact @ exact.T, atol=1e-3)
