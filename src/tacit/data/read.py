"""From files and frames to a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tacit.data.interactions import Interactions
from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError

GUESSES = {"user": ("user", "user_id"), "item": ("item", "item_id"), "time": ("timestamp", "time", "ts")}


def read(source: Any, **options: Any) -> Interactions:
    """A log from Parquet or an Arrow table."""
    table = source if isinstance(source, pa.Table) else pq.read_table(Path(source))
    names: dict[str, str] = {}
    for what, guesses in GUESSES.items():
        found = options.get(what) or next((g for g in guesses if g in table.column_names), None)
        if found is None and what != "time":
            raise DataError(f"no column for {what}")
        if found:
            names[what] = found
    user_ids, users = Vocabulary.of_column(table[names["user"]])
    item_ids, items = Vocabulary.of_column(table[names["item"]])
    times = table[names["time"]].to_numpy().astype(np.int64) if "time" in names else None
    log = Interactions(users, items, user_ids, item_ids, times=times)
    return log.collapsed() if options.get("collapse", True) else log
