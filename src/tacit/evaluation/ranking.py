"""Full-catalogue ranking in blocks of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32

from tacit.evaluation.metrics import OF_LISTS, PER_USER, known_metric
from tacit.kernels.topk import hits_of
from tacit.types import CSR, Queries, Recommender

AUC_BLOCK = 512


@dataclass(frozen=True, eq=False)
class PerUser:
    """One value per person for each metric (`recall@20`), and figures of all lists together."""

    values: dict[str, Float64[np.ndarray, "users"]]
    overall: dict[str, float]


def rank(
    model: Recommender,
    truth: CSR,
    queries: Queries,
    *,
    exclude: CSR | None,
    ks: Sequence[int],
    metrics: Sequence[str],
    popularity: np.ndarray | None = None,
) -> PerUser:
    """Rank the catalogue for each query (a row of `truth` and of `exclude`) and measure.

    Items of the truth beyond the model's catalogue are never hit. Raises `OptionError` for unknown metrics.
    """
    names = [known_metric(name) for name in metrics]
    largest = min(max(ks), model.n_items)
    best = model.recommend(queries, largest, exclude=exclude).items
    hits, sizes = hits_of(best, truth), truth.degrees()
    values = {
        f"{name}@{k}": PER_USER[name](hits, sizes, k) for name in names if name in PER_USER for k in ks
    }
    overall = {f"{name}@{k}": _lists(name, best[:, :k], model.n_items, popularity) for name in names if name in OF_LISTS for k in ks}
    if "auc" in names or "gauc" in names:
        areas = auc(model, truth, queries, exclude)
        if "auc" in names:
            values["auc"] = areas
        if "gauc" in names:
            overall["gauc"] = float((areas * sizes).sum() / sizes.sum())
    return PerUser(values, overall)


def auc(model: Recommender, truth: CSR, queries: Queries, exclude: CSR | None) -> Float64[np.ndarray, "users"]:
    """Area under the ROC curve of each person over the items that are not masked; ties count one half.

    NaN where all or none of them are relevant.
    """
    areas = np.full(truth.n_rows, np.nan)
    for start in range(0, truth.n_rows, AUC_BLOCK):
        chosen = np.arange(start, min(start + AUC_BLOCK, truth.n_rows))
        scores = model.score(queries.select(chosen))
        for row, person in enumerate(chosen):
            open_to = np.ones(model.n_items, bool)
            if exclude is not None:
                masked = exclude.row(person)
                open_to[masked[masked < model.n_items]] = False
            relevant = np.zeros(model.n_items, bool)
            wanted = truth.row(person)
            relevant[wanted[wanted < model.n_items]] = True
            relevant &= open_to
            good, bad = scores[row][relevant], np.sort(scores[row][open_to & ~relevant])
            if len(good) and len(bad):
                below, upto = np.searchsorted(bad, good, "left"), np.searchsorted(bad, good, "right")
                areas[person] = (below + upto).mean() / 2 / len(bad)
    return areas


def _lists(name: str, best: Int32[np.ndarray, "users k"], n_items: int, popularity: np.ndarray | None) -> float:
    counts = np.bincount(best[best >= 0], minlength=n_items)
    if name == "coverage":
        return float((counts > 0).mean())
    if name == "gini":
        ordered = np.sort(counts)
        total = ordered.sum()
        if total == 0:
            return float("nan")
        ranks = np.arange(1, n_items + 1)
        return float((2 * ranks - n_items - 1) @ ordered / (n_items * total))
    if popularity is None or counts.sum() == 0:
        return float("nan")
    return float(counts @ popularity[:n_items] / counts.sum())
