"""Callbacks: they watch, log, and may ask to stop."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from tacit.errors import StorageError
from tacit.events import EpochEnd, FitEnd, StepEnd, Stop, due

State = tuple[dict[str, Tensor], dict[str, Any]]


@runtime_checkable
class Stateful(Protocol):
    """A callback that a checkpoint must carry."""

    def state(self) -> State:
        """Tensors and JSON values that `restore` needs."""
        ...

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go on from a state."""
        ...


class EarlyStopping:
    """Validate after every `every`-th epoch; stop when `patience` validations brought nothing better.

    Validations of the first `warmup` epochs, in which a scheme does not act yet, are no reason to stop. Keeps
    the best parameters where `keep` is set; the caller restores them with `load_best`.
    """

    def __init__(
        self,
        validate: Callable[[Any], dict[str, float]],
        *,
        metric: str,
        patience: int,
        every: int = 1,
        keep: bool = False,
        warmup: float = 0.0,
        log: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.validate, self.metric, self.patience, self.every, self.keep = (
            validate,
            metric,
            patience,
            every,
            keep,
        )
        self.warmup, self.log = warmup, log
        self.best, self.best_epoch, self.best_step, self.misses = float("-inf"), -1, 0, 0
        self.parameters: dict[str, Tensor] = {}
        self.history: list[dict[str, Any]] = []

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if not due(event, self.every):
            return None
        epoch = event.clock.epoch + 1
        return self._judge(event.module, epoch, event.clock.step)

    def conclude(self, module: torch.nn.Module, epoch: int, step: int) -> None:
        """Validate where training stopped before it was ever validated: after this many epochs and steps."""
        if not self.history:
            self._judge(module, epoch, step)

    def _judge(self, module: Any, epoch: int, step: int) -> Stop | None:
        started = time.perf_counter()
        values = self.validate(module)
        entry = {"event": "validation", "epoch": epoch, "step": step, **values}
        self.history.append(entry)
        if self.log is not None:
            self.log({**entry, "seconds": round(time.perf_counter() - started, 3)})
        if values[self.metric] > self.best:
            self.best, self.best_epoch, self.best_step = values[self.metric], epoch, step
            self.misses = 0
            if self.keep:
                parameters = module.state_dict().items()
                self.parameters = {name: tensor.detach().clone() for name, tensor in parameters}
            return None
        self.misses += epoch > self.warmup
        if self.misses < self.patience:
            return None
        return Stop(f"no better {self.metric} in {self.misses} validations; best at epoch {self.best_epoch}")

    def load_best(self, module: torch.nn.Module) -> None:
        """Put the best parameters back, where any were kept."""
        if self.parameters:
            module.load_state_dict(self.parameters)

    def state(self) -> State:
        values = {
            "best": self.best if self.best_epoch >= 0 else None,
            "best_epoch": self.best_epoch,
            "best_step": self.best_step,
            "misses": self.misses,
            "history": self.history,
        }
        return self.parameters, values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.parameters = dict(tensors)
        self.best = float("-inf") if values["best"] is None else values["best"]
        self.best_epoch, self.best_step = values["best_epoch"], values["best_step"]
        self.misses, self.history = values["misses"], values["history"]


class JsonLog:
    """One JSON object a line: every `every`-th step and every epoch. Cut back to a checkpoint on resume.

    Raises `StorageError` where the disk refuses a line.
    """

    def __init__(self, path: Path, every: int = 50) -> None:
        self.path, self.every = path, every
        with self._disk():
            self._file = path.open("ab")

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            mend = "check that the disk has room and that the folder exists and can be written"
            raise StorageError(f"{self.path}: cannot write the log: {error.strerror}; {mend}") from error

    def write(self, entry: dict[str, Any]) -> None:
        """Append one entry."""
        with self._disk():
            self._file.write((json.dumps(entry) + "\n").encode())

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if isinstance(event, StepEnd):
            if event.clock.step % self.every == 0:
                self.write({"event": "step", "step": event.clock.step, "terms": event.terms})
        elif isinstance(event, EpochEnd):
            rate = event.pairs / event.seconds if event.seconds else None
            self.write(
                {
                    "event": "epoch",
                    "epoch": event.clock.epoch + 1,
                    "step": event.clock.step,
                    "terms": event.terms,
                    "seconds": round(event.seconds, 4),
                    "pairs_per_second": rate and round(rate),
                }
            )
        else:
            self.write({"event": "end", "reason": event.reason, "step": event.clock.step})
        if not isinstance(event, StepEnd):
            with self._disk():
                self._file.flush()
        return None

    def close(self) -> None:
        """Flush and close the file; one without a line goes."""
        with self._disk():
            self._file.close()
            if self.path.exists() and not self.path.stat().st_size:
                self.path.unlink()

    def state(self) -> State:
        with self._disk():
            self._file.flush()
            os.fsync(self._file.fileno())
            return {}, {"bytes": self._file.tell()}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        with self._disk():
            held = self._file.seek(0, os.SEEK_END)  # fewer bytes where somebody removed the log
            self._file.truncate(min(held, values["bytes"]))
            self._file.seek(0, os.SEEK_END)


def read_log(path: Path, event: str) -> list[dict[str, Any]]:
    """Entries of one event in a log, of its last phase: later epochs of an earlier phase are left out."""
    if not path.exists():
        return []
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = [entry for entry in entries if entry.get("event") == event]
    last = max(
        (n for n, entry in enumerate(found) if n == 0 or entry["epoch"] <= found[n - 1]["epoch"]), default=0
    )
    return found[last:]


class Progress:
    """A line of progress on standard error: loss terms, what validation found, pairs per second, time left.

    Redrawn in place on a terminal, one plain line an epoch elsewhere. Comes after `stopping` among callbacks.
    """

    def __init__(self, label: str = "training", stopping: EarlyStopping | None = None) -> None:
        self.stopping = stopping
        self.label, self._shown, self._since = label, 0.0, time.monotonic()
        self._steps, self._pairs = 0, 0
        self._terminal = sys.stderr.isatty()

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if isinstance(event, StepEnd):
            self._steps, self._pairs = self._steps + 1, self._pairs + event.pairs
            now = time.monotonic()
            if self._terminal and now - self._shown > 0.2:
                self._shown = now
                done = event.clock.step + 1
                total = event.clock.epochs * event.clock.steps_per_epoch
                rate = self._pairs / max(now - self._since, 1e-9)
                left = (total - done) * (now - self._since) / self._steps
                self._draw(
                    f"{self.label} {done}/{total} steps  {_terms(event.terms)}{self._validated()}  "
                    f"{_speed(rate)}  at most {left:.0f} s left"
                )
        elif isinstance(event, EpochEnd):
            if not self._terminal:
                rate = event.pairs / max(event.seconds, 1e-9)
                self._draw(
                    f"{self.label} epoch {event.clock.epoch + 1}/{event.clock.epochs}  "
                    f"{_terms(event.terms)}{self._validated()}  {_speed(rate)}\n"
                )
        else:
            self._draw(f"{self.label}: {event.reason}\n")
        return None

    def _validated(self) -> str:
        if self.stopping is None or not self.stopping.history:
            return ""
        metric = self.stopping.metric
        return f"  {metric} {self.stopping.history[-1][metric]:.4f} (best {self.stopping.best:.4f})"

    def _draw(self, text: str) -> None:
        sys.stderr.write(("\r\x1b[2K" if self._terminal else "") + text)
        sys.stderr.flush()


def _terms(terms: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in terms.items())


def _speed(rate: float) -> str:
    return f"{rate / 1e6:.2f} M pairs/s" if rate >= 1e6 else f"{rate / 1e3:.1f} k pairs/s"
