"""Schedules: pure functions of the Clock, so that resuming is exact."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tacit.types import Clock


@dataclass(frozen=True)
class Constant:
    """Always `value`."""

    value: float = 1.0

    def __call__(self, clock: Clock) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    """From `start` to `end` over `epochs`, after `warmup` epochs at `start`; constant afterwards."""

    start: float
    end: float
    epochs: float
    warmup: float = 0.0

    def __call__(self, clock: Clock) -> float:
        return self.start + (self.end - self.start) * _progress(clock, self.warmup, self.epochs)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from `start` to `end` over `epochs`, after `warmup` epochs at `start`."""

    start: float
    end: float
    epochs: float
    warmup: float = 0.0

    def __call__(self, clock: Clock) -> float:
        progress = _progress(clock, self.warmup, self.epochs)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Exponential:
    """`start` times `factor` for each epoch that has passed."""

    start: float
    factor: float

    def __call__(self, clock: Clock) -> float:
        return self.start * self.factor**clock.epoch


def _progress(clock: Clock, warmup: float, epochs: float) -> float:
    """Share of the ramp that is behind: 0 before the warm-up's end, 1 from warmup + epochs on."""
    elapsed = clock.step / max(clock.steps_per_epoch, 1) - warmup
    if epochs == 0:
        return float(elapsed >= 0)
    return min(max(elapsed / epochs, 0.0), 1.0)
