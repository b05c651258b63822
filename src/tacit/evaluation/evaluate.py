"""From a recommender and the truth to a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tacit.errors import DataError
from tacit.evaluation.ranking import rank
from tacit.evaluation.report import Report, summaries
from tacit.kernels.topk import shared_with
from tacit.protocols import Queries, Recommender
from tacit.sparse import CSR, Sequences

DEFAULT = ("recall", "ndcg", "hit_rate", "mrr", "map", "precision", "coverage", "gini", "mean_popularity")


def evaluate(
    model: Recommender,
    *,
    truth: CSR,
    seen: CSR,
    exclude: CSR | None = None,
    events: Sequences | None = None,
    ks: Sequence[int] = (10, 20, 50),
    metrics: Sequence[str] = DEFAULT,
    seed: int = 0,
) -> Report:
    """Rank the whole catalogue for every user with truth and history.

    `truth`, `seen` (histories), `exclude` (masked pairs; None: `seen`) and `events` (histories in order, for
    a model that reads sequences) have a row per user. A pair of the truth that is masked leaves it and is
    counted. Users without history are cold: counted, outside the means.
    Raises `DataError` where nobody is left to evaluate.
    """
    exclude = seen if exclude is None else exclude
    rows = np.repeat(np.arange(truth.n_rows, dtype=np.int64), truth.degrees())
    masked = shared_with(truth, exclude)
    left = CSR.from_pairs(rows[~masked], truth.indices[~masked], truth.n_rows, truth.n_columns)
    has_truth, has_history = left.degrees() > 0, seen.degrees() > 0
    people = np.flatnonzero(has_truth & has_history)
    counts = {
        "cold_users": int((has_truth & ~has_history).sum()),
        "masked_test_pairs": int(masked.sum()),
        "users_left_without_truth": int(((truth.degrees() > 0) & ~has_truth).sum()),
    }
    if len(people) == 0:
        raise DataError(
            f"no user can be evaluated: {counts['cold_users']} have test items but no history, and "
            f"{counts['users_left_without_truth']} have only items that they had in training; "
            "give --history, or another test file"
        )
    popularity = np.bincount(seen.indices, minlength=model.n_items)
    figures = rank(
        model,
        left.select(people),
        Queries(
            people.astype(np.int64), seen.select(people), None if events is None else events.select(people)
        ),
        exclude=exclude.select(people),
        ks=ks,
        metrics=metrics,
        popularity=popularity,
    )
    return Report(
        len(people), summaries(figures.values, figures.overall, seed), figures.values, people, counts
    )
