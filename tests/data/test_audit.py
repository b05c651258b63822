from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.data.audit import audit
from tacit.data.interactions import Interactions
from tacit.data.split import Split, split
from tacit.data.vocabulary import Vocabulary

IDS = Vocabulary(np.arange(6)), Vocabulary(np.arange(8))


def log(
    pairs: list[tuple[int, ...]], labels: list[float] | None = None, shown: list[bool] | None = None
) -> Interactions:
    columns = [np.array(column) for column in zip(*pairs, strict=True)]
    times = columns[2].astype(np.int64) if len(columns) > 2 else None
    given = None if labels is None else np.array(labels, np.float32)
    flags = None if shown is None else np.array(shown)
    return Interactions(
        columns[0].astype(np.int32), columns[1].astype(np.int32), *IDS, times=times, labels=given, shown=flags
    )


CLEAN = Split(log([(0, 0, 1), (1, 1, 2)]), log([(0, 1, 3)]), log([(1, 0, 4), (0, 1, 5)][:1]))

LEAKS: dict[str, tuple[Split, int]] = {
    "test_pairs_in_train": (Split(log([(0, 0), (1, 1)]), None, log([(0, 0), (1, 0)])), 1),
    "valid_pairs_in_train": (Split(log([(0, 0), (1, 1)]), log([(0, 0), (1, 1)]), None), 2),
    "valid_pairs_in_test": (Split(log([(0, 0), (0, 1)]), log([(0, 2)]), log([(0, 2), (0, 1)])), 1),
    "train_events_after_test_begins": (
        Split(log([(0, 0, 1), (1, 1, 9), (1, 2, 5)]), None, log([(0, 1, 5), (1, 0, 7)])),
        1,
    ),
    "train_events_after_valid_begins": (Split(log([(0, 0, 1), (1, 1, 9)]), log([(0, 1, 5)]), None), 1),
    "train_impressions_after_valid_begins": (
        Split(log([(0, 0, 1), (1, 1, 9), (1, 2, 5)], shown=[False, True, True]), log([(0, 1, 5)]), None),
        1,
    ),
    "train_impressions_after_test_begins": (
        Split(log([(0, 0, 1), (1, 1, 9), (1, 2, 6)], shown=[False, True, True]), None, log([(0, 1, 5)])),
        2,
    ),
    "test_items_never_in_train": (Split(log([(0, 0), (1, 1)]), None, log([(0, 7), (1, 7), (1, 6)])), 2),
    "test_pairs_of_items_never_in_train": (
        Split(log([(0, 0), (1, 1)]), None, log([(0, 7), (1, 7), (1, 6)])),
        3,
    ),
    "test_users_without_train": (Split(log([(0, 0), (1, 1)]), None, log([(4, 0), (5, 0), (0, 1)])), 2),
    "repeated_test_rows": (Split(log([(0, 0), (1, 1)]), None, log([(0, 1), (0, 1), (0, 1)])), 2),
    "users_without_test": (Split(log([(0, 0), (1, 1), (2, 1)]), None, log([(0, 1)])), 2),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_counted_and_said(leak: str) -> None:
    parts, count = LEAKS[leak]
    report = audit(parts)
    assert report.to_dict()[leak] == count
    assert any(finding.startswith(f"{count} {leak.replace('_', ' ')}: ") for finding in report.findings())


def test_a_clean_split_has_no_leak() -> None:
    assert audit(CLEAN).findings() == ["1 users without test: trained on, not measured"]


def test_noes_do_not_count() -> None:
    parts = Split(log([(0, 0), (0, 1)], [1, 0]), None, log([(0, 1), (0, 0)], [1, 0]))
    assert audit(parts).test_pairs_in_train == 0


def test_what_cannot_be_known_is_none() -> None:
    report = audit(Split(log([(0, 0)]), None, log([(0, 1)])))
    assert report.train_events_after_test_begins is None
    assert report.valid_pairs_in_train is None


def test_the_history_of_people_held_out_counts_as_train() -> None:
    parts = Split(log([(0, 0)]), None, log([(1, 0)]), test_history=log([(1, 2)]))
    assert audit(parts).test_users_without_train == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 30)), min_size=4, max_size=60),
)
def test_a_split_by_time_leaks_no_future(events: list[Any]) -> None:
    if len({time for _, _, time in events}) < 2:
        return
    report = audit(split(log(events), "time", test=0.3, valid=0.2))
    assert report.train_events_after_test_begins == 0
    assert report.train_events_after_valid_begins in (0, None)
