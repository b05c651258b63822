"""Training that goes on from an earlier run."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import tacit
from helpers.logs import quick_run, random_log
from helpers.sequences import ordered_log
from tacit.errors import DataError, OptionError


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on users 0 to 59."""
    folder = tmp_path_factory.mktemp("earlier") / "run"
    quick_run(random_log(), out=folder)
    return folder


NEWER = random_log(seed=1, first=40)  # users 40 to 99
BACKBONES = [tacit.MFConfig(dim=8), tacit.LightGCNConfig(dim=8, layers=2)]


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda config: config.use)
def test_the_new_run_knows_what_the_earlier_one_had_seen(backbone: object, tmp_path: Path) -> None:
    before = quick_run(random_log(), backbone=backbone, out=tmp_path / "run")
    run = quick_run(NEWER, backbone=backbone, start=tmp_path / "run", out=tmp_path / "more")
    answer = run.recommend([3, 50], k=run.evidence.n_items)
    assert "popularity" not in " ".join(answer.notes)
    for user, items in zip(answer.users, answer.items, strict=True):
        seen = before.evidence.seen.row(before.user_ids.row(user))
        assert not set(items) & set(before.item_ids.decode(seen))
    again = tacit.load(tmp_path / "more")
    np.testing.assert_allclose(again.recommend([3, 50], k=5).scores, run.recommend([3, 50], k=5).scores)


def test_of_a_validation_file_only_what_is_new_counts(earlier: Path) -> None:
    old = random_log().slice(0, 40)
    run = quick_run(NEWER, valid=pa.concat_tables([old, random_log(60, seed=2)]), start=earlier)
    assert "validation rows left out: the earlier run had seen them" in " ".join(run.facts["split"]["notes"])


def test_a_log_seen_whole_cannot_validate(earlier: Path) -> None:
    with pytest.raises(DataError, match="earlier run has seen every row"):
        quick_run(random_log(), start=earlier)


def test_a_validation_part_seen_whole_cannot_validate(earlier: Path) -> None:
    with pytest.raises(DataError, match="earlier run has seen every event"):
        quick_run(NEWER, valid=random_log().slice(0, 50), start=earlier)


def test_only_new_rows_are_held_out(earlier: Path) -> None:
    before = tacit.load(earlier)
    run = quick_run(
        pa.concat_tables([random_log(), NEWER]),
        start=earlier,
        training=tacit.TrainingOptions(epochs=1, refit=False),
    )
    held = set(zip(*np.nonzero(_dense(run, "seen") & ~_dense(run, "positives")), strict=True))
    seen = set(zip(*np.nonzero(_dense(before, "seen")), strict=True))
    assert held
    assert not held & seen


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        (tacit.MFConfig(dim=16), r"user_table: \d+ x 8 then, \d+ x 16 now"),
        (tacit.GMFConfig(dim=8), "axes: missing then, 8 now"),
        (tacit.MFConfig(dim=8, biases=True), r"user_bias: missing then, \d+ x 1 now"),
        (tacit.LightGCNConfig(dim=8), "cannot go on from the earlier run's MF"),
    ],
)
def test_another_backbone_is_refused_with_the_difference(earlier: Path, backbone: object, said: str) -> None:
    with pytest.raises(OptionError, match=said) as told:
        quick_run(NEWER, start=earlier, backbone=backbone)
    assert "dim = 8" in str(told.value)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (tacit.SASRecConfig(dim=8, length=8), {"length": 4}, "positions: 8 x 8 then, 4 x 8 now"),
        (tacit.SASRecConfig(dim=8, length=4), {"length": 8}, "positions: 4 x 8 then, 8 x 8 now"),
        (tacit.ComiRecSAConfig(dim=8), {"interests": 2}, "choose: 32 x 4 then, 32 x 2 now"),
        (tacit.ComiRecDRConfig(dim=8), {"interests": 2}, "votes: 20 x 8 x 32 then, 20 x 8 x 16 now"),
        (tacit.MINDConfig(dim=8), {"interests": 2}, "start: 20 x 4 then, 20 x 2 now"),
    ],
    ids=["shorter", "longer", "comirec-sa", "comirec-dr", "mind"],
)
def test_sequences_read_otherwise_are_refused_with_the_difference(before, now, said, tmp_path: Path) -> None:
    quick_run(ordered_log(), backbone=before, out=tmp_path / "run")
    with pytest.raises(OptionError, match=said):
        quick_run(ordered_log(length=12), start=tmp_path / "run", backbone=replace(before, **now))


def test_other_options_of_the_backbone_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = tacit.SASRecConfig(dim=8, length=8)
    quick_run(ordered_log(), backbone=config, out=tmp_path / "run")
    with caplog.at_level(logging.INFO, "tacit"):
        quick_run(ordered_log(length=12), start=tmp_path / "run", backbone=replace(config, heads=4))
    assert "the earlier run had backbone.heads = 2, this one has 4" in caplog.text


def _dense(run: tacit.Run, name: str) -> np.ndarray:
    matrix = getattr(run.evidence, name)
    dense = np.zeros((matrix.n_rows, matrix.n_columns), bool)
    dense[np.repeat(np.arange(matrix.n_rows), matrix.degrees()), matrix.indices] = True
    return dense
