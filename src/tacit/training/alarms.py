"""Says aloud when what an epoch notes means that a scheme does not do what it is for."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tacit.events import EpochEnd, FitEnd, StepEnd, Stop

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


STILL, HEAVY = 1e-3, 0.1  # a smaller fall of the loss is none; a regulariser above this share of it is heavy


class Alarms:
    """Warns of a note that is out of bounds, once each, in the end of a selection that never was, and of a
    loss that a regulariser holds where it was.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._selected: float | None = None
        self._first: float | None = None

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if isinstance(event, FitEnd) and self._selected == 0:
            _log.warning(
                "in %d epochs no false negative was selected, so this was the plain loss: lower the warmup, "
                "growth or gate of DLI, raise its rate, or train longer (training.patience, training.epochs)",
                event.clock.epoch,
            )
        if not isinstance(event, EpochEnd):
            return None
        if "selected" in event.terms:
            self._selected = max(self._selected or 0.0, event.terms["selected"])
        self._held(event)
        for alarm in ALARMS:
            value = event.terms.get(alarm.note, 0.0)
            if value > alarm.bound and alarm.note not in self._said:
                self._said.add(alarm.note)
                where = f"epoch {event.clock.epoch + 1}: "
                _log.warning(where + alarm.meaning, 100 * value, event.terms[alarm.beside])
        return None

    def _held(self, event: EpochEnd) -> None:
        """In the second epoch: whether the loss has not moved beside the routing's variance."""
        if "labelled" not in event.terms:
            return
        loss = event.terms["labelled"] + event.terms.get("unlabelled", 0.0)
        held = event.terms.get("routing", 0.0)
        if self._first is None:
            self._first = loss
        elif event.clock.epoch == 1 and held > HEAVY * loss and loss > (1 - STILL) * self._first:
            _log.warning(
                "epoch 2: the loss stays at %.4f, and the regularisation of the routing weighs %.4f beside "
                "it, so nothing is learned: lower its strength (scheme.routing)",
                *(loss, held),
            )
