"""Update rules: from loss closures to one step of the user's own optimiser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from tacit.errors import OptionError
from tacit.kernels.gradients import clip_norm
from tacit.types import Clock, Closure, Need, Slot, Terms, TrainingData


@dataclass(frozen=True)
class Descent:
    """The ordinary step: gradient of the sum of all terms, its joint Euclidean norm at most `clip`."""

    clip: float | None = None  # None: no bound
    slot: ClassVar[Slot] = "update"
    needs: ClassVar[frozenset[Need]] = frozenset()
    needs_meta: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.clip is not None and not self.clip > 0:
            raise OptionError(f"clip bounds the norm of the gradient and must be above 0, not {self.clip}")

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(
        self,
        loss: Closure,
        meta_loss: Closure | None,
        clock: Clock,
        parameters: Sequence[torch.nn.Parameter],
        optimizer: torch.optim.Optimizer,
    ) -> Terms:
        optimizer.zero_grad(set_to_none=True)
        terms = loss()
        terms.total().backward()  # type: ignore[no-untyped-call]
        if self.clip is not None:
            clip_norm(parameters, self.clip)
        optimizer.step()
        return terms


@contextmanager
def displaced(
    parameters: Sequence[torch.nn.Parameter], directions: Sequence[Tensor | None], step: float
) -> Iterator[None]:
    """Parameters moved by `step` times their direction inside the block, restored bit for bit after it.

    A sparse direction moves, and saves, only its rows.
    """
    saved: list[tuple[torch.nn.Parameter, Tensor | None, Tensor]] = []
    try:
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                if direction is None:
                    continue
                if direction.is_sparse:
                    direction = direction.coalesce()
                    rows = direction.indices()[0]
                    saved.append((parameter, rows, parameter[rows].clone()))
                    parameter.index_add_(0, rows, direction.values(), alpha=step)
                else:
                    saved.append((parameter, None, parameter.clone()))
                    parameter.add_(direction, alpha=step)
        yield
    finally:
        with torch.no_grad():
            for parameter, touched, values in saved:
                if touched is None:
                    parameter.copy_(values)
                else:
                    parameter.index_copy_(0, touched, values)
