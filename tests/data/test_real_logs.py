import os
from pathlib import Path

import numpy as np
import pytest

from tacit.data.audit import audit
from tacit.data.interactions import Interactions
from tacit.data.split import Split, split

FOLDER = Path(os.environ.get("TACIT_DATA", Path(__file__).parents[3] / "shared" / "data"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the public datasets are not there; set TACIT_DATA"),
]


@pytest.mark.parametrize(
    ("name", "rows", "users", "items", "yeses"),
    [
        ("ml-100k/interactions", 100_000, 943, 1_682, 55_375),
        ("gowalla/train", 810_128, 29_858, 40_981, 810_128),
        ("kuairec-signed/train", 177_789, 1_411, 3_327, 25_592),
    ],
)
def test_counts_are_the_published_ones(name: str, rows: int, users: int, items: int, yeses: int) -> None:
    log = Interactions.read(FOLDER / f"{name}.parquet")
    assert (len(log), log.n_users, log.n_items, log.n_yes) == (rows, users, items, yeses)
    assert len(log.positives.indices) == yeses


def test_the_repeats_of_check_ins_are_counted() -> None:
    log = Interactions.read(FOLDER / "foursquare-nyc" / "train.parquet")
    assert any(note.startswith("85,034 repeated") for note in log.notes)
    assert len(log) == 125_119 - 85_034


def test_the_audit_finds_the_pairs_that_citeulike_tests_twice() -> None:
    train, test = (
        Interactions.read(FOLDER / "citeulike" / f"{part}.parquet", part=part == "test")
        for part in ("train", "test")
    )
    assert audit(Split.given(train, None, test)).test_pairs_in_train == 11


def test_a_split_by_time_of_ratings_is_clean() -> None:
    parts = split(Interactions.read(FOLDER / "ml-100k" / "interactions.parquet"))
    assert parts.kind == "time"
    assert parts.test is not None
    assert len(parts.test) == pytest.approx(10_000, abs=50)
    report = audit(parts)
    assert report.train_events_after_test_begins == 0
    assert report.test_pairs_in_train == 0
    assert report.test_users_without_train == len(
        np.setdiff1d(parts.test.users[parts.test.yes], parts.train.users[parts.train.yes])
    )
