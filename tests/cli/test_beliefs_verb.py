"""`tacit beliefs`: the table, the object, the file, errors."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers.command import Place, Tacit

QUICK = ("--set", "training.epochs=2", "--set", "backbone.dim=4", "--set", "training.audit=1")


@pytest.fixture
def audited(tacit: Tacit, place: Place, tmp_path: Path) -> Path:
    train = place.split / "train.parquet"
    assert tacit("fit", train, "--scheme", "dli", "--out", tmp_path / "run", *QUICK).code == 0
    return tmp_path / "run"


def test_every_epoch_has_its_line(tacit: Tacit, audited: Path) -> None:
    told = tacit("beliefs", audited)
    assert told.code == 0
    assert all(text in told.out for text in ("epoch", "taken", "mean belief"))


def test_the_object_and_the_file_hold_all_beliefs(tacit: Tacit, audited: Path, tmp_path: Path) -> None:
    found = tacit("beliefs", audited, "--out", tmp_path / "b.parquet", "--json").json
    table = pq.read_table(tmp_path / "b.parquet")
    assert sum(entry["asked"] for entry in found["epochs"]) == len(table)
    assert table.column_names == ["epoch", "user", "item", "belief", "score"]


def test_a_run_without_an_audit_is_told(tacit: Tacit, place: Place) -> None:
    told = tacit("beliefs", place.run)
    assert told.code == 2
    assert "training.audit=1" in told.err
