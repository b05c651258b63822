"""Every fenced example of README and guides runs, in order, in an empty folder.

Commands are those lines of a `console` block that begin with `$ `. What stands below one must come out of it,
but for numbers and the width of columns.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d[\d,]*(\.\d+)?")
RULE = re.compile(r"[─━-]{2,}")


def masked(line: str) -> str:
    """The line without what differs between machines: numbers, spaces, rules of a table."""
    return " ".join(RULE.sub("", NUMBER.sub("#", line)).split())


def shell(line: str, folder: Path) -> str:
    words = shlex.split(line)
    assert words[0] == "tacit", f"only commands of tacit are run: {line}"
    done = subprocess.run(
        [sys.executable, "-m", "tacit", *words[1:]], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def console(block: str, folder: Path) -> None:
    told: set[str] = set()
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            told = {masked(said) for said in shell(line[2:], folder).splitlines()}
        elif masked(line) and line.strip() != "...":
            assert masked(line) in told, f"not said any more: {line}"


def python(block: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


RUNNERS = {"console": console, "python": python}


@pytest.mark.slow
def test_examples_of_the_readme_run(tmp_path: Path) -> None:
    blocks = FENCE.findall((ROOT / "README.md").read_text("utf-8"))
    kinds = [kind for kind, _ in blocks]
    assert kinds.count("console") >= 4
    assert kinds.count("python") >= 1
    for kind, block in blocks:
        if kind == "toml":
            (tmp_path / "run.toml").write_text(block)
        elif kind in RUNNERS:
            RUNNERS[kind](block, tmp_path)


GUIDES = sorted((ROOT / "docs" / "guide").glob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_python_of_the_guides_runs(guide: Path, tmp_path: Path) -> None:
    blocks = [block for kind, block in FENCE.findall(guide.read_text("utf-8")) if kind == "python"]
    python("\n".join(blocks), tmp_path)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.stem
)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]
