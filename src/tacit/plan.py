"""Everything decided before the first step, and the run that comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tacit.data.evidence import Evidence
from tacit.data.interactions import Interactions
from tacit.data.moments import Moments
from tacit.run import Run
from tacit.schemes.scheme import Scheme
from tacit.training.step import Step

INITIAL = 5  # purpose of the chance that starts parameters


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything decided before the first step."""

    train: Interactions
    valid: Interactions
    history: Interactions | None  # of people who are in valid alone
    whole: Interactions  # all three together
    earlier: Evidence | None  # of the run to go on from
    make_backbone: Callable[[Evidence], Any]
    sequences: bool  # whether the backbone reads them
    scheme: Scheme
    optimizer: str
    rate: float
    decay: float
    batch_size: int
    over_users: bool
    stride: int | None
    epochs: int
    patience: int
    validate_every: int
    metric: str
    keep_seen: bool
    refit: bool
    meta: float
    checkpoint_every: int
    spectrum: int | None
    interests: int | None
    audit: int | None
    seed: int
    config: dict[str, Any]
    unsaid: dict[str, Any]  # what configurations of earlier releases mean where they lack an option
    facts: dict[str, Any]

    @cached_property
    def searched(self) -> Evidence:
        """What the search trains on, and what an earlier run had seen."""
        return self._evidence(self.train)

    @cached_property
    def everything(self) -> Evidence:
        """The same of all parts together."""
        return self._evidence(self.whole)

    def _evidence(self, log: Interactions) -> Evidence:
        return Evidence.of(log, self.earlier, log.sequences if self.sequences else None)


def run_of(plan: Plan, step: Step, chosen: dict[str, Any]) -> Run:
    """The run of a trained step; `chosen` (empty during the search): what validation chose."""
    step.eval()
    trained = plan.everything if plan.refit and chosen else plan.searched
    log = plan.whole if plan.refit and chosen else plan.train
    evidence = replace(
        plan.everything,
        positives=trained.positives,
        item_counts=trained.item_counts,
        moments=_moments(log, plan.earlier),
        shown_moments=_shown_moments(log, plan.earlier),
    )
    config = {**plan.config, "chosen": chosen}
    return Run(
        backbone=step.backbone,
        similarity=plan.scheme.objective.similarity,
        user_ids=plan.whole.user_ids,
        item_ids=plan.whole.item_ids,
        evidence=evidence,
        config=config,
        facts=plan.facts,
    )


def _moments(log: Interactions, earlier: Evidence | None) -> Moments | None:
    """Of the events trained on, now and before; an event of both logs counts twice."""
    if log.times is None or (earlier is not None and earlier.moments is None):
        return None
    own = Moments.of(log.times[log.yes])
    return own if earlier is None or earlier.moments is None else own.and_of(earlier.moments)


def _shown_moments(log: Interactions, earlier: Evidence | None) -> Moments | None:
    """The same of impressions; None where there are none, or those of the earlier run have no times."""
    before = None if earlier is None else earlier.shown_moments
    untimed = earlier is not None and before is None and len(earlier.impressions.indices) > 0
    if log.shown is None:
        return before
    if log.times is None or untimed:
        return None
    own = Moments.of(log.times[log.shown])
    return own if before is None else own.and_of(before)
