import numpy as np

from helpers.matrices import csr_of
from helpers.tiny import tiny
from tacit.data.evidence import Evidence, union, without
from tacit.sparse import CSR


def rows(matrix: CSR) -> list[list[int]]:
    return [matrix.row(row).tolist() for row in range(matrix.n_rows)]


def earlier() -> Evidence:
    """Two users and three items."""
    return Evidence(
        positives=csr_of([[1], [0]], 3),
        seen=csr_of([[1, 2], [0]], 3),
        noes=csr_of([[0], [1]], 3),
        impressions=csr_of([[], [2]], 3),
        item_counts=np.array([1, 1, 0]),
    )


def joined() -> Evidence:
    """With a log of a third user and a fourth item."""
    log = tiny([(0, 0), (0, 1), (2, 3)], 3, 4, no_pairs=[(1, 2)], shown_pairs=[(0, 2), (2, 0)])
    return Evidence.of(log, earlier())


def test_positives_and_seen_of_both_are_joined() -> None:
    assert rows(joined().positives) == [[0, 1], [0], [3]]
    assert rows(joined().seen) == [[0, 1, 2], [0], [3]]


def test_a_yes_of_either_outweighs_a_no_and_a_no_an_impression() -> None:
    assert rows(joined().noes) == [[], [1, 2], []]
    assert rows(joined().impressions) == [[], [], [0]]


def test_a_pair_of_both_logs_counts_once() -> None:
    assert joined().item_counts.tolist() == [2, 1, 0, 1]


def test_union_and_difference() -> None:
    a, b = csr_of([[0, 2], []], 3), csr_of([[1, 2], [0]], 3)
    assert rows(union(a, b)) == [[0, 1, 2], [0]]
    assert rows(without(b, a)) == [[1], [0]]
    assert union(a, csr_of([[], []], 3)) is a
