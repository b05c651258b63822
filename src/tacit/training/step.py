"""One training step: the only place where backbone and scheme meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import nn

from tacit.errors import SchemeError
from tacit.protocols import PairScorer
from tacit.schemes.scheme import Scheme
from tacit.scoring import local_rows, read_out, score, score_pairs
from tacit.types import Batch, Candidates, Clock, Encoded, Scored, Terms


class Step(nn.Module):
    """encode, transform, score, refine, objective, regularise: from a batch to named loss terms.

    Holds the state of the backbone, and of parts that have any or hold something that has, in one place.
    The scheme must be bound. Raises `SchemeError` where scheme and backbone do not fit, or it is no backbone.
    """

    def __init__(self, backbone: nn.Module, scheme: Scheme) -> None:
        super().__init__()
        scheme.check(backbone)
        _check(backbone)
        self.backbone: Any = backbone
        self.scheme = scheme
        self.parts = nn.ModuleList(
            [
                value
                for part in scheme.parts()
                for value in (part, *getattr(part, "__dict__", {}).values())
                if isinstance(value, nn.Module)
            ]
        )

    def groups(self) -> list[dict[str, Any]]:
        """Parameters for an optimiser, in groups of one rate: a group's `factor` multiplies the optimiser's.

        `rates`, where a backbone has it: by name of a parameter, its learning rate relative to the others'.
        """
        rates: dict[str, float] = getattr(self.backbone, "rates", {})
        slow = {id(self.backbone.get_parameter(name)): factor for name, factor in rates.items()}
        plain = [parameter for parameter in self.parameters() if id(parameter) not in slow]
        found: list[dict[str, Any]] = [{"params": plain}]
        for factor in sorted(set(slow.values())):
            members = [parameter for parameter in self.parameters() if slow.get(id(parameter)) == factor]
            found.append({"params": members, "factor": factor})
        return found

    def forward(self, batch: Batch, candidates: Candidates, clock: Clock, *, plain: bool = False) -> Terms:
        """Terms of the batch; `plain` leaves out refiners and regularisers (meta losses)."""
        scheme = self.scheme
        encoded, candidates, scored = self.scored(batch, candidates)
        for refine in () if plain else scheme.refiners:
            scored = refine(scored, scheme.objective, clock)
        losses = scheme.objective(scored)
        rows = {name: batch.weights * loss / len(batch) for name, loss in losses.items()}
        regularisers = () if plain else scheme.regularisers
        scalars = {part.name: part(encoded, batch, candidates) for part in regularisers}
        return Terms(rows, scalars, losses.unlabelled_share, scored.notes | losses.notes)

    def scored(self, batch: Batch, candidates: Candidates) -> tuple[Encoded, Candidates, Scored]:
        """What refiners get: the scores of the batch; the vectors and candidates that they are made of."""
        objective = self.scheme.objective
        encoded = self.backbone(batch)
        if self.scheme.transforms:
            encoded = read_out(encoded, candidates.targets, objective.similarity)
            encoded, candidates = local_rows(encoded, candidates)
            for transform in self.scheme.transforms:
                encoded = transform(encoded, batch, candidates)
        if isinstance(self.backbone, PairScorer):
            return encoded, candidates, score_pairs(self.backbone, candidates, batch, objective)
        return encoded, candidates, score(encoded, candidates, batch, objective)


def _check(backbone: nn.Module) -> None:
    """What training and serving will ask of a backbone must be there before the first step."""
    served = () if isinstance(backbone, PairScorer) else ("dim", "vectors")
    needed = ("n_users", "n_items", "interests", "reads", *served)
    if getattr(backbone, "reads", None) == "sequences":
        needed += ("length", "queries", "encode")
    missing = [name for name in needed if not hasattr(backbone, name)]
    if type(backbone).forward is nn.Module.forward:
        missing.append("forward")
    if missing:
        raise SchemeError(
            f"{type(backbone).__name__} is no backbone: it lacks {', '.join(missing)}; a backbone is an "
            "nn.Module with all that tacit.protocols.Backbone names, or with score(users, items) for "
            "vectors()"
        )


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A module in evaluation mode for a while; then each of its modules in the mode that it had."""
    modes = [(one, one.training) for one in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for one, training in modes:
            one.training = training


@dataclass(frozen=True)
class StepLoss:
    """The loss of one batch as a closure: each call sees the same candidates.

    Where `plain`, a loss to judge by, everything is in evaluation mode: no dropout, no buffer moves.
    """

    step: Step
    batch: Batch
    candidates: Candidates
    clock: Clock
    plain: bool = False

    def __call__(self) -> Terms:
        with evaluating(self.step) if self.plain else nullcontext():
            return self.step(self.batch, self.candidates, self.clock, plain=self.plain)  # type: ignore[no-any-return]
