"""`tacit soft-labels`: from a trained run to labels that another one takes."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from helpers.command import Tacit
from helpers.sequences import ordered_log
from tacit.data.split import split

QUICK = ("--set", "training.epochs=2", "--set", "backbone.dim=8", "--backbone", "gru4rec")


def parts_in(folder: Path) -> tuple[Path, Path]:
    """A log of 30 users with seven events each, and one more of each to validate on."""
    parts = split(ordered_log(), "last")
    files = {"train": parts.train, "valid": parts.valid}
    for name, part in files.items():
        pq.write_table(part.to_arrow(), folder / f"{name}.parquet")
    return folder / "train.parquet", folder / "valid.parquet"


def test_labels_of_a_run_are_taken_by_another(tacit: Tacit, tmp_path: Path) -> None:
    train, valid = parts_in(tmp_path)
    base, labels, own = (tmp_path / name for name in ("base", "labels", "own"))
    common = (train, "--valid", valid, *QUICK)
    assert tacit("fit", *common, "--scheme", "softmax", "--out", base).code == 0
    told = tacit("soft-labels", base, "--train", train, "--out", labels, "--clusters", 2, "--json")
    assert told.json["examples"] == 30 * 6
    assert 0.5 <= told.json["mass_on_target"] <= 1
    made = ("--scheme", "desorec", "--set", f'scheme.labels="{labels}"')
    assert tacit("fit", *common, *made, "--out", own).code == 0
    assert not (own / "soft-labels").exists()
    again = tacit("fit", *common, *made, "--out", own)
    assert again.code == 2


def test_labels_are_not_written_over(tacit: Tacit, tmp_path: Path) -> None:
    train, valid = parts_in(tmp_path)
    base, labels = tmp_path / "base", tmp_path / "labels"
    assert tacit("fit", train, "--valid", valid, *QUICK, "--out", base).code == 0
    assert tacit("soft-labels", base, "--train", train, "--out", labels).code == 0
    again = tacit("soft-labels", base, "--train", train, "--out", labels)
    assert again.code == 2
    assert "holds a tacit-soft-labels already" in again.err


def test_labels_do_not_take_the_place_of_a_run(tacit: Tacit, tmp_path: Path) -> None:
    train, valid = parts_in(tmp_path)
    base = tmp_path / "base"
    assert tacit("fit", train, "--valid", valid, *QUICK, "--out", base).code == 0
    told = tacit("soft-labels", base, "--train", train, "--out", base)
    assert told.code == 2
    assert "holds a tacit-run already" in told.err


def test_without_json_there_is_a_table(tacit: Tacit, tmp_path: Path) -> None:
    train, valid = parts_in(tmp_path)
    base = tmp_path / "base"
    assert tacit("fit", train, "--valid", valid, *QUICK, "--out", base).code == 0
    told = tacit("soft-labels", base, "--train", train, "--out", tmp_path / "labels")
    assert "mass on target" in told.out


def test_another_log_is_refused_with_the_mend(tacit: Tacit, tmp_path: Path) -> None:
    train, valid = parts_in(tmp_path)
    base = tmp_path / "base"
    assert tacit("fit", train, "--valid", valid, *QUICK, "--out", base).code == 0
    told = tacit("soft-labels", base, "--train", valid, "--out", tmp_path / "labels")
    assert told.code == 2
    assert "another log: give the one that it was trained on" in told.err
    assert not (tmp_path / "labels").exists()


def test_a_misspelt_graph_is_refused_with_the_choices(tacit: Tacit, tmp_path: Path) -> None:
    train, valid = parts_in(tmp_path)
    base = tmp_path / "base"
    assert tacit("fit", train, "--valid", valid, *QUICK, "--out", base).code == 0
    told = tacit("soft-labels", base, "--train", train, "--out", tmp_path / "labels", "--graph", "densest")
    assert told.code == 2
    assert "nearest" in told.err


def test_labels_do_not_take_the_place_of_what_is_damaged(tacit: Tacit, tmp_path: Path) -> None:
    train, valid = parts_in(tmp_path)
    base = tmp_path / "base"
    assert tacit("fit", train, "--valid", valid, *QUICK, "--out", base).code == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{")
    told = tacit("soft-labels", base, "--train", train, "--out", tmp_path / "other")
    assert told.code == 2
    assert "holds a damaged artifact already" in told.err
