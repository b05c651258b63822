"""Best k of each row of scores, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from tacit.kernels._compiled import topk as compiled
from tacit.protocols import Queries, TopK
from tacit.sparse import CSR

BLOCK_BYTES = 2**27


def top_k(scores: Float32[np.ndarray, "Q N"], k: int, exclude: CSR | None = None) -> TopK:
    """The k best columns of each row outside `exclude`, best first, ties by lower column.

    Where fewer are left, or scores are -inf or NaN, items are -1 and scores -inf.
    """
    n = len(scores)
    indptr = np.zeros(n + 1, np.int64) if exclude is None else exclude.indptr
    indices = np.zeros(0, np.int32) if exclude is None else exclude.indices
    best = TopK(np.empty((n, k), np.int32), np.empty((n, k), np.float32))
    compiled.top_k(scores, indptr, indices, k, best.items, best.scores)
    return best


def merge(lists: Sequence[TopK], k: int) -> TopK:
    """The k best distinct items of several rankings of each row, each by its best score, ties by lower item.

    Exact for scores that are the highest of several where every ranking holds its own k best.
    """
    items = np.stack([best.items for best in lists], 1)
    scores = np.stack([best.scores for best in lists], 1)
    found = TopK(np.empty((len(items), k), np.int32), np.empty((len(items), k), np.float32))
    compiled.merge(items, scores, found.items, found.scores)
    return found


def diversify(best: TopK, categories: Int32[np.ndarray, "N"], coefficient: float, k: int) -> TopK:
    """k of the ranked items of each row, chosen one after another: the score less `coefficient` times the
    number of those of its category that are chosen already counts; the better ranked where two are even.

    Items of a category below 0 have none. Scores stay as they are. Source: the controllable aggregation of
    Cen et al., KDD 2020 (ComiRec), over what `best` holds.
    """
    found = TopK(np.empty((len(best.items), k), np.int32), np.empty((len(best.items), k), np.float32))
    compiled.diversify(best.items, best.scores, categories, coefficient, found.items, found.scores)
    return found


def recommend_in_blocks(
    score: Callable[[Queries], Float32[np.ndarray, "Q N"]],
    n_items: int,
    queries: Queries,
    k: int,
    exclude: CSR | None,
) -> TopK:
    """The k best of a scoring function in blocks of queries of at most 128 MiB of scores."""
    step = max(BLOCK_BYTES // (4 * n_items), 1)
    items = np.empty((len(queries), k), np.int32)
    scores = np.empty((len(queries), k), np.float32)
    for start in range(0, len(queries), step):
        rows = np.arange(start, min(start + step, len(queries)))
        masked = None if exclude is None else exclude.select(rows)
        best = top_k(score(queries.select(rows)), k, masked)
        items[rows], scores[rows] = best.items, best.scores
    return TopK(items, scores)


def hits_of(best: Int32[np.ndarray, "Q k"], truth: CSR) -> Bool[np.ndarray, "Q k"]:
    """Which of the ranked items are in the query's row of the truth; -1 never is."""
    hits = np.empty(best.shape, bool)
    compiled.mark_hits(best, truth.indptr, truth.indices, hits)
    return hits


def shared_with(matrix: CSR, other: CSR) -> Bool[np.ndarray, "nonzeros"]:
    """For each entry of a matrix, in order, whether the other one (with as many rows) holds it too."""
    shared = np.empty(len(matrix.indices), bool)
    compiled.mark_shared(matrix.indptr, matrix.indices, other.indptr, other.indices, shared)
    return shared


def areas_of(scores: Float32[np.ndarray, "Q N"], truth: CSR, exclude: CSR | None) -> Float64[np.ndarray, "Q"]:
    """Area under the ROC curve of each query's truth against all other items outside `exclude`.

    The share of pairs (relevant, other) in the right order, ties one half: the rank-sum statistic, in
    O(N log |truth|) and without a sort of N. Relevant items beyond the scored ones lose all their pairs. NaN
    where there is no relevant or no other item. The truth holds nothing excluded.
    """
    hidden = exclude or CSR(np.zeros(len(scores) + 1, np.int64), np.zeros(0, np.int32), 0)
    result = np.empty(len(scores))
    compiled.areas(scores, truth.indptr, truth.indices, hidden.indptr, hidden.indices, result)
    return result
