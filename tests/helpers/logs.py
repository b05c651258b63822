"""Small logs as Arrow tables, and runs on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

import tacit


def random_log(rows: int = 1500, users: int = 60, items: int = 40, seed: int = 0, first: int = 0) -> pa.Table:
    """Random pairs of users `first` to `first + users` and items, without times."""
    chance = np.random.default_rng(seed)
    return pa.table(
        {"user": chance.integers(0, users, rows) + first, "item": chance.integers(0, items, rows)}
    )


def of_pairs(pairs: list[tuple[Any, Any]]) -> pa.Table:
    """A log of these (user, item) pairs."""
    return pa.table({"user": [user for user, _ in pairs], "item": [item for _, item in pairs]})


def quick_run(log: Any, *, epochs: int = 1, **options: Any) -> tacit.Run:
    """A run on a small backbone."""
    training = options.pop("training", tacit.TrainingOptions(epochs=epochs, batch_size=256))
    return tacit.fit(
        log, backbone=options.pop("backbone", tacit.MFConfig(dim=8)), training=training, **options
    )
