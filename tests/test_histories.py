"""Recommending for everybody in a log, by what it says of them alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

import tacit
from helpers.logs import quick_run, random_log
from helpers.sequences import ordered_log
from tacit.errors import DataError, OptionError

NEW = 5000


@pytest.fixture(scope="module")
def ordered() -> tacit.Run:
    backbone = tacit.SASRecConfig(dim=8, length=8, blocks=1, heads=1)
    training = tacit.TrainingOptions(epochs=2, batch_size=8)
    return tacit.fit(ordered_log(), backbone=backbone, scheme="softmax", training=training)


@pytest.fixture(scope="module")
def factors() -> tacit.Run:
    return quick_run(random_log())


def log_of(*events: tuple[int, int, int], **more: list[int]) -> pa.Table:
    users, items, places = zip(*events, strict=True)
    return pa.table({"user": users, "item": items, "position": places, **more})


def test_everybody_is_answered_as_by_a_history_of_their_own(ordered: tacit.Run) -> None:
    log = log_of((NEW, 4, 2), (7, 9, 0), (NEW, 2, 0), (NEW, 3, 1), (7, 9, 1))
    found = ordered.recommend(histories=log, k=3)
    known, new = (ordered.recommend(history=history, k=3) for history in ([9, 9], [2, 3, 4]))
    assert found.users == [7, NEW]
    assert found.items == [*known.items, *new.items]
    assert found.scores == [*known.scores, *new.scores]


def test_the_same_for_a_backbone_that_folds_in(factors: tacit.Run) -> None:
    found = factors.recommend(histories=log_of((NEW, 3, 0), (NEW, 5, 1)), k=4)
    assert found.items == factors.recommend(history=[3, 5], k=4).items


def test_events_of_unknown_items_are_left_out_and_counted(ordered: tacit.Run) -> None:
    found = ordered.recommend(histories=log_of((NEW, 2, 0), (NEW, 999, 1), (NEW + 1, 998, 0)), k=2)
    assert found.users == [NEW, NEW + 1]
    assert found.items[0] == ordered.recommend(history=[2], k=2).items[0]
    assert found.items[1] == ordered.recommend(history=[], k=2).items[0]
    assert found.notes[0] == "2 of 3 events are of items that the run does not know, and left out"


def test_explicit_noes_are_masked_and_no_history(factors: tacit.Run) -> None:
    liked = factors.recommend(history=[3, 5], k=1).items[0][0]
    log = log_of((NEW, 3, 0), (NEW, 5, 1), (NEW, liked, 2), label=[1, 1, 0])
    found = factors.recommend(histories=log, k=4).items[0]
    assert found == [item for item in factors.recommend(history=[3, 5], k=5).items[0] if item != liked]
    assert set(factors.recommend(histories=log, k=40, keep_seen=True).items[0]) >= {3, 5, liked}


def test_a_log_of_another_kind_of_ids_is_refused(factors: tacit.Run) -> None:
    with pytest.raises(DataError, match="ids are text here and integers in the vocabulary"):
        factors.recommend(histories=pa.table({"user": ["ann"], "item": ["tea"]}))


@pytest.mark.parametrize("choice", [{}, {"users": [1], "history": [2]}, {"history": [2], "histories": "log"}])
def test_it_is_asked_for_one_kind_of_people(factors: tacit.Run, choice: dict) -> None:
    with pytest.raises(OptionError, match="exactly one of users, history and histories"):
        factors.recommend(**choice)
