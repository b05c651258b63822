"""Running the command line in tests, and a small log to run it on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

QUICK = ("--set", "training.epochs=2", "--set", "training.batch_size=256", "--set", "backbone.dim=8")


@dataclass(frozen=True)
class Told:
    """What one command line said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


Tacit = Callable[..., Told]


def write_log(path: Path, ids: Callable[[str, int], Any] = lambda kind, row: row) -> Path:
    """120 users who like one half of 60 items each, with times and a column of the user's own."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(120), 12)
    items = (2 * rng.integers(0, 30, len(users)) + users % 2) % 60
    table = pa.table(
        {
            "user_id": [ids("u", int(user)) for user in users],
            "item_id": [ids("i", int(item)) for item in items],
            "timestamp": rng.permutation(len(users)) + 1_600_000_000,
            "channel": ["web" if row % 2 else "app" for row in range(len(users))],
        }
    )
    pq.write_table(table, path)
    return path


@dataclass(frozen=True)
class Place:
    """A folder with a log, its split, and a run on it."""

    log: Path
    split: Path
    run: Path
