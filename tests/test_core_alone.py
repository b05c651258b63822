"""The core trains, evaluates and recommends where no package of the extras can be imported."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from helpers.command import write_log

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
PROGRAM = """
import json, sys
from importlib.abc import MetaPathFinder

log, *blocked = sys.argv[1:]

class AllBut(MetaPathFinder):  # finds nothing of what is blocked, as if it were not installed
    finders = list(sys.meta_path)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            return None
        found = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in found if spec is not None), None)

    def find_distributions(self, *context):
        asked = [finder for finder in self.finders if hasattr(finder, "find_distributions")]
        return (one for finder in asked for one in finder.find_distributions(*context))

sys.meta_path[:] = [AllBut()]
assert not set(blocked) & set(sys.modules)

import tacit
from tacit.training.options import TrainingOptions

training = TrainingOptions(epochs=2, batch_size=256)
told = {}
for backbone in ("mf", "lightgcn"):
    run = tacit.fit(log, backbone=backbone, training=training)
    judged = tacit.evaluate(run, log, ks=[5], keep_seen=True)
    shown = [run.recommend([3], k=5), run.recommend(history=[2, 4], k=5)]
    told[backbone] = {"evaluation": judged.to_dict(), "shown": [len(made.items[0]) for made in shown]}
print(json.dumps({"told": told, "imported": sorted(set(blocked) & set(sys.modules))}))
"""


def extras() -> set[str]:
    """Top-level modules of every package that some extra brings."""
    extra = [name for names in PROJECT["optional-dependencies"].values() for name in names]
    packages = {_plain(re.split(r"[><=~! \[;]", name, maxsplit=1)[0]) for name in extra}
    return {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if {_plain(owner) for owner in owners} & packages
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program told where the extras were blocked."""
    log = write_log(tmp_path_factory.mktemp("alone") / "log.parquet")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log), *sorted(extras() | {"implicit"})],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_extras_are_those_of_the_project() -> None:
    assert {"pandas", "polars", "hypothesis"} <= extras()
    core = {_plain(re.split(r"[><=~! ]", name, maxsplit=1)[0]) for name in PROJECT["dependencies"]}
    assert not core & {_plain(module) for module in extras()}


def test_nothing_of_the_extras_is_imported(alone: dict[str, Any]) -> None:
    assert alone["imported"] == []


@pytest.mark.parametrize("backbone", ["mf", "lightgcn"])
def test_the_core_evaluates_beside_the_references_it_can_fit(alone: dict[str, Any], backbone: str) -> None:
    told = alone["told"][backbone]["evaluation"]
    assert told["users"] > 0
    assert told["metrics"]["recall@5"]["mean"] > 0
    skipped = {name: entry["skipped"] for name, entry in told["references"].items() if "skipped" in entry}
    assert list(skipped) == ["ials"]
    assert "peers" in skipped["ials"]
    assert len(told["references"]) >= 4


@pytest.mark.parametrize("backbone", ["mf", "lightgcn"])
def test_the_core_recommends_to_users_and_to_histories(alone: dict[str, Any], backbone: str) -> None:
    assert alone["told"][backbone]["shown"] == [5, 5]
