"""What resuming says: where it goes on, and which difference keeps it from it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import tacit
from helpers.logs import quick_run, random_log
from tacit.errors import RunFolderError
from tacit.events import StepEnd


class Broken(Exception):
    """A fault in the middle of training."""


def breaks_at(step: int) -> Any:
    def callback(event: object) -> None:
        if isinstance(event, StepEnd) and event.clock.step == step:
            raise Broken

    return callback


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    training = tacit.TrainingOptions(epochs=2, batch_size=256, checkpoint_every=1)
    with pytest.raises(Broken):
        quick_run(random_log(), training=training, out=tmp_path / "run", callbacks=[breaks_at(3)])
    return tmp_path / "run"


def test_where_training_goes_on_is_said(broken: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = tacit.TrainingOptions(epochs=2, batch_size=256, checkpoint_every=1)
    with caplog.at_level(logging.INFO, "tacit"):
        quick_run(random_log(), training=training, out=broken, resume=True)
    assert "resumed at step 3 of the search" in caplog.messages


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backbone": tacit.LightGCNConfig(dim=8)}, r"config\.backbone\.use was mf and is lightgcn"),
        ({"scheme": "softmax"}, r"config\.scheme\.use was sampled-softmax and is softmax"),
    ],
)
def test_another_part_is_told_before_its_options(broken: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(RunFolderError, match=said):
        quick_run(random_log(), out=broken, resume=True, **options)
