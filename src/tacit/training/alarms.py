"""Says aloud when what an epoch notes means that a scheme does not do what it is for."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tacit.types import EpochEnd, FitEnd, StepEnd, Stop

_log = logging.getLogger("tacit")


@dataclass(frozen=True)
class Alarm:
    """A note, the largest mean of an epoch that is in order, and what a larger one means.

    `meaning` takes that mean in percent and the mean of the note `beside`.
    """

    note: str
    bound: float
    beside: str
    meaning: str


ALARMS = (
    Alarm(
        "p_over_half",
        0.9,
        "p",
        "the scores call %.1f %% of the unlabelled pairs a yes (mean p %.3f), and the inverse dual loss "
        "pushes them further: lower its prior, lengthen its warmup, or use bce",
    ),
    Alarm(
        "stay",
        0.9,
        "meta",
        "the inverse gradient stayed in %.1f %% of its decisions (meta loss %.3f), so unlabelled pairs teach "
        'nothing: use decide = "dot", direction = "sign", a longer eta or a smaller dead_zone',
    ),
    Alarm(
        "rounding",
        0.0,
        "meta",
        "%.1f %% of the probes of the inverse gradient changed the meta loss (%.3f) by rounding only: use "
        'decide = "dot", direction = "sign" or a longer eta',
    ),
)


class Alarms:
    """Warns of a note that is out of bounds, once each."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if not isinstance(event, EpochEnd):
            return None
        for alarm in ALARMS:
            value = event.terms.get(alarm.note, 0.0)
            if value > alarm.bound and alarm.note not in self._said:
                self._said.add(alarm.note)
                where = f"epoch {event.clock.epoch + 1}: "
                _log.warning(where + alarm.meaning, 100 * value, event.terms[alarm.beside])
        return None
