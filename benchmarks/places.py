"""Where public datasets and drivers of peers lie, and how a table is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TACIT_DATA", ROOT.parent / "shared" / "data"))
PEERS = Path(os.environ.get("TACIT_PEERS", ROOT.parent / "shared" / "peers"))


def dataset(name: str) -> Path | None:
    """The folder of a dataset, or None, said aloud, where it is not there."""
    folder = DATA / name
    if folder.is_dir():
        return folder
    print(f"skipped: no dataset {name} in {DATA} (set TACIT_DATA)", file=sys.stderr)
    return None


def peer(name: str, data: str, model: str, *options: str) -> dict[str, Any] | None:
    """The line that a driver of a peer prints for one model, or None where drivers are not there."""
    if not (PEERS / "run.sh").exists():
        print(f"skipped: no drivers of peers in {PEERS} (set TACIT_PEERS)", file=sys.stderr)
        return None
    command = ["bash", str(PEERS / "run.sh"), name, data, model, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines or lines[-1].get("failed"):
        print(f"skipped: {name} {model} failed: {done.stderr[-300:]}", file=sys.stderr)
        return None
    return lines[-1]


def table(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as Markdown."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    print(f"\n## {title}\n")
    print("| " + " | ".join(names) + " |")
    print("|" + "|".join("---" for _ in names) + "|")
    for row in rows:
        print("| " + " | ".join(_shown(row.get(name, "")) for name in names) + " |")


def _shown(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
