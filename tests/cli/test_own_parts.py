"""Somebody's own scheme, named on the line: the one of the guide trains; what is none is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import tacit as library
from helpers.command import QUICK, Place, Tacit
from tacit.errors import OptionError
from tacit.parts.objectives import BPR

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "own-parts.md"


def test_the_scheme_of_the_guide_is_trained_from_the_line(
    tacit: Tacit, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[0]
    assert len(module.splitlines()) < 15
    Path("rare.py").write_text(module)
    options = ("--scheme", "rare:RareScheme", "--set", "scheme.power=0.25")
    assert tacit("fit", place.log, "--out", "run", *options, *QUICK).code == 0
    assert json.loads(Path("run/config.json").read_text())["scheme"]["power"] == 0.25


def test_an_objective_alone_is_no_scheme(
    tacit: Tacit, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("alone.py").write_text("class Hinge:\n    slot = 'objective'\n")
    told = tacit("fit", place.log, "--out", "run", "--scheme", "alone:Hinge")
    assert told.code == 2
    assert "alone:Hinge is no scheme: it lacks build()" in told.err
    assert not Path("run").exists()


def test_what_builds_no_scheme_is_refused_in_python(place: Place) -> None:
    with pytest.raises(OptionError, match="BPR is no scheme"):
        library.fit(place.log, scheme=BPR())
