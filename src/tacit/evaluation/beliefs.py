"""What an audit of beliefs found: how much was taken for a positive, and whether it was right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Int32

from tacit.errors import DataError

SURE = 0.5  # belief from which an item counts as taken for a positive
BINS = 10
QUANTILES = (0.1, 0.5, 0.9)


def read_beliefs(folder: Path) -> pa.Table:
    """All files of a trace, epoch by epoch. Raises `DataError` where there is none."""
    files = sorted(folder.glob("epoch-*.parquet"))
    if not folder.parent.is_dir():
        raise DataError(f"{folder.parent}: no such folder; name the folder of a run")
    if not files:
        raise DataError(f"{folder}: no beliefs were traced; train with --set training.audit=1")
    return pa.concat_tables([pq.read_table(file) for file in files])


def truth_table(path: Path) -> pa.Table:
    """A Parquet file of user, item and liked (true or false, or 1 or 0), each pair once.

    Raises `DataError` where it cannot be read, or lacks one of them.
    """
    try:
        table = pq.read_table(path, columns=["user", "item", "liked"])
        liked = table["liked"].cast(pa.bool_())
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet with the columns user, item and liked, such as "
            "truth.parquet of tacit data simulate"
        ) from error
    pairs = table.set_column(2, "liked", liked).group_by(["user", "item"])
    return pairs.aggregate([("liked", "max")]).rename_columns(["user", "item", "liked"])


def summary(beliefs: pa.Table, truth: pa.Table | None = None) -> list[dict[str, Any]]:
    """For each epoch: candidates asked, the share taken for positives, the mean belief and its `quantiles`.

    `changed` is the share of pairs that were taken or left otherwise in the epoch before, None for the first;
    `by_popularity` tells pairs, mean popularity and the share taken in tenths of the pairs by popularity.
    With `truth` (columns user, item, liked) also, of the pairs that it knows, `base` (the share liked),
    `precision` and `recall` of what was taken, `brier` (mean squared error of the belief), and `calibration`:
    mean belief, share liked and number of pairs in ten bins of belief.
    """
    if truth is not None:
        for name in ("user", "item"):
            truth = truth.set_column(truth.column_names.index(name), name, _alike(truth, beliefs, name))
        placed = beliefs.append_column("place", pa.array(np.arange(len(beliefs))))
        beliefs = placed.join(truth, ["user", "item"], join_type="left outer").sort_by("place")
    epochs = beliefs["epoch"].to_numpy()
    values, popularity = beliefs["belief"].to_numpy(), beliefs["popularity"].to_numpy()
    liked = known = np.zeros(0, bool)
    if truth is not None:
        known = np.asarray(beliefs["liked"].is_valid())
        liked = np.asarray(beliefs["liked"].fill_null(False))
    found: list[dict[str, Any]] = []
    before: pa.Table | None = None
    for epoch in np.unique(epochs):
        here = epochs == epoch
        taken = beliefs.filter(pa.array(here)).select(["user", "item"])
        taken = taken.append_column("taken", pa.array(values[here] >= SURE))
        entry: dict[str, Any] = {
            "epoch": int(epoch),
            "asked": int(here.sum()),
            "taken": float((values[here] >= SURE).mean()),
            "mean_belief": float(values[here].mean()),
            "quantiles": {str(q): float(np.quantile(values[here], q)) for q in QUANTILES},
            "changed": None if before is None else _changed(before, taken),
            "by_popularity": _by_popularity(popularity[here], values[here]),
        }
        before = taken
        if truth is not None:
            entry |= _judged(values[here & known], liked[here & known])
        found.append(entry)
    return found


def _alike(truth: pa.Table, beliefs: pa.Table, name: str) -> pa.ChunkedArray:
    """Ids of the truth, written as those of the beliefs."""
    wanted = beliefs.schema.field(name).type
    try:
        return truth[name].cast(wanted)
    except pa.ArrowException as error:
        raise DataError(
            f"column {name} of the truth is {truth.schema.field(name).type}, and the run's ids are {wanted}: "
            "write both in the same way"
        ) from error


def _judged(values: Float[np.ndarray, "n"], liked: Bool[np.ndarray, "n"]) -> dict[str, Any]:
    taken = values >= SURE
    bins = np.minimum((values * BINS).astype(int), BINS - 1)
    return {
        "known": len(values),
        "base": _share(liked),
        "precision": _share(liked[taken]),
        "recall": _share(taken[liked]),
        "brier": float(((values - liked) ** 2).mean()) if len(values) else None,
        "calibration": [
            {
                "belief": float(values[bins == place].mean()),
                "liked": float(liked[bins == place].mean()),
                "pairs": int((bins == place).sum()),
            }
            for place in np.unique(bins)
        ],
    }


def _changed(before: pa.Table, now: pa.Table) -> float | None:
    """Share of the pairs in both that are taken in one and left in the other."""
    both = now.join(before, ["user", "item"], join_type="inner", right_suffix="_before")
    return _share(both["taken"].to_numpy() != both["taken_before"].to_numpy())


def _by_popularity(
    popularity: Int32[np.ndarray, "n"], values: Float[np.ndarray, "n"]
) -> list[dict[str, Any]]:
    order = np.argsort(popularity, kind="stable")
    return [
        {
            "popularity": float(popularity[part].mean()),
            "taken": float((values[part] >= SURE).mean()),
            "pairs": len(part),
        }
        for part in np.array_split(order, BINS)
        if len(part)
    ]


def _share(flags: Bool[np.ndarray, "n"]) -> float | None:
    return float(flags.mean()) if len(flags) else None
