"""What the columns of a log must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int32

from tacit.errors import DataError

if TYPE_CHECKING:
    from tacit.data.interactions import Interactions

_TYPES: dict[str, tuple[Any, ...]] = {
    "users": (np.int32,),
    "items": (np.int32,),
    "times": (np.int64,),
    "positions": (np.int32, np.int64),
    "labels": (np.float32,),
    "weights": (np.float32,),
    "shown": (np.bool_,),
    "ratings": (np.float32,),
}


def check(log: Interactions) -> None:
    """Refuse columns of wrong type or unequal length, and values out of range, with `DataError`."""
    for name, types in _TYPES.items():
        column = getattr(log, name)
        if column is None:
            continue
        if not isinstance(column, np.ndarray) or column.dtype not in types or column.ndim != 1:
            wanted = " or ".join(np.dtype(kind).name for kind in types)
            raise DataError(f"column {name}: give a flat numpy array of {wanted}")
        if len(column) != len(log.users):
            raise DataError(f"column {name} has {len(column)} rows, users {len(log.users)}")
    _check_range("users", log.users, len(log.user_ids))
    _check_range("items", log.items, len(log.item_ids))
    if log.weights is not None:
        _refuse("weights", ~(np.isfinite(log.weights) & (log.weights >= 0)), "finite and at least 0")
    if log.labels is not None:
        _refuse("labels", (log.labels != 0) & (log.labels != 1), "0 or 1")


def _refuse(name: str, wrong: Bool[np.ndarray, "n"], wanted: str) -> None:
    if wrong.any():
        raise DataError(f"column {name}, row {int(wrong.argmax())}: not {wanted}; mend or drop the row")


def _check_range(name: str, rows: Int32[np.ndarray, "n"], size: int) -> None:
    if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= size):
        _refuse(name, (rows < 0) | (rows >= size), f"a row of the vocabulary (0 to {size - 1})")
