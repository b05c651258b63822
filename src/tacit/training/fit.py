"""The training loop, whole. Callbacks watch; what acts is in the scheme.

Chance is derived from (seed, epoch, step, purpose), so training goes on from a position with the same numbers
as without the stop. Bit identity holds per thread count.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from tacit.data.loaders import Loader
from tacit.errors import Diverged, OptionError
from tacit.events import Callback, EpochEnd, FitEnd, StepEnd, Stop
from tacit.kernels.denormals import flushing_denormals
from tacit.kernels.sampling import derived_key
from tacit.training.optimizers import set_rate
from tacit.training.step import Step, StepLoss
from tacit.types import Clock, Closure

SAMPLE, STATE, META = 2, 3, 4


@dataclass
class Position:
    """Where training is: `step` counts optimiser steps in all, `within` those of the current epoch.

    `sums` are the terms of the current epoch so far, `counts` the steps that had them. The loop moves it;
    checkpoints save and restore it.
    """

    epoch: int = 0
    within: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Positions of earlier releases have no counts: every step counted."""
        self.counts = {name: self.counts.get(name, self.within) for name in self.sums}

    def add(self, terms: dict[str, float]) -> None:
        """Go on by one step with these terms."""
        self.step, self.within = self.step + 1, self.within + 1
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Mean of each term over the steps that had it."""
        return {name: value / self.counts[name] for name, value in self.sums.items()}

    def turn(self) -> None:
        """Go on to the next epoch."""
        self.epoch, self.within, self.sums, self.counts = self.epoch + 1, 0, {}, {}


@flushing_denormals()
def fit(
    step: Step,
    loader: Loader,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    seed: int,
    max_steps: int | None = None,
    callbacks: Sequence[Callback] = (),
    position: Position | None = None,
    meta_loader: Loader | None = None,
    rate: Callable[[Clock], float] | None = None,
) -> str:
    """Train in place, from `position` on; returns why it ended.

    `max_steps` bounds the optimiser steps in all; `rate` is the learning rate over time. Raises `Diverged`
    where a term is NaN or infinite, with the step and the term, or a parameter at the end of an epoch, and
    `OptionError` where the scheme needs a meta loader and has none.
    """
    scheme, position = step.scheme, position or Position()
    if scheme.update.needs_meta and meta_loader is None:
        raise OptionError(f"{type(scheme.update).__name__} needs meta batches: set training.meta above 0")
    limit = max_steps if max_steps is not None else epochs * loader.steps
    parameters = [parameter for parameter in step.parameters() if parameter.requires_grad]
    reason = "all epochs done"
    stop: Stop | None = None
    while position.epoch < epochs and stop is None:
        started, pairs = time.perf_counter(), 0
        for batch in loader.epoch(position.epoch, position.within):
            if position.step >= limit:
                break
            clock = Clock(position.epoch, epochs, position.step, loader.steps)
            if rate is not None:
                set_rate(optimizer, rate(clock))
            losses = StepLoss(step, batch, scheme.sampler(batch, _generator(seed, clock, SAMPLE)), clock)
            meta = _meta_loss(step, meta_loader, clock, seed) if scheme.update.needs_meta else None
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(derived_key(seed, STATE, clock.epoch, clock.step))
                terms = scheme.update(losses, meta, clock, parameters, optimizer).values()
            _check_finite(terms, clock)
            position.add(terms)
            pairs += len(batch)
            stop = _tell(callbacks, StepEnd(clock, terms, len(batch)))
            if stop:
                break
        if stop:
            break
        check_parameters(step, position.step)
        seconds = time.perf_counter() - started
        clock = Clock(position.epoch, epochs, position.step, loader.steps)
        stop = _tell(callbacks, EpochEnd(clock, position.means(), seconds, pairs, step))
        position.turn()
        if position.step >= limit and stop is None:
            break
    check_parameters(step, position.step)
    reason = stop.reason if stop else reason
    _tell(callbacks, FitEnd(Clock(position.epoch, epochs, position.step, loader.steps), reason))
    return reason


def _generator(seed: int, clock: Clock, purpose: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_key(seed, purpose, clock.epoch, clock.step))


def _meta_loss(step: Step, loader: Loader | None, clock: Clock, seed: int) -> Closure:
    """The plain loss of the meta batch that belongs to this step, of the log's own targets."""
    assert loader is not None
    batch = loader.batch(*divmod(clock.step, loader.steps))
    candidates = step.scheme.plain_sampler(batch, _generator(seed, clock, META))
    return StepLoss(step, batch, candidates, clock, plain=True)


def _check_finite(terms: dict[str, float], clock: Clock) -> None:
    for name, value in terms.items():
        if not math.isfinite(value):
            raise Diverged(
                f"the term {name} became {value} at step {clock.step} (epoch {clock.epoch}): "
                "lower optimizer.rate, or raise the temperature"
            )


def check_parameters(module: torch.nn.Module, steps: int) -> None:
    """Raise `Diverged` naming a parameter that holds NaN or infinity after this many steps."""
    for name, parameter in module.named_parameters():
        if not parameter.isfinite().all():
            raise Diverged(
                f"the parameter {name} holds NaN or infinity after {steps} steps, though every term of the "
                "loss was finite: lower optimizer.rate, or raise the temperature"
            )


def _tell(callbacks: Sequence[Callback], event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
    """Every callback hears the event; the first Stop counts."""
    answers = [callback(event) for callback in callbacks]
    return next((answer for answer in answers if answer is not None), None)
