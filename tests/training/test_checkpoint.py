"""Checkpoints: which are kept, and what a whole one promises."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from helpers.tiny import random_data
from helpers.training import Run
from tacit.backbones.mf import MFConfig
from tacit.errors import Diverged, RunFolderError
from tacit.parts.regularisers import EmbeddingNorm
from tacit.presets import defaults_of, options_of
from tacit.schemes.plain import BPRScheme, bpr
from tacit.storage import MANIFEST
from tacit.training.checkpoint import Checkpointer, newest, restore

DATA = random_data(0)


def keeper(folder: Path, step: int = 0, phase: str = "1-search") -> Checkpointer:
    """A writer of checkpoints of a small training that has come to a step."""
    run = Run(DATA, MFConfig(dim=2), bpr())
    run.position.step = step
    return Checkpointer(folder, run.step, run.optimizer, run.position, facts={"phase": phase}, stateful={})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_two_newest_are_kept(tmp_path):
    with keeper(tmp_path) as writer:
        for writer.position.step in (2, 4, 6):
            writer.save()
    assert names(tmp_path) == ["1-search-000000004", "1-search-000000006"]


@pytest.mark.parametrize("leftover", ["1-search-000000003", "1-search-000000007", "1-search-000000009"])
def test_writes_that_were_cut_short_do_not_push_out_whole_checkpoints(tmp_path, leftover):
    with keeper(tmp_path, 4) as writer:
        writer.save()
    (tmp_path / leftover).mkdir()
    (tmp_path / leftover / "state.safetensors.tmp-00000000").write_bytes(b"x")
    with keeper(tmp_path, 4) as writer:
        writer.position.step = 6
        writer.save()
    assert names(tmp_path) == ["1-search-000000004", "1-search-000000006"]


def test_a_damaged_checkpoint_ahead_makes_room(tmp_path):
    with keeper(tmp_path, 4) as writer:
        writer.save()
        writer.position.step = 9
        writer.save()
    (tmp_path / "1-search-000000009" / "state.json").write_text("{")
    with keeper(tmp_path, 4) as writer:
        for writer.position.step in (5, 6):
            writer.save()
    assert names(tmp_path) == ["1-search-000000005", "1-search-000000006"]
    assert newest(tmp_path)["state.json"].parent.name == "1-search-000000006"


def test_the_last_of_the_search_stays_until_the_refit_has_two(tmp_path):
    with keeper(tmp_path, 8) as writer:
        writer.save()
    with keeper(tmp_path, 0, "2-refit") as writer:
        for writer.position.step in (1, 2):
            writer.save()
            assert (tmp_path / f"2-refit-{writer.position.step:09d}" / MANIFEST).exists()
    assert names(tmp_path) == ["2-refit-000000001", "2-refit-000000002"]


def spoil(folder: Path) -> None:
    """Save twice, and once more after a parameter has become infinite."""
    with keeper(folder) as writer:
        for writer.position.step in (2, 4):
            writer.save()
        with torch.no_grad():
            writer.step.backbone.item_table[3, 1] = float("inf")
        writer.position.step = 6
        writer.save()


def test_parameters_that_are_not_finite_are_not_saved_as_good(tmp_path):
    with pytest.raises(Diverged, match=r"backbone\.item_table holds NaN or infinity after 6 steps") as told:
        spoil(tmp_path)
    assert names(tmp_path) == ["1-search-000000002", "1-search-000000004"]
    assert str(told.value).endswith(f"the last good checkpoint: {tmp_path / '1-search-000000004'}")


@dataclass(frozen=True)
class Composed:
    """Options in a list and beneath another name, as `scheme.also` and its preset are saved."""

    also: tuple[EmbeddingNorm, ...] = (EmbeddingNorm(0.5),)
    preset: BPRScheme = field(default_factory=BPRScheme)


def test_options_that_an_earlier_release_did_not_save_count_as_their_defaults(tmp_path: Path) -> None:
    now = options_of(Composed())
    earlier = copy.deepcopy(now)
    del earlier["also"][0]["spread"], earlier["preset"]["l2_spread"]
    unsaid = {"scheme": defaults_of(Composed())}
    writer = keeper(tmp_path)
    writer.facts["scheme"] = earlier
    writer.save()
    files = newest(tmp_path)
    again = writer.step, writer.optimizer, {}
    restore(files, *again, {"phase": "1-search", "scheme": now}, unsaid=unsaid)
    other = {**now, "preset": {**now["preset"], "l2_spread": True}}
    with pytest.raises(RunFolderError, match=r"scheme.preset.l2_spread was False and is True"):
        restore(files, *again, {"phase": "1-search", "scheme": other}, unsaid=unsaid)
