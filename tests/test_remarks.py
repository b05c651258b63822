"""What is said before training of a log and a scheme that do not suit each other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import tacit
from tacit.parts.objectives import BPR
from tacit.parts.samplers import Explicit, Mixed, Uniform
from tacit.remarks import remarks
from tacit.schemes.scheme import Scheme


def log(every_cell: bool, noes: int) -> tacit.Interactions:
    """Six users by five items, the diagonal or all; of the first pairs so many are noes."""
    users, items = (np.arange(30) // 5, np.arange(30) % 5) if every_cell else (np.arange(6), np.arange(6) % 5)
    labels = (np.arange(len(users)) >= noes).astype(int)
    return tacit.Interactions.read(pa.table({"user": users, "item": items, "label": labels}))


def test_a_log_of_every_cell_leaves_nothing_to_rank() -> None:
    (said,) = remarks(log(True, 0), tacit.bpr())
    assert "nothing is left to rank" in said
    assert not list(remarks(log(False, 0), tacit.bpr()))


@pytest.mark.parametrize("scheme", [tacit.bpr(), tacit.softmax(), tacit.dli(objective="bpr")])
def test_noes_that_are_only_masked_are_told(scheme: Scheme) -> None:
    (said,) = remarks(log(False, 2), scheme)
    assert said.startswith("2 explicit noes are masked but not learnt from")


@pytest.mark.parametrize(
    "scheme",
    [
        tacit.bce(),
        tacit.idl(),
        tacit.dli(),
        Scheme(Explicit(1), BPR()),
        Scheme(Mixed((Uniform(1), Explicit(1))), BPR()),
    ],
)
def test_noes_that_are_learnt_from_are_no_remark(scheme: Scheme) -> None:
    assert not list(remarks(log(False, 2), scheme))


def test_noes_are_no_part_of_a_sequence() -> None:
    (told,) = list(remarks(log(False, 2), tacit.bce(), sequences=True))[1:]
    assert "no part of a sequence" in told
    drawn = list(remarks(log(False, 2), tacit.bce(draw="explicit"), sequences=True))
    assert not any("sequence;" in sentence for sentence in drawn)


def test_repeats_that_a_sequence_lost_when_it_was_read_are_told() -> None:
    table = pa.table({"user": [0, 0, 1], "item": [5, 5, 6], "timestamp": [1, 2, 3]})
    lost, whole = (tacit.Interactions.read(table, collapse=collapse) for collapse in (True, False))
    (told,) = remarks(lost, tacit.bpr(), sequences=True)
    assert "collapse=False" in told
    assert list(remarks(whole, tacit.bpr(), sequences=True)) == []
    assert list(remarks(lost, tacit.bpr())) == []


def test_an_order_that_no_column_tells_is_said() -> None:
    (told,) = remarks(log(False, 0), tacit.bce(), sequences=True)
    assert "neither times nor positions" in told
    assert list(remarks(log(False, 0), tacit.bce())) == []
