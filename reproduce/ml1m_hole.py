"""The event that the ordered MovieLens-1M lacks just before most test events, found in a second copy.

`ml-1m-idl` holds the same log under other ids, whole but without an order. Whose and which the ids are is
plain from what people and films share; then everybody's one film that only the second copy has is the event.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter1d

from reproduce.cells import dataset

COPY = "ml-1m-idl"
SURE = 1500  # people of whom a first match is trusted
BINS = np.unique(np.geomspace(8, 3400, 120).astype(int))  # of films, by popularity


def missing(parts: dict[str, pa.Table]) -> pa.Table:
    """User, item and position of every event that no part holds. Ends the program where a match fails."""
    ours = _matrix(list(parts.values()))
    theirs = _matrix([pq.read_table(path) for path in sorted(dataset(COPY).glob("*.parquet"))])
    people, films = _matched(ours, theirs)
    whole = theirs[people][:, films]
    left = (whole - ours).tocoo()
    one_each = len(np.unique(people)) == len(people) and len(np.unique(left.row)) == left.nnz
    if not one_each or left.data.min() < 0:
        sys.exit(f"{COPY} could not be matched with the ordered log: is it another version?")
    test = parts["test"].sort_by("user")
    places = test["position"].to_numpy()[np.searchsorted(test["user"].to_numpy(), left.row)] - 1
    return pa.table({"user": left.row, "item": left.col, "position": places}).cast(test.schema)


def _matrix(parts: list[pa.Table]) -> Any:
    users, items = (np.concatenate([part[name].to_numpy() for part in parts]) for name in ("user", "item"))
    return sp.csr_matrix((np.ones(len(users), np.float32), (users, items)))


def _matched(ours: Any, theirs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the second matrix that are those of the first."""
    people, lead = _alike(ours, theirs)
    sure = np.argsort(-lead)[:SURE]
    films = _overlap(ours[sure].T, theirs[people[sure]].T).argmax(1)
    people = _overlap(ours, theirs[:, films]).argmax(1)
    return people, _overlap(ours.T, theirs[people].T).argmax(1)


def _alike(ours: Any, theirs: Any) -> tuple[np.ndarray, np.ndarray]:
    """For each row the one of about as many films, as popular; and how far the next one is behind it."""
    mine, other = _profile(ours), _profile(theirs)
    counts, sizes = (np.asarray(matrix.sum(1)).ravel() for matrix in (ours, theirs))
    found, lead = np.zeros(len(counts), np.int64), np.zeros(len(counts))
    for row, count in enumerate(counts):
        near = np.flatnonzero((sizes >= count) & (sizes <= 1.03 * count + 6))
        distances = ((other[near] - mine[row]) ** 2).sum(1)
        order = distances.argsort()
        found[row] = near[order[0]]
        lead[row] = distances[order[1]] - distances[order[0]] if len(near) > 1 else 0
    return found, lead


def _profile(matrix: Any) -> np.ndarray:
    """How many of somebody's films are of each popularity, smoothed."""
    ranks = np.asarray(-matrix.sum(0)).ravel().argsort(kind="stable").argsort()
    bins = np.searchsorted(BINS, ranks, "right")
    counts = matrix @ sp.csr_matrix((np.ones(len(bins)), (np.arange(len(bins)), bins)))
    smooth: np.ndarray = gaussian_filter1d(np.sqrt(counts.toarray()), 1, axis=1)
    return smooth


def _overlap(ours: Any, theirs: Any) -> np.ndarray:
    """Of each pair of rows the share of what both hold in what either holds."""
    shared = (ours @ theirs.T).toarray()
    sizes, others = (np.asarray(matrix.sum(1)).ravel() for matrix in (ours, theirs))
    share: np.ndarray = shared / np.maximum(sizes[:, None] + others - shared, 1)
    return share
