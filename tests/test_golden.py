"""Folders that an earlier Tacit wrote: today's reads them, or refuses them in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import tacit
from golden.make import HERE, answers, train
from tacit.errors import ArtifactError
from tacit.events import EpochEnd, FitEnd, StepEnd
from tacit.storage import MANIFEST, read_json, write_json

CHECKPOINT = "checkpoints/1-search-000000010"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The number of threads that the interrupted run had."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE / "interrupted", tmp_path / "interrupted"))


def agree(told: dict[str, Any]) -> None:
    """The same items as the golden answers, and scores up to rounding."""
    golden = json.loads((HERE / "answers.json").read_text())
    for people in ("users", "history"):
        for one, other in zip(told[people], golden[people], strict=True):
            assert one["user"] == other["user"]
            assert [entry["item"] for entry in one["items"]] == [entry["item"] for entry in other["items"]]
            scores = [entry["score"] for entry in other["items"]]
            assert [entry["score"] for entry in one["items"]] == pytest.approx(scores, rel=1e-3, abs=1e-4)


def test_a_golden_run_recommends_what_it_did() -> None:
    agree(answers(tacit.load(HERE / "run")))


def test_a_golden_run_keeps_its_facts() -> None:
    run = tacit.load(HERE / "run")
    assert run.config["backbone"] == {"use": "mf", "dim": 4, "biases": True, "scale": 0.1}
    assert run.config["seed"] == 0
    assert run.facts["split"]["kind"] == "validation"


def test_a_golden_checkpoint_goes_on_to_the_same_run(interrupted: Path) -> None:
    steps: list[int] = []

    def hear(event: StepEnd | EpochEnd | FitEnd) -> None:
        if isinstance(event, StepEnd):
            steps.append(event.clock.step)

    agree(answers(train(interrupted, resume=True, callbacks=[hear])))
    assert steps[0] == 10


def other_format(folder: Path, difference: int) -> str:
    """Raise the folder's format version, and give the words of the refusal."""
    manifest = read_json(folder / MANIFEST)
    manifest["format"] += difference
    write_json(folder / MANIFEST, manifest)
    return (
        f"of format {manifest['format']}, written by Tacit .* reads format {manifest['format'] - difference}"
    )


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_run_of_another_format_is_refused(tmp_path: Path, difference: int) -> None:
    folder = Path(shutil.copytree(HERE / "run", tmp_path / "run"))
    with pytest.raises(ArtifactError, match=other_format(folder, difference)):
        tacit.load(folder)


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_checkpoint_of_another_format_is_refused(interrupted: Path, difference: int) -> None:
    refusal = other_format(interrupted / CHECKPOINT, difference)
    with pytest.raises(ArtifactError, match=refusal):
        train(interrupted, resume=True)
    assert not (interrupted / MANIFEST).exists()


def test_a_damaged_checkpoint_is_refused_where_no_other_is_left(interrupted: Path) -> None:
    tensors = interrupted / CHECKPOINT / "state.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="cut short"):
        train(interrupted, resume=True)


def test_a_damaged_checkpoint_is_passed_over_where_an_older_one_is_whole(
    interrupted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newer = shutil.copytree(interrupted / CHECKPOINT, interrupted / "checkpoints/1-search-000000011")
    (newer / "state.json").write_text("{")
    with caplog.at_level("WARNING", "tacit"):
        agree(answers(train(interrupted, resume=True)))
    assert "passed over" in caplog.text


def test_a_first_checkpoint_that_was_never_finished_means_a_fresh_start(interrupted: Path) -> None:
    (interrupted / CHECKPOINT / MANIFEST).unlink()
    agree(answers(train(interrupted, resume=True)))
