"""Batches of sequences from lists of items, and a small ordered log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch

from tacit.data.interactions import Interactions
from tacit.types import Batch, History


def history_of(lists: list[list[int]], *, width: int | None = None, padding: int = 0) -> History:
    """Right-padded to `width` with that item; every position is a query."""
    lengths = torch.tensor([len(items) for items in lists])
    width = width or int(lengths.max())
    padded = [items + [padding] * (width - len(items)) for items in lists]
    query = torch.cat([row * width + torch.arange(len(items)) for row, items in enumerate(lists)])
    return History(torch.tensor(padded), lengths, query)


def last_of(lists: list[list[int]], **options: int) -> History:
    """The same, read at the end of each sequence."""
    history = history_of(lists, **options)
    ends = torch.arange(len(lists)) * history.items.shape[1] + history.lengths - 1
    return History(history.items, history.lengths, ends)


def batch_of_sequences(lists: list[list[int]], *, n_items: int, last: bool = False) -> Batch:
    """One user a sequence; the target of every query is the next item, cyclically the one after the last."""
    history = (last_of if last else history_of)(lists)
    width = history.items.shape[1]
    n = len(history.query)
    return Batch(
        rows=torch.arange(n),
        users=history.query // width,
        targets=(history.items.flatten()[history.query] + 1) % n_items,
        labels=torch.ones(n),
        weights=torch.ones(n),
        history=history,
    )


def ordered_log(users: int = 30, items: int = 12, length: int = 9, seed: int = 0) -> Interactions:
    """Everybody walks the circle of items from a place of their own, so the next item is always known."""
    starts = np.random.default_rng(seed).integers(0, items, users)
    table = {
        "user": np.repeat(np.arange(users), length),
        "item": (np.repeat(starts, length) + np.tile(np.arange(length), users)) % items,
        "timestamp": 1_600_000_000 + np.tile(np.arange(length), users) * 3600,
    }
    return Interactions.read(pa.table(table), collapse=False)
