"""Full-catalogue ranking in blocks of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from tacit.evaluation import variants
from tacit.evaluation.metrics import coverage, gini, mean_popularity
from tacit.evaluation.names import OF_LISTS, PER_USER, known_metric
from tacit.kernels.topk import BLOCK_BYTES, areas_of, hits_of
from tacit.protocols import Queries, Recommender
from tacit.sparse import CSR


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
    popularity: Int64[np.ndarray, "N"] | None = None,
) -> PerUser:
    """Rank the catalogue for each query (a row of `truth` and of `exclude`) and measure, all k in one pass.

    Every row of `truth` holds at least one item, none of them excluded; items beyond the model's catalogue
    are never hit. `popularity`: training events of each item, for `mean_popularity` only. Raises
    `OptionError` for unknown metrics.
    """
    names = [known_metric(name) for name in metrics]
    depth = max(ks) + any(name in variants.PER_USER for name in names)  # some count a place too many
    best = model.recommend(queries, min(depth, model.n_items), exclude=exclude).items
    hits, sizes = hits_of(best, truth), truth.degrees()
    values = {f"{name}@{k}": PER_USER[name](hits, sizes, k) for name in names if name in PER_USER for k in ks}
    overall: dict[str, float] = {}
    for k in ks:
        listed = best[:, :k][best[:, :k] >= 0]
        counts = np.bincount(listed, minlength=model.n_items)
        overall |= {f"{name}@{k}": _lists(name, counts, popularity) for name in names if name in OF_LISTS}
    if "auc" in names or "gauc" in names:
        areas = auc(model, truth, queries, exclude)
        if "auc" in names:
            values["auc"] = areas
        if "gauc" in names:
            weights = np.where(np.isnan(areas), 0, sizes)
            overall["gauc"] = float(np.nan_to_num(areas) @ weights / weights.sum())
    return PerUser(values, overall)


def auc(
    model: Recommender, truth: CSR, queries: Queries, exclude: CSR | None
) -> Float64[np.ndarray, "users"]:
    """Area under the ROC curve of each query over the items that are not masked; see `areas_of`."""
    areas = np.empty(truth.n_rows)
    step = max(BLOCK_BYTES // (4 * model.n_items), 1)
    for start in range(0, truth.n_rows, step):
        rows = np.arange(start, min(start + step, truth.n_rows))
        masked = None if exclude is None else exclude.select(rows)
        areas[rows] = areas_of(model.score(queries.select(rows)), truth.select(rows), masked)
    return areas


def _lists(name: str, counts: Int64[np.ndarray, "N"], popularity: Int64[np.ndarray, "N"] | None) -> float:
    if name == "coverage":
        return coverage(counts)
    if name == "gini":
        return gini(counts)
    return float("nan") if popularity is None else mean_popularity(counts, popularity[: len(counts)])
