"""`training.clip`, from the option to the step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tacit
from helpers.command import write_log


def trained(log: Path, clip: float | None) -> tacit.Run:
    training = tacit.TrainingOptions(epochs=1, batch_size=256, clip=clip, refit=False)
    return tacit.fit(log, backbone=tacit.MFConfig(dim=4), training=training)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("clip") / "log.parquet")


def test_a_clip_is_recorded(log):
    assert trained(log, 0.5).config["training"]["clip"] == 0.5
    assert trained(log, None).config["training"]["clip"] is None


def test_a_wide_clip_changes_nothing_and_a_narrow_one_does(log):
    weights = [list(trained(log, clip).backbone.state_dict().values()) for clip in (None, 1e9, 1e-12)]
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))
