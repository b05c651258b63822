"""Recommending for everybody in a log, by what it says of them alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

import tacit
from helpers.logs import quick_run, random_log
from helpers.sequences import ordered_log
from tacit.data.interactions import Interactions
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


def test_what_the_run_knows_of_a_person_is_neither_read_nor_masked(ordered: tacit.Run) -> None:
    before = ordered.item_ids.decode(ordered.evidence.seen.row(ordered.user_ids.row(7)))
    found = ordered.recommend(histories=log_of((7, 4, 0)), k=len(ordered.item_ids))
    assert found.items == ordered.recommend(history=[4], k=len(ordered.item_ids)).items
    assert set(before) - {4} <= set(found.items[0])


def test_appended_events_come_after_what_the_run_knows(ordered: tacit.Run) -> None:
    row = ordered.user_ids.row(7)
    before = ordered.item_ids.decode(ordered.evidence.events.row(row)).tolist()
    later = next(item for item in range(len(ordered.item_ids)) if item not in before)
    found = ordered.recommend(histories=log_of((7, later, 0), (NEW, 4, 0)), append=True, k=3)
    known, new = (ordered.recommend(history=history, k=3) for history in ([*before, later], [4]))
    assert found.items == [*known.items, *new.items]


def test_a_backbone_of_pairs_folds_in_both(factors: tacit.Run) -> None:
    before = factors.item_ids.decode(factors.evidence.seen.row(factors.user_ids.row(7))).tolist()
    later = next(item for item in range(40) if item not in before)
    found = factors.recommend(histories=log_of((7, later, 0)), append=True, k=4)
    assert found.items == factors.recommend(history=[*before, later], k=4).items
    again = factors.recommend(histories=log_of((7, before[0], 0)), append=True, k=4)
    assert again.items == factors.recommend(history=before, k=4).items
    assert again.notes == ()


def test_events_that_the_run_knows_are_said_to_count_again(ordered: tacit.Run) -> None:
    before = ordered.item_ids.decode(ordered.evidence.events.row(ordered.user_ids.row(7)))[0]
    found = ordered.recommend(histories=log_of((7, before, 0)), append=True, k=3)
    assert found.notes == ("1 pairs of the log are among what the run knows: their events count again",)


def test_a_scorer_of_pairs_answers_whom_it_knows_when_appending() -> None:
    run = quick_run(random_log(), backbone="neumf", scheme="bce")
    log = log_of((7, 3, 0), (NEW, 3, 0))
    alone, after = (run.recommend(histories=log, append=append, k=3) for append in (False, True))
    cannot = "answered by popularity: the backbone cannot be asked by a history"
    assert alone.notes == (f"2 {cannot}",)
    assert f"1 {cannot}" in after.notes
    seen = set(run.item_ids.decode(run.evidence.seen.row(run.user_ids.row(7)))) | {3}
    best = [item for item in run.recommend([7], k=len(run.item_ids)).items[0] if item not in seen]
    assert after.items[0] == best[:3]


def test_columns_that_training_was_told_of_may_be_missing(caplog: pytest.LogCaptureFixture) -> None:
    log = random_log().append_column("stars", pa.array([1 + at % 5 for at in range(1500)]))
    run = quick_run(log, data=tacit.DataOptions(rating="stars"))
    with caplog.at_level("INFO", "tacit"):
        found = run.recommend(histories=log_of((NEW, 3, 0)), k=3)
    assert found.items == run.recommend(history=[3], k=3).items
    assert "frame: without stars, which training was told of" in caplog.messages


def test_the_threshold_of_the_run_parts_yes_from_no() -> None:
    log = random_log().append_column("stars", pa.array([1 + at % 5 for at in range(1500)]))
    run = quick_run(log, data=tacit.DataOptions(rating="stars", threshold=4))
    found = run.recommend(histories=log_of((NEW, 3, 0), (NEW, 5, 1), stars=[5, 3]), k=3)
    assert found.scores == run.recommend(history=[3], k=3, deny=[5]).scores


def test_lists_of_items_hold_beside_a_log(ordered: tacit.Run) -> None:
    found = ordered.recommend(histories=log_of((NEW, 3, 0)), k=3, allow=[1, 2, 3, 4], deny=[2])
    assert set(found.items[0]) == {1, 4}


def test_a_log_that_was_read_already_keeps_its_new_ids(ordered: tacit.Run) -> None:
    log = Interactions.read(log_of((7, 2, 0), (NEW, 999, 0), (NEW, 3, 1)), part=True, collapse=False)
    found = ordered.recommend(histories=log, k=3)
    assert found.users == [7, NEW]
    assert found.items[1] == ordered.recommend(history=[3], k=3).items[0]
    with pytest.raises(OptionError, match="user: these Interactions have been read; name no columns"):
        ordered.read(log, user="user")


def test_many_people_without_a_known_event_are_answered_alike(ordered: tacit.Run) -> None:
    log = log_of(*((NEW + at, 999, 0) for at in range(300)))
    found = ordered.recommend(histories=log, k=5)
    assert found.items == ordered.recommend(history=[], k=5).items * 300


def test_a_log_of_another_kind_of_ids_is_refused(factors: tacit.Run) -> None:
    with pytest.raises(DataError, match="ids are text here and integers in the vocabulary"):
        factors.recommend(histories=pa.table({"user": ["ann"], "item": ["tea"]}))


@pytest.mark.parametrize("choice", [{}, {"users": [1], "history": [2]}, {"history": [2], "histories": "log"}])
def test_it_is_asked_for_one_kind_of_people(factors: tacit.Run, choice: dict) -> None:
    with pytest.raises(OptionError, match="exactly one of users, history and histories"):
        factors.recommend(**choice)


def test_appending_needs_a_log(factors: tacit.Run) -> None:
    with pytest.raises(OptionError, match="append goes with histories"):
        factors.recommend([1], append=True)
