"""What people are told who call `tacit.fit` and `tacit.load` with something else than they take."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import tacit
from helpers.logs import quick_run, random_log
from tacit.errors import ArtifactError, DataError, OptionError, RunFolderError


@pytest.mark.parametrize(
    ("name", "kind"),
    [("data", "DataOptions"), ("training", "TrainingOptions"), ("optimizer", "OptimizerOptions")],
)
def test_options_of_another_class_are_named(name: str, kind: str) -> None:
    options: dict[str, Any] = {name: {"epochs": 3}}
    with pytest.raises(OptionError, match=rf"{name} is a tacit\.{kind}\(\.\.\.\), not a dict"):
        tacit.fit(random_log(), **options)


def test_missing_columns_are_named_at_once_with_both_ways_to_name_them() -> None:
    table = random_log().rename_columns(["who", "what"])
    with pytest.raises(DataError) as caught:
        tacit.fit(table)
    said = str(caught.value)
    assert "no column looks like the user or the item" in said
    assert "data=tacit.DataOptions(user=..., item=...)" in said
    assert "--set data.user=... --set data.item=..." in said


def test_named_columns_that_are_not_there_are_named_at_once() -> None:
    with pytest.raises(DataError, match=r"no column 'usr'.*no column 'itm'"):
        tacit.fit(random_log(), data=tacit.DataOptions(user="usr", item="itm"))


def test_a_run_is_shown_on_one_line(tmp_path: Path) -> None:
    run = quick_run(random_log(), out=tmp_path / "run")
    assert repr(run) == f"Run(mf, sampled-softmax, 60 users, 40 items, '{tmp_path / 'run'}')"


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "interactions.parquet").write_bytes(b"mine")
    for resume in (False, True):
        with pytest.raises(RunFolderError, match=r"holds other files \(interactions\.parquet\)"):
            quick_run(random_log(), out=tmp_path, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["interactions.parquet"]


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_run_leaves_before_its_first_checkpoint_is_no_hindrance(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "log.jsonl").write_text("")
    for folder in ("beliefs", "references", "soft-labels"):
        (tmp_path / folder).mkdir()
    assert quick_run(random_log(), out=tmp_path, resume=resume).folder == tmp_path


def test_resuming_nothing_says_that_it_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tacit"):
        quick_run(random_log(), out=tmp_path / "run", resume=True)
    assert f"{tmp_path / 'run'} holds no run to resume: it starts anew" in caplog.messages


def test_a_start_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match='start als is neither "ials" nor the folder of a run'):
        tacit.fit(random_log(), start="als")


def test_a_folder_that_is_no_run_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nope: no such folder"):
        tacit.load(tmp_path / "nope")
    with pytest.raises(ArtifactError, match="not a run folder"):
        tacit.load(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ArtifactError, match="an unfinished run"):
        tacit.load(tmp_path)
