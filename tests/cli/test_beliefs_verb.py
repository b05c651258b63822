"""`tacit beliefs`: the table, the object, the file, errors."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.command import Place, Tacit
from tacit.run import load

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
    assert table.column_names == ["epoch", "user", "item", "belief", "score", "popularity"]


def test_the_file_is_of_the_kind_that_its_name_says(tacit: Tacit, audited: Path, tmp_path: Path) -> None:
    assert tacit("beliefs", audited, "--out", tmp_path / "b.csv").code == 0
    head = (tmp_path / "b.csv").read_text().splitlines()[0]
    assert head == '"epoch","user","item","belief","score","popularity"'
    told = tacit("beliefs", audited, "--out", tmp_path / "b.xlsx")
    assert (told.code, told.out) == (2, "")
    assert "name a file of .parquet, .csv, .jsonl" in told.err


def test_a_saved_copy_keeps_what_training_noted(tacit: Tacit, audited: Path, tmp_path: Path) -> None:
    load(audited).save(tmp_path / "copy")
    assert tacit("beliefs", tmp_path / "copy", "--json").out == tacit("beliefs", audited, "--json").out
    assert (tmp_path / "copy" / "log.jsonl").read_bytes() == (audited / "log.jsonl").read_bytes()


def test_a_saved_copy_drops_the_notes_of_the_run_that_it_replaces(
    tacit: Tacit, place: Place, audited: Path
) -> None:
    load(place.run).save(audited)
    assert tacit("beliefs", audited).code == 2


def test_the_epoch_that_the_run_kept_is_told(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    parts = place.split / "train.parquet", "--valid", place.split / "valid.parquet"
    made = (
        "--scheme",
        "dli",
        "--out",
        tmp_path / "run",
        *QUICK,
        "--set",
        "training.epochs=9",
        "--set",
        "training.patience=2",
    )
    assert tacit("fit", *parts, *made).code == 0
    kept = load(tmp_path / "run").config["chosen"]["epoch"]
    assert kept < tacit("beliefs", tmp_path / "run", "--json").json["epochs"][-1]["epoch"]
    assert tacit("beliefs", tmp_path / "run", "--json").json["kept"] == kept
    assert f"the run kept the parameters of epoch {kept}" in tacit("beliefs", tmp_path / "run").err


def test_a_folder_that_is_not_there_is_told(tacit: Tacit, tmp_path: Path) -> None:
    told = tacit("beliefs", tmp_path / "nowhere")
    assert (told.code, told.err.count("no such folder")) == (2, 1)


def test_a_run_without_an_audit_is_told(tacit: Tacit, place: Place) -> None:
    told = tacit("beliefs", place.run)
    assert told.code == 2
    assert "training.audit=1" in told.err


@pytest.mark.parametrize("liked", [[True, False], [1, 0]], ids=["flags", "numbers"])
def test_beliefs_stand_beside_the_truth(
    tacit: Tacit, audited: Path, tmp_path: Path, liked: list[int]
) -> None:
    asked = pq.read_table(next(audited.glob("beliefs/*.parquet"))).slice(0, 2)
    truth = {"user": asked["user"], "item": asked["item"], "liked": pa.array(liked)}
    twice = pa.concat_tables([pa.table(truth)] * 2)
    pq.write_table(twice, tmp_path / "truth.parquet")
    found = tacit("beliefs", audited, "--truth", tmp_path / "truth.parquet", "--json").json
    assert [(entry["known"], entry["base"]) for entry in found["epochs"][:1]] == [(2, 0.5)]


def test_calibration_of_the_last_epoch_has_its_table(tacit: Tacit, audited: Path, tmp_path: Path) -> None:
    asked = pq.read_table(next(audited.glob("beliefs/*.parquet")))
    truth = pa.table({"user": asked["user"], "item": asked["item"], "liked": [True] * len(asked)})
    pq.write_table(truth, tmp_path / "truth.parquet")
    told = tacit("beliefs", audited, "--truth", tmp_path / "truth.parquet").out
    assert "Belief and what is liked, epoch 2" in told
    head, line = told.partition("epoch 2")[2].split("\n")[1::2][:2]
    assert head.split() == ["belief", "liked", "pairs"]
    assert line.split()[1] == "1.0000"


def test_a_truth_with_other_ids_is_told(tacit: Tacit, audited: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": ["a"], "item": ["b"], "liked": [True]}), tmp_path / "truth.parquet")
    told = tacit("beliefs", audited, "--truth", tmp_path / "truth.parquet")
    assert told.code == 2
    assert "column user of the truth is string" in told.err


@pytest.mark.parametrize(
    ("backbone", "option", "says"),
    [("neumf", "spectrum", "NeuMF has none"), ("mf", "audit", "has no refiner")],
)
def test_what_cannot_be_watched_is_refused_before_training(
    tacit: Tacit, place: Place, tmp_path: Path, backbone: str, option: str, says: str
) -> None:
    told = tacit(
        *("fit", place.split / "train.parquet", "--backbone", backbone, "--scheme", "bce"),
        *("--set", f"training.{option}=1", "--out", tmp_path / "refused"),
    )
    assert told.code == 2
    assert f"training.{option}" in told.err
    assert says in told.err
    assert "epoch 1" not in told.err
