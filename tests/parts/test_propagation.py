"""Soft labels by propagation: worked examples D6 and D7 of the specification, a twin, invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.tiny import seeded
from longhand import desorec as longhand
from tacit.errors import OptionError
from tacit.kernels.propagation import nearest
from tacit.parts import propagation
from tacit.parts.propagation import Propagation, affinity, k_means, soft_labels

VECTORS = [[0, 0], [1, 0], [0, 2], [3, 3]]
TARGETS = np.array([7, 7, 9, 4])


def of(values):
    return torch.tensor(values, dtype=torch.float64)


def dense(labels, row, columns):
    found = {int(labels.targets[row]): 1.0}
    for at in range(labels.indptr[row], labels.indptr[row + 1]):
        found[int(labels.items[at])] = float(labels.values[at])
        found[int(labels.targets[row])] -= float(labels.values[at])
    return [found.get(column, 0.0) for column in columns]


def labelled(vectors=VECTORS, targets=TARGETS, **options):
    options = {"clusters": 1, "distance": 1.0, "graph": "dense", **options}
    return soft_labels(of(vectors), targets, Propagation(**options))


def test_affinity_of_the_worked_example():
    """D6."""
    expected = [
        [0, 0.710762, 0.261475, 0.027763],
        [0.732930, 0, 0.212934, 0.054136],
        [0.475624, 0.375613, 0, 0.148762],
        [0.171329, 0.323978, 0.504693, 0],
    ]
    torch.testing.assert_close(affinity(of(VECTORS), 1.0), of(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("graph", ["dense", "nearest"])
def test_labels_of_the_worked_example(graph):
    """D6."""
    labels = labelled(graph=graph)
    expected = [
        [0.863482, 0.112905, 0.023613],
        [0.866581, 0.105449, 0.027970],
        [0.391386, 0.559139, 0.049475],
        [0.313111, 0.167850, 0.519039],
    ]
    for row, shares in enumerate(expected):
        assert dense(labels, row, [7, 9, 4]) == pytest.approx(shares, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "row", "shares"),
    [
        ({"steps": 1}, 0, [0.855381, 0.130737, 0.013881]),
        ({"steps": 2}, 0, [0.867007, 0.106708, 0.026285]),
        ({"steps": 5}, 0, [0.863332, 0.113177, 0.023491]),
        ({"distance": 0.25}, 0, [0.992816, 0.007154, 0.000030]),
        ({"distance": 0.25}, 3, [0.285830, 0.213438, 0.500732]),
        ({"distance": 2.0}, 0, [0.793290, 0.142868, 0.063842]),
        ({"distance": 2.0}, 3, [0.301466, 0.160468, 0.538066]),
    ],
)
def test_other_options_of_the_worked_example(options, row, shares):
    """D6."""
    assert dense(labelled(**options), row, [7, 9, 4]) == pytest.approx(shares, abs=1e-6)


def test_lengths_and_temperature_may_be_of_any_unit():
    """D6: nothing depends on a constant that stands for infinity."""
    first, larger = labelled(), labelled([[100 * x for x in row] for row in VECTORS], distance=100.0)
    for row in range(4):
        assert dense(larger, row, [7, 9, 4]) == pytest.approx(dense(first, row, [7, 9, 4]), abs=1e-6)


def test_many_rounds_come_to_the_fixed_point():
    """D6: q = (1 - alpha) (I - alpha w)^-1 q0."""
    weights = affinity(of(VECTORS), 1.0).numpy()
    hard = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    fixed = 0.5 * np.linalg.inv(np.eye(4) - 0.5 * weights) @ hard
    labels = labelled(steps=20)
    for row in range(4):
        assert dense(labels, row, [7, 9, 4]) == pytest.approx(fixed[row], abs=1e-7)


@given(st.integers(0, 10_000), st.integers(1, 8), st.floats(0.1, 0.9))
def test_every_round_comes_nearer_to_the_fixed_point(seed, steps, alpha):
    """|q_T - q*| <= 2 alpha^T in each row, the sum of absolute differences."""
    vectors = torch.randn(6, 2, generator=seeded(seed), dtype=torch.float64)
    weights, hard = affinity(vectors, 1.0).numpy(), np.eye(6)
    fixed = (1 - alpha) * np.linalg.inv(np.eye(6) - alpha * weights) @ hard
    labels = labelled(vectors.tolist(), np.arange(6), steps=steps, alpha=alpha)
    for row in range(6):
        off = np.abs(np.array(dense(labels, row, range(6))) - fixed[row]).sum()
        assert off <= 2 * alpha**steps + 1e-6


@pytest.mark.parametrize("graph", ["dense", "nearest"])
@pytest.mark.parametrize("copies", [1, 12])
def test_the_usual_distance_makes_the_unit_of_lengths_irrelevant(graph, copies):
    """Also where more rows are equal than neighbours are looked at, as those of one user's examples are."""
    first, second = (
        labelled(
            [[scale * x for x in row] for row in VECTORS for _ in range(copies)],
            np.arange(4 * copies),
            distance=None,
            graph=graph,
            neighbours=3,
        )
        for scale in (1, 50)
    )
    np.testing.assert_array_equal(first.items, second.items)
    np.testing.assert_allclose(first.values, second.values, rtol=1e-5)


