"""What `api.fit` has watch its training, where options ask for it."""

from __future__ import annotations

from pathlib import Path

from tacit.beliefs import BeliefTrace, judging
from tacit.data.evidence import Evidence
from tacit.data.interactions import Interactions
from tacit.errors import OptionError
from tacit.events import Callback
from tacit.interests import InterestTrace
from tacit.plan import Plan
from tacit.protocols import PairScorer
from tacit.spectra import SpectrumTrace
from tacit.training.callbacks import JsonLog
from tacit.training.step import Step


def traces(
    plan: Plan,
    step: Step,
    data: Interactions,
    evidence: Evidence,
    folder: Path | None,
    log: JsonLog | None,
) -> list[Callback]:
    """Callbacks that follow embeddings, interests and beliefs. Raises `OptionError` for what cannot be."""
    asked = {
        "training.spectrum": (plan.spectrum, "tacit.spectra.SpectrumTrace"),
        "training.interests": (plan.interests, "tacit.interests.InterestTrace"),
        "training.audit": (plan.audit, "tacit.beliefs.BeliefTrace"),
    }
    for option, (every, callback) in asked.items():
        if every is not None and folder is None:
            raise OptionError(
                f"{option} writes into the run folder: give one with out, or pass a {callback} among the "
                "callbacks"
            )
    if plan.spectrum is not None and (plan.sequences or isinstance(step.backbone, PairScorer)):
        raise OptionError(
            f"training.spectrum follows vectors of users, and {type(step.backbone).__name__} has none: leave "
            "it out"
        )
    if plan.interests is not None and step.backbone.interests == 1:
        raise OptionError(
            f"training.interests follows several interests, and {type(step.backbone).__name__} gives one "
            "vector: leave it out, or use comirec-sa, comirec-dr or mind"
        )
    if plan.audit is not None and plan.sequences:
        raise OptionError(
            "training.audit asks about pairs of users and items, and this backbone reads sequences: leave it "
            "out, or use mf or lightgcn"
        )
    if plan.audit is not None and not judging(step.scheme):
        raise OptionError(
            "training.audit follows whom a scheme takes for a false negative, and this one has no refiner "
            "that judges unlabelled items: leave it out, or use dli or idl"
        )
    found: list[Callback] = []
    if plan.spectrum is not None and log is not None:
        found.append(SpectrumTrace(evidence.positives, every=plan.spectrum, log=log.write))
    if plan.interests is not None and log is not None and evidence.events is not None:
        found.append(InterestTrace(evidence.events, every=plan.interests, log=log.write))
    if plan.audit is not None and folder is not None:
        ids = data.user_ids, data.item_ids
        found.append(BeliefTrace(evidence, *ids, folder=folder / "beliefs", every=plan.audit, seed=plan.seed))
    return found
