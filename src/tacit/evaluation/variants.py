"""Metrics as the authors of single methods computed them: for reproduction only, never for comparison.

Each departs from `tacit.evaluation.metrics` in the way that its docstring says. `hits` (users, K) bool in
rank order, one place deeper than k; `sizes` (users,) the number of relevant items.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from tacit.errors import OptionError
from tacit.evaluation.metrics import Hits, Sizes, Values, ndcg

Scores = Float[np.ndarray, "rows"]
Labels = Bool[np.ndarray, "rows"]


def recall_min(hits: Hits, sizes: Sizes, k: int) -> Values:
    """hits / min(k, |T|): the recall of DirectSpec's code at k = 20, some 3 % above recall on CiteULike."""
    return np.asarray(hits[:, :k].sum(1) / np.minimum(sizes, k))


def directspec_recall(hits: Hits, sizes: Sizes, k: int) -> Values:
    """DirectSpec's code at k = 10: k + 1 ranks count, the divisor stays min(k, |T|); may exceed 1."""
    return np.asarray(hits[:, : k + 1].sum(1) / np.minimum(sizes, k))


def directspec_ndcg(hits: Hits, sizes: Sizes, k: int) -> Values:
    """DirectSpec's code at k = 10: k + 1 ranks gain, the ideal has min(k, |T|); may exceed 1."""
    counted = hits[:, : k + 1]
    gains = 1.0 / np.log2(np.arange(2, counted.shape[1] + 2))
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))
    return np.asarray(counted @ gains / ideal[np.minimum(sizes, k) - 1])


def ndcg_hits_ideal(hits: Hits, sizes: Sizes, k: int) -> Values:
    """Ideal order of the hits alone, as in code that descends from ComiRec and in REMI's; 0 without a hit."""
    found = hits[:, :k]
    gains = 1.0 / np.log2(np.arange(2, found.shape[1] + 2))
    ideal = np.concatenate([[1.0], np.cumsum(gains)])
    return np.asarray(found @ gains / ideal[found.sum(1)])


PER_USER: dict[str, Callable[[Hits, Sizes, int], Values]] = {
    "recall_min": recall_min,
    "directspec_recall": directspec_recall,
    "directspec_ndcg": directspec_ndcg,
    "ndcg_hits_ideal": ndcg_hits_ideal,
}


def mean_of_batches(values: Values, batch: int) -> float:
    """Mean of the means of batches, as in DeSoRec's code: a short last batch weighs too much."""
    return float(np.mean([values[start : start + batch].mean() for start in range(0, len(values), batch)]))


def best_on_test(recalls: dict[int, float]) -> tuple[int, float]:
    """Epoch and value of the best of {epoch: metric on the test set}: the selection behind many tables.

    It chooses the stopping point on what it then reports. Raises `OptionError` for an empty curve.
    """
    if not recalls:
        raise OptionError("the curve holds no epoch")
    epoch = max(recalls, key=lambda at: (recalls[at], -at))
    return epoch, recalls[epoch]


def labelled_ndcg(scores: Scores, labels: Labels, k: int) -> float:
    """IDL's NDCG of one person over the person's own labelled rows, not the catalogue.

    `scores` and `labels` (rows,); among equal scores the later row comes first, as there. 0 without a yes.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    relevant = np.array([labels.sum()])
    return float(ndcg(labels[order][None], relevant, k)[0]) if relevant[0] else 0.0


def labelled_mrr(scores: Scores, labels: Labels) -> float:
    """Mean of 1 / rank over the yeses among one person's own rows: MRR as IDL's code means it."""
    ranks = np.flatnonzero(labels[np.argsort(scores, kind="stable")[::-1]]) + 1
    return float((1.0 / ranks).mean()) if len(ranks) else 0.0


def harm(scores: Scores, labels: Labels, k: int) -> float:
    """(hits - misses / 2) / k among the first k of one person's own labelled rows, as IDL's code has it."""
    found = labels[np.argsort(scores, kind="stable")[::-1]][:k]
    return float((found.sum() - 0.5 * (~found).sum()) / k)
