"""Everything decided before the first step, and the run that comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tacit.data.interactions import Interactions
from tacit.run import Evidence, Run, union
from tacit.schemes.scheme import Scheme
from tacit.training.step import Step

INITIAL = 5  # purpose of the chance that starts parameters


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything decided before the first step."""

    train: Interactions
    valid: Interactions
    whole: Interactions  # train and valid together
    make_backbone: Callable[[Interactions], Any]
    scheme: Scheme
    optimizer: str
    rate: float
    batch_size: int
    epochs: int
    patience: int
    validate_every: int
    metric: str
    refit: bool
    meta: float
    checkpoint_every: int
    seed: int
    config: dict[str, Any]
    facts: dict[str, Any]


def run_of(plan: Plan, step: Step, chosen: dict[str, Any]) -> Run:
    """The run of a trained step; `chosen` (empty during the search): what validation chose."""
    step.eval()
    whole = plan.whole
    trained = whole if plan.refit and chosen else plan.train
    evidence = Evidence(
        positives=trained.positives,
        seen=union(plan.train.positives, plan.valid.positives),
        noes=whole.noes,
        impressions=whole.impressions,
        item_counts=trained.item_counts,
    )
    config = {**plan.config, "chosen": chosen}
    return Run(
        backbone=step.backbone,
        similarity=plan.scheme.objective.similarity,
        user_ids=whole.user_ids,
        item_ids=whole.item_ids,
        evidence=evidence,
        config=config,
        facts=plan.facts,
    )
