"""What a log and a scheme are told about each other before training."""

from __future__ import annotations

from collections.abc import Iterator

from tacit.data.interactions import Interactions
from tacit.parts.samplers import Explicit, Mixed
from tacit.schemes.scheme import Scheme
from tacit.types import CandidateObjective


def remarks(log: Interactions, scheme: Scheme) -> Iterator[str]:
    """A sentence on a log without silence, and one on explicit noes that the scheme does not learn from."""
    if len(log.positives.indices) == log.n_users * log.n_items:
        yield (
            "every user has a yes for every item, so nothing is left to rank or recommend and metrics of "
            "ranking say nothing; for ratings set data.threshold"
        )
    noes = len(log.noes.indices)
    if noes and not _learns_noes(scheme):
        yield (
            f"{noes:,} explicit noes are masked but not learnt from: {type(scheme.objective).__name__} has "
            'no loss for a no; use bce, idl or dli, or draw = "explicit" where the scheme has it'
        )


def _learns_noes(scheme: Scheme) -> bool:
    drawing = scheme.plain_sampler
    drawn = drawing.samplers if isinstance(drawing, Mixed) else (drawing,)
    return isinstance(scheme.objective, CandidateObjective) or any(isinstance(s, Explicit) for s in drawn)
