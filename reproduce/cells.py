"""A cell is one training run or fit, its figures kept as JSON; a finished cell is never run again."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tacit.storage import write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("TACIT_DATA", ROOT.parent / "shared" / "data"))


def dataset(name: str) -> Path:
    """The folder of a dataset; ends the program where it is not there."""
    if not (DATA / name).is_dir():
        sys.exit(f"no dataset {name} in {DATA}: set TACIT_DATA to the folder that holds the public datasets")
    return DATA / name


def run_cell(
    study: str, name: str, work: Callable[[], dict[str, Any]], *, command: str | None = None
) -> dict[str, Any]:
    """Figures of the cell, from its file where there is one, else by `work`."""
    path = RESULTS / study / f"{name}.json"
    if path.exists():
        cell: dict[str, Any] = json.loads(path.read_text())
        return cell
    print(f"{study}/{name} ...", file=sys.stderr, flush=True)
    started = time.perf_counter()
    figures = work()
    cell = {
        "cell": name,
        "command": f"python -m reproduce.{command or f'{study} {name}'}",
        "commit": commit(),
        "threads": torch.get_num_threads(),
        "seconds": round(time.perf_counter() - started, 1),
        **figures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, cell)
    return cell


def finished(study: str) -> list[dict[str, Any]]:
    """All finished cells of a study, by name."""
    return [json.loads(path.read_text()) for path in sorted((RESULTS / study).glob("*.json"))]


def commit() -> str:
    """Short hash of the code that runs, marked where files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "reproduce/*.py")
    return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")


def chosen_cells(cells: dict[str, Callable[[], dict[str, Any]]], study: str) -> None:
    """Run the cells named on the command line, all without a name."""
    logging.disable(logging.WARNING)
    for name in sys.argv[1:] or cells:
        if name not in cells:
            sys.exit(f"no cell {name}; there are {', '.join(cells)}")
        run_cell(study, name, cells[name])
