"""Somebody's own backbone, named in a file of options, goes through every verb."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command import Place, Tacit

MODULE = """
from dataclasses import dataclass
from tacit.backbones.mf import MFConfig

@dataclass(frozen=True)
class {name}:
    dim: int = 4

    def build(self, data, generator):
        return MFConfig(dim=self.dim).build(data, generator)
"""


@pytest.fixture
def options(tmp_path: Path) -> Path:
    name = "".join(letter for letter in tmp_path.name if letter.isalnum())
    (tmp_path / f"{name}.py").write_text(MODULE.format(name="Own"))
    (tmp_path / "run.toml").write_text(f'[backbone]\nuse = "{name}:Own"\n[training]\nepochs = 1\n')
    return tmp_path / "run.toml"


def test_a_run_of_ones_own_backbone_is_evaluated_resumed_and_asked(
    tacit: Tacit, place: Place, tmp_path: Path, options: Path
) -> None:
    run, config = tmp_path / "run", ("--config", options)
    train, test = (place.split / f"{name}.parquet" for name in ("train", "test"))
    assert tacit("fit", train, "--out", run, *config).code == 0
    assert tacit("fit", train, "--out", run, "--resume", *config).code == 0
    assert tacit("evaluate", run, "--test", test, "--no-references", *config).code == 0
    told = tacit("recommend", run, "--user", "0", *config, "--json")
    assert len(told.json["recommendations"][0]["items"]) == 10


def test_a_run_of_ones_own_backbone_says_what_it_wants(
    tacit: Tacit, place: Place, tmp_path: Path, options: Path
) -> None:
    run = tmp_path / "run"
    assert tacit("fit", place.log, "--out", run, "--config", options).code == 0
    told = tacit("recommend", run, "--user", "0")
    assert told.code == 2
    assert "on the line, --config with its [backbone]" in told.err
    told = tacit("recommend", run, "--user", "0", "--config", options, "--set", "backbone.dim=5")
    assert told.code == 2
    assert "its parameters do not fit the backbone" in told.err


def test_a_run_of_a_backbone_of_tacits_needs_no_options(tacit: Tacit, place: Place, options: Path) -> None:
    assert tacit("recommend", place.run, "--user", "0", "--config", options).code == 0
