"""What `tacit fit --options` prints is a file that trains the same, with parts of one's own too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.command import QUICK, Place, Tacit
from tacit.cli import config

MODULE = """
from dataclasses import dataclass

from tacit import MFConfig, Scheme, bpr


@dataclass(frozen=True)
class Own:
    {option}: int = 3

    def build(self, *given):
        return {built}


def plain(negatives: int = 5) -> Scheme:
    return bpr(negatives=negatives)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return "".join(letter for letter in tmp_path.name if letter.isalnum())


@pytest.mark.parametrize(
    ("section", "option", "built"),
    [
        ("scheme", "negatives", "bpr(negatives=self.negatives)"),
        ("backbone", "dim", "MFConfig(dim=self.dim).build(*given)"),
    ],
)
def test_a_class_of_ones_own_is_named_in_the_file(
    tacit: Tacit, module: str, section: str, option: str, built: str
) -> None:
    Path(f"{module}.py").write_text(MODULE.format(option=option, built=built))
    told = tacit("fit", "--options", f"--{section}", f"{module}:Own", "--set", f"{section}.{option}=7")
    assert told.code == 0
    Path("own.toml").write_text(told.out)
    again = getattr(config.read(Path("own.toml")), section)
    assert (type(again).__name__, getattr(again, option)) == ("Own", 7)


def test_a_function_of_ones_own_is_named_with_what_was_said(tacit: Tacit, module: str) -> None:
    Path(f"{module}.py").write_text(MODULE.format(option="negatives", built="bpr()"))
    told = tacit("fit", "--options", "--scheme", f"{module}:plain", "--set", "scheme.negatives=7")
    Path("own.toml").write_text(told.out)
    assert config.read(Path("own.toml")).scheme.sampler.count == 7


def test_more_parts_stay_in_the_file(tacit: Tacit, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        '[scheme]\nuse = "bpr"\n[[scheme.also]]\nuse = "dli"\nstrengths = [1, 0.5]\n'
    )
    (tmp_path / "b.toml").write_text(tacit("fit", "--options", "--config", tmp_path / "a.toml").out)
    assert config.read(tmp_path / "b.toml").scheme == config.read(tmp_path / "a.toml").scheme


@pytest.mark.parametrize("backbone", ["mf", "lightgcn"])
def test_the_file_trains_as_untouched_options_do(
    tacit: Tacit, place: Place, tmp_path: Path, backbone: str
) -> None:
    (tmp_path / "run.toml").write_text(tacit("fit", "--options", "--backbone", backbone).out)
    short = ("--set", "training.epochs=1")
    for name, options in (("a", ("--backbone", backbone)), ("b", ("--config", tmp_path / "run.toml"))):
        assert tacit("fit", place.log, "--out", tmp_path / name, *options, *short).code == 0
    read = [json.loads((tmp_path / name / "config.json").read_text()) for name in "ab"]
    assert read[0]["training"]["batch_size"] < 2048
    assert read[0] == read[1]


def test_a_batch_that_was_asked_for_is_no_remark(tacit: Tacit) -> None:
    assert "\ntraining.batch_size = 256 " in tacit("fit", "--options", *QUICK).out
