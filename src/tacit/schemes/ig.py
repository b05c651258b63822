"""IG, inverse gradient: a meta batch decides whether the unlabelled term is descended, climbed or left alone.

Source: Lin et al., WSDM 2024 (arXiv 2311.08302), and its authors' code. Equations are numbered as in
docs/methods/idl-ig.md. Only the unlabelled term is ever reversed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor

from tacit.errors import OptionError, SchemeError
from tacit.kernels.gradients import added, inner, sign
from tacit.parts.updates import displaced
from tacit.types import Clock, Closure, Need, Slot, Terms, TrainingData

Parameters = Sequence[torch.nn.Parameter]
Gradients = tuple[Tensor | None, ...]
NOISE = 1e-6  # a smaller share of the meta loss is rounding
ETA = 1e-3


@dataclass(frozen=True)
class InverseGradient:
    """An update rule for losses with an unlabelled term; with a batch that has none, the ordinary step.

    `decide` "dot": s = sign of <g_M, d(g_U)>; "probe": (14), by the meta loss after a step of `eta` either
    way. `rule` "gradient" (15): one step of the optimiser on g_L + s g_U; "explore" (16), the authors': the
    parameters go where the probe was best, and the optimiser steps on the meta loss there. From the labelled
    pairs of the batch nothing is learned then, unless `loops` lets it step on them before. Notes for the
    log: the meta loss, the shares of the decisions, and of probes whose outcome is rounding. Raises
    `OptionError` for words that are no choice, lengths that are not positive, and options of one way to
    decide beside another.
    """

    decide: Literal["dot", "probe"] = "dot"  # by a product of gradients, or by steps either way
    direction: Literal["identity", "sign"] | None = None  # d(g); nothing: identity by dot, sign by probe
    rule: Literal["gradient", "explore"] = "gradient"  # step on g_L + s g_U, or the authors' exploration
    loops: bool = False  # explore: a step on the labelled pairs before, for the authors' other loop
    eta: float | None = None  # length of a probe; nothing: .001, the authors'
    dead_zone: float = 0.0  # products, or gains of the meta loss, up to it decide nothing
    groups: int = 1  # parts of the unlabelled rows, each decided by itself
    judge: Literal["sampled", "labelled"] = "sampled"  # meta loss with sampled noes, or of labelled pairs
    warmup: float = 1.0  # epochs of ordinary steps
    slot: ClassVar[Slot] = "update"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidate_loss", "unlabelled"})
    needs_meta: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, allowed in (
            ("decide", ("dot", "probe")),
            ("direction", ("identity", "sign", None)),
            ("rule", ("gradient", "explore")),
            ("judge", ("sampled", "labelled")),
        ):
            if getattr(self, name) not in allowed:
                said = " or ".join(f'"{value}"' for value in allowed if value)
                raise OptionError(f'{name} is {said}, not "{getattr(self, name)}"')
        if self.eta is not None and not 0 < self.eta < float("inf"):
            raise OptionError(f"eta is the length of a probe and must be positive, not {self.eta}")
        if self.groups < 1:
            raise OptionError(f"groups must be at least 1, not {self.groups}")
        for name, least in (("dead_zone", self.dead_zone), ("warmup", self.warmup)):
            if not least >= 0:
                raise OptionError(f"{name} must be at least 0, not {least}")
        if self.eta is not None and self.decide == "dot":
            raise OptionError('eta is the length of a probe: leave it out, or set decide = "probe"')
        if self.rule == "explore" and (self.decide == "dot" or self.groups > 1):
            raise OptionError('rule = "explore" goes where a probe was best: use "probe" and groups = 1')
        if self.loops and self.rule != "explore":
            raise OptionError(
                'loops is of rule = "explore": the other rule learns from labelled pairs anyway'
            )

    def bind(self, data: TrainingData) -> Self:
        if self.judge == "labelled" and len(data.noes.indices) == 0:
            raise OptionError(
                'judge = "labelled" needs explicit noes, and the log has none: the meta loss would fall '
                'whenever all scores rise; use "sampled"'
            )
        return self

    @property
    def begins(self) -> float:
        """Epochs of the warm-up."""
        return self.warmup

    def starts(self, clock: Clock) -> bool:
        """Whether the warm-up is over."""
        return clock.step >= self.warmup * clock.steps_per_epoch

    def __call__(
        self,
        loss: Closure,
        meta_loss: Closure | None,
        clock: Clock,
        parameters: Parameters,
        optimizer: torch.optim.Optimizer,
    ) -> Terms:
        if meta_loss is None:
            raise SchemeError("the inverse gradient decides on meta batches: set training.meta above 0")
        optimizer.zero_grad(set_to_none=True)
        terms = loss()
        if not self.starts(clock) or not _can_split(terms):
            terms.total().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return terms
        if self.loops:
            first = _without_unlabelled(terms)
            if first.requires_grad:
                first.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                terms = loss()
        unlabelled = terms.rows["unlabelled"]
        parts = unlabelled.chunk(self.groups)
        found = [_gradients(part.sum(), parameters) for part in parts]
        share = 1.0 if terms.unlabelled_share is None else float(terms.unlabelled_share)
        means = [len(unlabelled) / (len(part) * share) for part in parts]
        explores = self.rule == "explore"
        never = _without_unlabelled(terms)
        if explores:
            never = torch.zeros(()) if self.loops else sum(terms.scalars.values(), torch.zeros(()))
        gradient = _gradients(never, parameters)
        signs, notes = self._decided(found, means, meta_loss, parameters)
        if explores:
            if signs[0]:
                _move(parameters, self._along(found[0], means[0]), -signs[0] * self._eta)
            judged = _gradients(self._meta(meta_loss).sum(), parameters)
            gradient = tuple(added(a, b, 1) for a, b in zip(gradient, judged, strict=True))
        else:
            for part, s in zip(found, signs, strict=True):
                gradient = tuple(added(a, b, s) for a, b in zip(gradient, part, strict=True))
        for parameter, value in zip(parameters, gradient, strict=True):
            parameter.grad = value
        optimizer.step()
        return replace(terms, notes=terms.notes | notes)

    @property
    def _eta(self) -> float:
        return ETA if self.eta is None else self.eta

    def _meta(self, meta_loss: Closure) -> Float[Tensor, "Q"]:
        """Rows whose sum is M (13): of labelled pairs, and of sampled ones as noes where `judge` says so."""
        terms = meta_loss()
        labelled, unlabelled = terms.rows["labelled"], terms.rows.get("unlabelled")
        if unlabelled is None:
            return labelled
        if self.judge == "sampled":
            return labelled + unlabelled
        return labelled if terms.unlabelled_share is None else labelled / (1 - terms.unlabelled_share)

    def _along(self, gradients: Gradients, scale: float) -> Gradients:
        """d(g_U) of (12); `scale` makes of the gradients those of a mean (5) over their own rows."""
        if (self.direction or ("sign" if self.decide == "probe" else "identity")) == "sign":
            return tuple(None if gradient is None else sign(gradient) for gradient in gradients)
        return tuple(None if gradient is None else gradient * scale for gradient in gradients)

    def _decided(
        self, found: list[Gradients], means: list[float], meta_loss: Closure, parameters: Parameters
    ) -> tuple[list[int], dict[str, Tensor]]:
        """s of every part, and what the log should know of them."""
        along = [self._along(part, mean) for part, mean in zip(found, means, strict=True)]
        if self.decide == "dot":
            here = self._meta(meta_loss)
            meta = _gradients(here.sum(), parameters)
            signs, lost = [self._by_product(meta, part) for part in along], 0
        else:
            with torch.no_grad():
                here = self._meta(meta_loss)
                gains = [self._gains(here, part, meta_loss, parameters) for part in along]
            signs = [self._by_gain(*pair) for pair in gains]
            bound = NOISE * abs(float(here.sum()))
            lost = sum(max(abs(forward), abs(inverse)) < bound for forward, inverse in gains)
        shares = {"direct": signs.count(1), "stay": signs.count(0), "inverse": signs.count(-1)}
        shares |= {"rounding": lost} if self.decide == "probe" else {}
        notes = {name: torch.tensor(count / len(signs)) for name, count in shares.items()}
        return signs, {"meta": here.detach().sum(), **notes}

    def _by_product(self, meta: Gradients, along: Gradients) -> int:
        """First order of (14): s = sign <g_M, d(g_U)>; 0 of NaN."""
        product = sum(
            inner(a, b) for a, b in zip(meta, along, strict=True) if a is not None and b is not None
        )
        if not abs(product) > self.dead_zone:
            return 0
        return 1 if product > 0 else -1

    def _gains(
        self, here: Tensor, along: Gradients, meta_loss: Closure, parameters: Parameters
    ) -> tuple[float, float]:
        """M a step down and a step up, less M here: differences of rows, in float64, or rounding decides."""
        gains = []
        for step in (-self._eta, self._eta):
            with displaced(parameters, along, step):
                gains.append(float((self._meta(meta_loss).double() - here.double()).sum()))
        return gains[0], gains[1]

    def _by_gain(self, forward: float, inverse: float) -> int:
        """(14); 0 where a loss is NaN."""
        if forward != forward or inverse != inverse:
            return 0
        if forward < inverse and forward < -self.dead_zone:
            return 1
        return -1 if inverse < -self.dead_zone else 0


def _can_split(terms: Terms) -> bool:
    unlabelled = terms.rows.get("unlabelled")
    if unlabelled is None or not unlabelled.requires_grad:
        return False
    return terms.unlabelled_share is None or bool(terms.unlabelled_share > 0)


def _without_unlabelled(terms: Terms) -> Tensor:
    """Sum of the terms that are never reversed."""
    rows = [rows.sum() for name, rows in terms.rows.items() if name != "unlabelled"]
    return sum([*rows, *terms.scalars.values()], torch.zeros(()))


def _gradients(value: Tensor, parameters: Parameters) -> Gradients:
    if not value.requires_grad:
        return (None,) * len(parameters)
    return torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)


def _move(parameters: Parameters, along: Gradients, step: float) -> None:
    with torch.no_grad():
        for parameter, direction in zip(parameters, along, strict=True):
            if direction is not None:
                parameter.add_(direction, alpha=step)
