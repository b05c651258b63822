"""The metric that chooses: ranks the validation users' catalogue."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from tacit.data.evidence import union, without
from tacit.errors import OptionError
from tacit.evaluation.names import choosing
from tacit.evaluation.ranking import rank
from tacit.plan import Plan
from tacit.protocols import Queries
from tacit.recommend.foldin import trained_rows
from tacit.recommend.serving import recommender_of
from tacit.training.step import Step

VALIDATION_USERS = 10_000
FEW = 20  # people whose ranking chooses little but chance
_log = logging.getLogger("tacit")


def validator(plan: Plan) -> Callable[[Step], dict[str, float]]:
    """Ranks the validation users' catalogue.

    What training knows of them is masked, and is no truth, unless what was seen is kept. Raises `OptionError`
    where no truth is left of users with training events.
    """
    known, history, events = plan.searched.masked, plan.searched.seen, plan.searched.events
    if plan.history is not None:
        known, history = union(known, plan.history.known), union(history, plan.history.positives)
        events = None if events is None else events.then(plan.history.sequences)
    truth = plan.valid.positives
    if not plan.keep_seen:
        truth = without(truth, known)
    warm = np.flatnonzero((truth.degrees() > 0) & (history.degrees() > 0))
    if len(warm) == 0:
        raise OptionError(
            "nothing to validate on: no validation user has both training events and a validation event "
            "that is not in the training part already; give another validation part, or keep repeats by "
            'training.seen = "keep"'
        )
    if len(warm) > VALIDATION_USERS:
        warm = np.sort(np.random.default_rng(0).choice(warm, VALIDATION_USERS, replace=False))
    if len(warm) < FEW:
        _log.warning(
            "only %d %s validate%s, so chance chooses the number of steps: give a larger validation part",
            *(len(warm), "person" if len(warm) == 1 else "people", "s" if len(warm) == 1 else ""),
        )
    chosen, masked = truth.select(warm), None if plan.keep_seen else known.select(warm)
    name, k = choosing(plan.metric)
    queries = Queries(
        trained_rows(warm.astype(np.int64), plan.searched.positives),
        history.select(warm),
        None if events is None else events.select(warm),
    )

    def validate(step: Step) -> dict[str, float]:
        step.eval()
        figures = rank(
            recommender_of(step.backbone, plan.scheme.objective.similarity, plan.searched.item_counts),
            chosen,
            queries,
            exclude=masked,
            ks=sorted({k or 20, 20}),
            metrics=sorted({name, "recall", "ndcg"}),
        )
        step.train()
        found = {key: _mean(per_user) for key, per_user in figures.values.items()} | figures.overall
        if math.isnan(found[plan.metric]):
            raise OptionError(
                f"training.metric = {plan.metric} is not defined on this validation part: choose another"
            )
        return found

    return validate


def _mean(values: Float64[np.ndarray, "users"]) -> float:
    """Over the people for whom there is a value."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan
