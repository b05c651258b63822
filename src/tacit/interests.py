"""The interests of a run's histories: while it trains, and of a finished run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import isnan
from typing import Any

import numpy as np
import torch

from tacit.charts import line_chart
from tacit.data.windows import read_at_end
from tacit.errors import OptionError, SchemeError
from tacit.evaluation.interests import diagnosis
from tacit.events import EpochEnd, FitEnd, StepEnd, Stop, due
from tacit.run import Run
from tacit.sparse import Sequences
from tacit.training.callbacks import read_log
from tacit.training.step import evaluating
from tacit.types import History, Similarity

PEOPLE = 1_000
HANGS, ALIKE, ALONE = 0.9, 0.95, 0.95
_log = logging.getLogger("tacit")


class InterestTrace:
    """A callback: after every `every`-th epoch the diagnosis of the interests of a sample of people.

    Their newest event is the target, what was before it the history. `entries` holds the figures; `log`,
    where given, gets each as it is made. Warns once of each kind of collapse. Raises `OptionError` where
    `every` is less than 1, or nobody has two events.
    """

    def __init__(
        self, events: Sequences, *, every: int = 1, log: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        if every < 1:
            raise OptionError(f"every counts epochs from one diagnosis to the next, at least 1, not {every}")
        self.events, self.every, self.log = events, every, log
        self.entries: list[dict[str, Any]] = []
        self._said: set[str] = set()

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if not due(event, self.every):
            return None
        epoch = event.clock.epoch + 1
        step = event.module
        found = _diagnosed(step.backbone, self.events, step.scheme.objective.similarity)
        entry = {"event": "interests", "epoch": epoch, **found}
        self.entries.append(entry)
        if self.log is not None:
            self.log(entry)
        for name, sentence in collapses(found).items():
            if name not in self._said:
                self._said.add(name)
                _log.warning("epoch %d: %s", epoch, sentence)
        return None


def interests(run: Run) -> dict[str, Any]:
    """The diagnosis of a run's interests (`evaluation.interests`), and `history`: what its training logged.

    Raises `SchemeError` for a backbone of one vector.
    """
    if run.evidence.events is None:
        raise SchemeError(_one_vector(run.backbone))
    history = [] if run.folder is None else read_log(run.folder / "log.jsonl", "interests")
    return {**_diagnosed(run.backbone, run.evidence.events, run.similarity), "history": history}


def collapses(found: dict[str, Any]) -> dict[str, str]:
    """Sentences, by kind, on what has collapsed."""
    said = {}
    strongest, cosine, most = found["strongest"] or 0.0, found["cosine"] or 0.0, max(found["served"])
    if strongest > HANGS:
        said["strongest"] = (
            f"an interest is made of one event nearly alone ({100 * strongest:.0f} % of its routing): add "
            'routing regularisation, as the scheme remi has it, or the part "routing-variance"'
        )
    if cosine > ALIKE:
        said["cosine"] = (
            f"the interests of one history are nearly the same (mean cosine {cosine:.2f}): lower the "
            "strength of routing regularisation, or use fewer interests"
        )
    if most > ALONE:
        said["served"] = (
            f"one interest serves {100 * most:.0f} % of the targets: use fewer interests, or a backbone of "
            "one vector"
        )
    return said


def chart(history: list[dict[str, Any]]) -> str:
    """Routing and cosine over epochs."""
    names = {"strongest": "strongest event", "cosine": "cosine of two interests"}
    series = {
        said: [(float(entry["epoch"]), float(entry[name])) for entry in history if entry[name] is not None]
        for name, said in names.items()
    }
    return line_chart("Interests while training", "epoch", "share, cosine", series)


def _diagnosed(backbone: Any, events: Sequences, similarity: Similarity) -> dict[str, Any]:
    if backbone.interests == 1:
        raise SchemeError(_one_vector(backbone))
    history, targets = _probe(events, backbone.length)
    with evaluating(backbone), torch.no_grad():
        found = diagnosis(backbone.encode(history), targets, similarity)
    return {
        name: None if isinstance(value, float) and isnan(value) else value for name, value in found.items()
    }


def _probe(events: Sequences, length: int) -> tuple[History, torch.Tensor]:
    """The newest event of some people with two, and what they did before it."""
    people = np.flatnonzero(events.lengths() > 1)
    if len(people) == 0:
        raise OptionError("nobody has two events, so no interest can be looked at")
    if len(people) > PEOPLE:
        people = np.sort(np.random.default_rng(0).choice(people, PEOPLE, replace=False))
    chosen = events.select(people)
    targets = torch.from_numpy(chosen.items[chosen.stops - 1].astype(np.int64))
    before = Sequences(chosen.items, chosen.starts, chosen.stops - 1).last(length)
    return read_at_end(before), targets


def _one_vector(backbone: Any) -> str:
    return (
        f"{type(backbone).__name__} gives one vector of a person, and interests are several: use comirec-sa, "
        "comirec-dr or mind"
    )
