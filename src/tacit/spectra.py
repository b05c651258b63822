"""The spectrum of a run's embeddings: while it trains, and of a finished run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tacit.charts import line_chart
from tacit.errors import OptionError, SchemeError
from tacit.evaluation.spectrum import Spectrum, diagnosis
from tacit.events import EpochEnd, FitEnd, StepEnd, Stop, due
from tacit.protocols import PairScorer
from tacit.run import Run
from tacit.sparse import CSR
from tacit.training.callbacks import read_log

SIDES = ("users", "items", "both")


class SpectrumTrace:
    """A callback: after every `every`-th epoch the diagnosis of the vectors as they are served.

    `entries` holds them; `log`, where given, gets each as it is made. Raises `OptionError` where `every` is
    less than 1.
    """

    def __init__(
        self, positives: CSR, *, every: int = 1, log: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        if every < 1:
            raise OptionError(f"every counts epochs from one diagnosis to the next, at least 1, not {every}")
        self.positives, self.every, self.log = positives, every, log
        self.entries: list[dict[str, Any]] = []

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if not due(event, self.every):
            return None
        epoch = event.clock.epoch + 1
        entry = {"event": "spectrum", "epoch": epoch, **_diagnosed(event.module.backbone, self.positives)}
        self.entries.append(entry)
        if self.log is not None:
            self.log(entry)
        return None


def spectrum(run: Run, *, at: int | None = None) -> dict[str, Any]:
    """The diagnosis of a run's vectors (`evaluation.spectrum`), and `history`: what its training logged.

    With `at` the figures also hold `drop`: the largest singular value over that one, counted from 1; None
    where it is rounding. Raises `SchemeError` for a backbone without vectors, and `OptionError` where there
    are not so many values.
    """
    history = [] if run.folder is None else read_log(run.folder / "log.jsonl", "spectrum")
    found = {**_diagnosed(run.backbone, run.evidence.positives), "history": history}
    if at is not None:
        for forms in found["spectrum"].values():
            for figures in forms.values():
                figures["drop"] = _drop(figures["singular_values"], at)
    return found


def values_chart(found: dict[str, Any]) -> str:
    """Singular values over the largest, by rank, rows at length one; log scale."""
    series = {}
    for side in SIDES:
        values = found["spectrum"][side]["unit"]["singular_values"]
        top = values[0] or 1.0
        series[side] = [(float(rank), value / top) for rank, value in enumerate(values, 1)]
    return line_chart("Spectrum", "rank", "singular value / largest", series, log_y=True)


def ranks_chart(history: list[dict[str, Any]]) -> str:
    """Effective rank over epochs, rows at length one."""
    series = {
        side: [
            (float(entry["epoch"]), float(entry["spectrum"][side]["unit"]["effective_rank"]))
            for entry in history
        ]
        for side in SIDES
    }
    return line_chart("Effective rank while training", "epoch", "effective rank", series)


def _drop(values: list[float], at: int) -> float | None:
    if not 1 <= at <= len(values):
        raise OptionError(f"there are {len(values)} singular values: choose one of them, not number {at}")
    drop = Spectrum(np.array(values)).drop(at)
    return drop if math.isfinite(drop) else None


def _diagnosed(backbone: Any, positives: CSR) -> dict[str, Any]:
    if isinstance(backbone, PairScorer):
        raise SchemeError(
            f"{type(backbone).__name__} scores pairs without vectors, and has no spectrum: train a "
            "backbone with vectors, such as mf or lightgcn"
        )
    if backbone.reads == "sequences":
        raise SchemeError(
            f"{type(backbone).__name__} has vectors of histories, not of users, and the spectrum is of users "
            "and items: train a backbone of pairs, such as mf or lightgcn"
        )
    vectors = backbone.vectors()
    return diagnosis(vectors.users.numpy(), vectors.items.numpy(), positives)
