"""When the events of a log happened, in little space: enough to count those after a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

POINTS = 10_000


@dataclass(frozen=True, eq=False)
class Moments:
    """Times (Unix seconds), and how many events each stands for: none of them happened later than its time.

    A log of up to `POINTS` events has a point for each; those of a longer one stand for neighbours in time.
    """

    times: Int64[np.ndarray, "points"]
    events: Int64[np.ndarray, "points"]

    @staticmethod
    def of(times: Int64[np.ndarray, "events"]) -> Moments:
        """Of the times of all events, in any order."""
        ascending = np.sort(times)
        ends = np.linspace(0, len(times), min(len(times), POINTS) + 1).astype(np.int64)
        return Moments(ascending[ends[1:] - 1], np.diff(ends))

    def and_of(self, other: Moments) -> Moments:
        """Of the events of both."""
        times = np.concatenate([self.times, other.times])
        return Moments(times, np.concatenate([self.events, other.events]))

    def after(self, moment: int) -> int:
        """Events later than a moment: of a long log up to one point's worth too many, and 0 only for none."""
        return int(self.events[self.times > moment].sum())