def test_the_usual_distance_is_that_to_the_nearest_that_is_not_equal():
    """Of the worked example 1, 1, 2 and the root of 10, whose median is 1.5; equal rows change nothing."""
    for copies in (1, 12):
        vectors = [row for row in VECTORS for _ in range(copies)]
        usual, told = (
            labelled(vectors, np.arange(4 * copies), distance=distance, neighbours=3, graph="nearest")
            for distance in (None, 1.5)
        )
        np.testing.assert_allclose(usual.values, told.values, rtol=1e-6)


def test_a_matrix_of_all_pairs_that_is_too_large_is_refused_with_the_mend(monkeypatch):
    monkeypatch.setattr(propagation, "DENSE", 3)
    with pytest.raises(OptionError, match=r'4 examples.*use graph = "nearest", or more clusters'):
        labelled(graph="dense")


def test_clusters_of_the_worked_example():
    """D7."""
    groups = k_means(of([[0], [1], [10], [11]]), 2, centres=of([[0], [1]]))
    assert groups.tolist() == [0, 0, 1, 1]


def test_a_cluster_that_loses_its_last_row_is_begun_anew():
    groups = k_means(of([[0], [0], [0], [9]]), 3, centres=of([[0], [0], [0]]))
    assert sorted(torch.bincount(groups, minlength=3).tolist()) == [1, 1, 2]


SEEDS = st.integers(0, 10_000)


@given(SEEDS, st.integers(2, 7), st.floats(0.2, 3), st.floats(0, 0.9), st.integers(1, 6), st.booleans())
def test_equals_its_longhand_twin(seed, n, temperature, alpha, steps, sparse):
    vectors = torch.randn(n, 2, generator=seeded(seed), dtype=torch.float64)
    targets = torch.randint(0, 4, (n,), generator=seeded(seed + 1)).numpy()
    graph = "nearest" if sparse else "dense"
    options = {"distance": temperature, "alpha": alpha, "steps": steps, "graph": graph}
    labels = labelled(vectors.tolist(), targets, **options)
    expected = longhand.propagate(vectors.tolist(), targets.tolist(), temperature, alpha, steps)
    for row in range(n):
        twin = [expected[row].get(item, 0.0) for item in range(4)]
        assert dense(labels, row, range(4)) == pytest.approx(twin, abs=2e-6)


@given(SEEDS)
def test_every_row_is_a_distribution_with_enough_on_its_target(seed):
    vectors = torch.randn(40, 3, generator=seeded(seed))
    targets = torch.randint(0, 15, (40,), generator=seeded(seed + 1)).numpy()
    labels = soft_labels(vectors, targets, Propagation(clusters=3, neighbours=6, keep=4))
    mass = np.add.reduceat(np.append(labels.values, 0), labels.indptr[:-1]) * (np.diff(labels.indptr) > 0)
    assert (labels.values > 0).all()
    assert (mass <= 0.5 + 1e-5).all()
    for row in range(40):
        others = labels.items[labels.indptr[row] : labels.indptr[row + 1]].tolist()
        assert targets[row] not in others
        assert len(set(others)) == len(others) <= 3


def test_clusters_keep_labels_apart():
    vectors = [[0, 0], [0, 1], [50, 0], [50, 1]]
    labels = labelled(vectors, np.array([1, 2, 3, 4]), clusters=2)
    for row, others in enumerate(([2], [1], [4], [3])):
        assert labels.items[labels.indptr[row] : labels.indptr[row + 1]].tolist() == others


def test_neighbours_of_one_target_leave_no_support():
    labels = labelled(targets=np.array([7, 7, 7, 7]))
    assert len(labels.items) == 0
    assert labels.report()["without_support"] == 1


@given(SEEDS, st.integers(1, 4))
def test_few_items_kept_hold_what_the_others_had(seed, keep):
    vectors = torch.randn(8, 2, generator=seeded(seed), dtype=torch.float64)
    targets = torch.randint(0, 6, (8,), generator=seeded(seed + 1)).numpy()
    labels = labelled(vectors.tolist(), targets, graph="nearest", steps=3, keep=keep)
    expected = longhand.propagate(vectors.tolist(), targets.tolist(), 1.0, 0.5, 3, keep)
    for row in range(8):
        twin = [expected[row].get(item, 0.0) for item in range(6)]
        assert dense(labels, row, range(6)) == pytest.approx(twin, abs=2e-6)


@pytest.mark.parametrize("place", [0.0, 1000.0])
def test_the_nearest_are_those_of_all_distances(place):
    """Also far from the origin, where squares of lengths would swallow the differences."""
    vectors = (place + torch.randn(2100, 5, generator=seeded())).numpy()
    items, found = nearest(vectors, 7)
    distances = np.linalg.norm(vectors[:, None].astype(np.float64) - vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(items, distances.argsort(1, kind="stable")[:, :7])
    np.testing.assert_allclose(found, np.sort(distances, 1)[:, :7], rtol=1e-3)


@pytest.mark.parametrize(
    "options",
    [{"clusters": 0}, {"distance": 0.0}, {"alpha": 1.0}, {"steps": 0}, {"keep": 0}, {"scale": -1.0}],
)
def test_refuses_options_out_of_range(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        Propagation(**options)
