"""A split on disk: the files of its parts, and split.json, which says of them how they came about."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from tacit import storage
from tacit.data.split import PARTS, By, Rows
from tacit.errors import TacitError

IMPRESSIONS = "train_impressions"


def write(
    table: pa.Table,
    rows: Rows,
    kind: str,
    notes: tuple[str, ...],
    folder: Path,
    impressions: pa.Table | None = None,
    columns: dict[str, str] | None = None,
) -> None:
    """The parts of a source table, all its columns kept, as Parquet files; split.json comes last.

    `impressions`: those that go with train. `columns`: those that were named, by role, for who reads the
    parts. Parts of a former split in the same folder go. Raises `StorageError`.
    """
    parts = {name: table.take(pa.array(chosen)) for name, chosen in rows.items()}
    if impressions is not None:
        parts[IMPRESSIONS] = impressions
    for stale in ("split.json", *(f"{name}.parquet" for name in (*PARTS, IMPRESSIONS) if name not in parts)):
        storage.remove(folder / stale)
    for name, part in parts.items():
        storage.write_parquet(folder / f"{name}.parquet", part)
    counts = {name: len(chosen) for name, chosen in rows.items()}
    said = {"kind": kind, "notes": list(notes), "rows": counts, "columns": columns or {}}
    storage.write_json(folder / "split.json", said)


def beside(part: Any) -> dict[str, Any]:
    """What `write` said of the split to which a file belongs; empty where it said nothing of it."""
    if not isinstance(part, str | Path):
        return {}
    path = Path(part)
    try:
        said = storage.read_json(path.with_name("split.json"))
        ours = path.stem in said["rows"] and said["kind"] in get_args(By) and isinstance(said["notes"], list)
        return dict(said) if ours else {}
    except (TacitError, TypeError, KeyError):
        return {}


def history_beside(part: Any) -> Path | None:
    """The file with the histories of people who were held out whole, where a file holds their truth."""
    path = Path(part).with_name(f"{Path(part).stem}_history.parquet") if beside(part) else None
    return path if path is not None and path.exists() else None
