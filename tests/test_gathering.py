"""What a run reads: files that write ids in their own way, validation parts, what must not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import tacit
from helpers.logs import quick_run, random_log
from tacit.cli.main import outcome
from tacit.errors import DataError, OptionError, RunFolderError
from tacit.events import StepEnd

CHANCE = np.random.default_rng(0)
NUMBERS = [
    f"{user},{item}"
    for user, item in zip(CHANCE.integers(0, 40, 900), CHANCE.integers(0, 30, 900), strict=True)
]
WORDS = [*NUMBERS, "guest,3", "guest,4"]


def csv(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["user,item", *rows]) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A log in which one user's id is a word, and files that hold numbers only."""
    return {
        "train": csv(tmp_path / "train.csv", WORDS),
        "more": csv(tmp_path / "more.csv", ["1,2", "2,31", "3,7", "50,3"]),
        "other": csv(tmp_path / "other.csv", ["1,1", "4,5", "3,9", "4,31"]),
    }


@pytest.mark.parametrize(
    "options",
    [lambda more: {"valid": more}, lambda more: {"data": tacit.DataOptions(impressions=str(more))}],
    ids=["valid", "impressions"],
)
def test_fit_reads_numbers_as_words_where_the_log_has_words(files: dict[str, Path], options: Any) -> None:
    run = quick_run(files["train"], **options(files["more"]))
    assert {"guest", "1", "50"} <= set(run.user_ids.decode(range(len(run.user_ids))))


def test_evaluate_reads_numbers_as_words_where_the_run_has_words(files: dict[str, Path]) -> None:
    run = quick_run(files["train"])
    report = tacit.evaluate(run, files["more"], history=files["other"], ks=(5,), references=False).report
    assert report.users == 3
    assert report.counts["cold_users"] == 1


def test_words_among_numbers_are_refused_with_their_place(tmp_path: Path) -> None:
    run = quick_run(csv(tmp_path / "train.csv", NUMBERS))
    with pytest.raises(DataError, match=r"test\.csv, column 'user': ids are text here and integers"):
        tacit.evaluate(run, csv(tmp_path / "test.csv", ["1,2", "guest,3"]), references=False)


def test_resuming_with_another_validation_file_is_refused(tmp_path: Path) -> None:
    def stop(event: object) -> None:
        if isinstance(event, StepEnd) and event.clock.step == 2:
            raise KeyboardInterrupt

    training = tacit.TrainingOptions(epochs=2, batch_size=256, checkpoint_every=1)
    options = {"training": training, "out": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        quick_run(random_log(), valid=random_log(80, seed=1), callbacks=[stop], **options)
    with pytest.raises(RunFolderError, match=r"data\.valid was"):
        quick_run(random_log(), valid=random_log(80, seed=2), resume=True, **options)


@pytest.fixture
def people_held_out(tmp_path: Path) -> Path:
    """A folder with a split by user."""
    log = tacit.Interactions.read(random_log()).to_arrow()  # no pair twice
    pq.write_table(log, tmp_path / "log.parquet")
    split = ["data", "split", str(tmp_path / "log.parquet"), "--by", "user", "--out", str(tmp_path)]
    assert outcome(split) == 0
    return tmp_path


def test_people_held_out_whole_are_validated_by_their_histories(people_held_out: Path) -> None:
    folder = people_held_out
    run = quick_run(folder / "train.parquet", valid=folder / "valid.parquet")
    users = pq.read_table(folder / "valid.parquet")["user"].unique().to_pylist()
    rows = np.array([run.user_ids.row(user) for user in users])
    history = tacit.Interactions.read(folder / "valid_history.parquet", part=True).positives
    valid = tacit.Interactions.read(folder / "valid.parquet", part=True).positives
    assert run.evidence.positives.degrees()[rows].sum() == 0
    assert run.evidence.seen.degrees()[rows].sum() == len(history.indices) + len(valid.indices)
    assert set(run.facts["data"]) == {"train", "valid", "valid_history"}
    assert tacit.evaluate(run, folder / "test.parquet", ks=(5,), references=False).report.users > 0


def test_histories_may_be_given_and_are_trained_on_at_last(people_held_out: Path) -> None:
    parts = {
        name: tacit.Interactions.read(people_held_out / f"{name}.parquet", part=True)
        for name in ("train", "valid", "valid_history")
    }
    training = tacit.TrainingOptions(epochs=1, refit=True)
    run = quick_run(
        parts["train"], valid=parts["valid"], valid_history=parts["valid_history"], training=training
    )
    assert len(run.evidence.positives.indices) == sum(len(part.positives.indices) for part in parts.values())


def test_a_history_without_a_validation_part_is_refused() -> None:
    with pytest.raises(OptionError, match="give valid too"):
        quick_run(random_log(), valid_history=random_log(20))
