"""IG, inverse gradient: a meta batch decides whether the unlabelled term's gradient is followed, reversed or left.

Source: Lin et al., WSDM 2024 (arXiv 2311.08302), and its authors' code. Equations are numbered as in
docs/methods/idl-ig.md. Only the unlabelled term is ever reversed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from tacit.errors import OptionError, SchemeError
from tacit.kernels.gradients import added, inner, sign
from tacit.parts.updates import Descent, displaced
from tacit.types import Clock, Closure, Need, Slot, Terms, TrainingData

_log = logging.getLogger("tacit")
Gradients = tuple[Tensor | None, ...]
NOISE = 1e-6  # a smaller share of the meta loss is rounding


@dataclass(frozen=True)
class InverseGradient:
    """An update rule for losses with an unlabelled term.

    `decide` "dot": s = sign of <g_M, d(g_U)>; "probe": (14), by the meta loss after a step of `eta` either
    way. `rule` "gradient" (15): one step of the optimiser on g_L + s g_U; "explore" (16), the authors': the
    parameters go where the probe was best, and the optimiser steps on the meta loss there.
    """

    decide: Literal["dot", "probe"] = "dot"
    direction: Literal["identity", "sign"] = "sign"  # d(g)
    rule: Literal["gradient", "explore"] = "gradient"
    eta: float | None = None  # length of a probe; None: the optimiser's rate
    dead_zone: float = 0.0
    groups: int = 1  # parts of the unlabelled rows, each decided by itself
    warmup: float = 0.0  # epochs of ordinary steps
    _noes: bool = field(default=False, repr=False, compare=False)
    slot: ClassVar[Slot] = "update"
    needs: ClassVar[frozenset[Need]] = frozenset({"candidate_loss"})
    needs_meta: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.groups < 1 or self.dead_zone < 0:
            raise OptionError(
                f"groups must be at least 1 and dead_zone at least 0, not {self.groups}, {self.dead_zone}"
            )
        if self.rule == "explore" and (self.decide == "dot" or self.groups > 1):
            raise OptionError('rule = "explore" goes where a probe was best: use "probe" and groups = 1')

    def bind(self, data: TrainingData) -> Self:
        return replace(self, _noes=len(data.noes.indices) > 0)

    def __call__(
        self,
        loss: Closure,
        meta_loss: Closure | None,
        clock: Clock,
        parameters: Sequence[torch.nn.Parameter],
        optimizer: torch.optim.Optimizer,
    ) -> Terms:
        if meta_loss is None:
            raise SchemeError("the inverse gradient decides on meta batches: set training.meta above 0")
        if clock.step < self.warmup * clock.steps_per_epoch:
            return Descent()(loss, None, clock, parameters, optimizer)
        terms = loss()
        unlabelled = terms.rows.get("unlabelled")
        if unlabelled is None or not unlabelled.requires_grad:
            return Descent()(loss, None, clock, parameters, optimizer)
        whole = terms.total() - unlabelled.sum()
        if self.decide == "dot":
            parts = unlabelled.chunk(self.groups)
            found = [_gradients(part.sum(), parameters) for part in parts]
            for part, s in zip(parts, self._by_product(found, meta_loss, parameters), strict=True):
                whole = whole + s * part.sum()
            _step(optimizer, parameters, _gradients(whole, parameters))
            return terms
        gradient = _gradients(whole, parameters)
        found = [_gradients(part.sum(), parameters) for part in unlabelled.chunk(self.groups)]
        eta = self.eta if self.eta is not None else _rate(optimizer)
        signs = [self._by_probe(part, meta_loss, parameters, eta) for part in found]
        if self.rule == "explore":
            _move(parameters, self._along(found[0]), -signs[0] * eta)
            gradient = _gradients(self._meta(meta_loss).sum(), parameters)
        else:
            for part, s in zip(found, signs, strict=True):
                gradient = tuple(added(a, b, s) for a, b in zip(gradient, part, strict=True))
        _step(optimizer, parameters, gradient)
        return terms

    def _meta(self, meta_loss: Closure) -> Tensor:
        """Loss of the meta rows: on labelled pairs where the log holds noes, else on sampled ones too."""
        rows = meta_loss().rows
        if self._noes or "unlabelled" not in rows:
            return rows["labelled"]
        return rows["labelled"] + rows["unlabelled"]

    def _along(self, gradients: Gradients) -> Gradients:
        if self.direction == "identity":
            return gradients
        return tuple(None if gradient is None else sign(gradient) for gradient in gradients)

    def _by_product(
        self, parts: list[Gradients], meta_loss: Closure, parameters: Sequence[torch.nn.Parameter]
    ) -> list[int]:
        """First order of (14): s = sign <g_M, d(g_U)>."""
        meta = _gradients(self._meta(meta_loss).sum(), parameters)
        products = [
            sum(
                inner(a, b)
                for a, b in zip(meta, self._along(part), strict=True)
                if a is not None and b is not None
            )
            for part in parts
        ]
        return [0 if not abs(value) > self.dead_zone else (1 if value > 0 else -1) for value in products]

    def _by_probe(
        self, part: Gradients, meta_loss: Closure, parameters: Sequence[torch.nn.Parameter], eta: float
    ) -> int:
        """(14), on float64 sums of the meta rows' differences: rounding would else decide."""
        along = self._along(part)
        with torch.no_grad():
            here = self._meta(meta_loss).double()
            with displaced(parameters, along, -eta):
                forward = float((self._meta(meta_loss).double() - here).sum())
            with displaced(parameters, along, eta):
                inverse = float((self._meta(meta_loss).double() - here).sum())
        if not (forward == forward and inverse == inverse):
            return 0
        if max(abs(forward), abs(inverse)) < NOISE * abs(float(here.sum())):
            _log.warning("inverse gradient: a probe of %g changes the meta loss by rounding only", eta)
        if forward < inverse and forward < -self.dead_zone:
            return 1
        return -1 if inverse < -self.dead_zone else 0


def _gradients(value: Tensor, parameters: Sequence[torch.nn.Parameter]) -> Gradients:
    return torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)


def _step(
    optimizer: torch.optim.Optimizer, parameters: Sequence[torch.nn.Parameter], gradients: Gradients
) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _move(parameters: Sequence[torch.nn.Parameter], along: Gradients, step: float) -> None:
    if step == 0:
        return
    with torch.no_grad():
        for parameter, direction in zip(parameters, along, strict=True):
            if direction is not None:
                parameter.add_(direction, alpha=step)


def _rate(optimizer: torch.optim.Optimizer) -> float:
    group = optimizer.param_groups[0]
    return float(group.get("rate", group.get("lr", 0.0)))
