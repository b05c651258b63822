"""What a log and a scheme are told about each other before training."""

from __future__ import annotations

from collections.abc import Iterator

from tacit.data.interactions import COLLAPSED, Interactions
from tacit.parts.pool import Pool
from tacit.parts.samplers import Explicit, InBatch, Mixed, Nothing, Popularity, Uniform
from tacit.protocols import CandidateObjective, Sampler
from tacit.schemes.scheme import Scheme

ELSEWHERE = Uniform | Popularity | InBatch | Explicit | Nothing | Pool  # samplers that draw no impressions


def remarks(
    log: Interactions, scheme: Scheme, *, impressions: bool = False, sequences: bool = False
) -> Iterator[str]:
    """Sentences on a log without silence, on explicit noes that the scheme does not learn from, on a file of
    `impressions` that its sampler does not draw from (one's own sampler may), and on `sequences` whose order
    no column tells, or whose repeats are gone.
    """
    if sequences and any(COLLAPSED in note for note in log.notes):
        yield (
            "the log was read without its repeated rows, which a sequence needs: give fit the file or the "
            "frame itself, or read it by Interactions.read(..., collapse=False)"
        )
    if sequences and log.clock is None:
        yield (
            "the log has neither times nor positions: the order of its rows is taken for that of the events; "
            "name the column with data.time or data.position, if there is one"
        )
    if len(log.positives.indices) == log.n_users * log.n_items:
        yield (
            "every user has a yes for every item, so nothing is left to rank or recommend and metrics of "
            "ranking say nothing; for ratings set data.threshold"
        )
    noes = len(log.noes.indices)
    if noes and sequences and not _draws_noes(scheme):
        yield (
            f"{noes:,} explicit noes are masked but not learnt from: they are no part of a sequence; with "
            'draw = "explicit", where the scheme has it, they are its candidates'
        )
    elif noes and not sequences and not _learns_noes(scheme):
        yield (
            f"{noes:,} explicit noes are masked but not learnt from: {type(scheme.objective).__name__} has "
            'no loss for a no; use bce, t-ce, r-ce, idl or dli; or draw = "explicit" where the scheme has '
            "it, which then learns nothing of the rest of the catalogue"
        )

    if impressions and all(isinstance(sampler, ELSEWHERE) for sampler in _drawn(scheme)):
        yield (
            "the impressions are not used, for the scheme's sampler draws elsewhere: set "
            'scheme.draw = "impressions", or leave data.impressions out'
        )


def _learns_noes(scheme: Scheme) -> bool:
    return _draws_noes(scheme) or isinstance(scheme.objective, CandidateObjective)


def _draws_noes(scheme: Scheme) -> bool:
    return any(isinstance(sampler, Explicit) for sampler in _drawn(scheme))


def _drawn(scheme: Scheme) -> tuple[Sampler, ...]:
    drawing = scheme.plain_sampler
    return drawing.samplers if isinstance(drawing, Mixed) else (drawing,)
