"""What training tells those who watch it, and what they may answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, runtime_checkable

from tacit.types import Clock


@dataclass(frozen=True)
class StepEnd:
    """After each optimiser step: its clock, its terms as numbers, its examples."""

    clock: Clock
    terms: dict[str, float]
    pairs: int


@dataclass(frozen=True)
class EpochEnd:
    """After each epoch: mean terms, seconds, pairs."""

    clock: Clock
    terms: dict[str, float]
    seconds: float
    pairs: int
    module: Any  # the Step, for callbacks that look at parameters


@dataclass(frozen=True)
class FitEnd:
    """Once, when training is over."""

    clock: Clock
    reason: str


@dataclass(frozen=True)
class Stop:
    """What a callback returns to end training."""

    reason: str


def due(event: StepEnd | EpochEnd | FitEnd, every: int) -> TypeGuard[EpochEnd]:
    """Whether the event ends an `every`-th epoch, or the last of all that may come."""
    if not isinstance(event, EpochEnd):
        return False
    epoch = event.clock.epoch + 1
    return epoch % every == 0 or epoch == event.clock.epochs


@runtime_checkable
class Callback(Protocol):
    """Watches; may only ask to stop."""

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None: ...
