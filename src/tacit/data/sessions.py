"""Sessions: what somebody did without a long pause."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32, Int64

from tacit.errors import OptionError


def session_numbers(
    users: Int32[np.ndarray, "n"], times: Int64[np.ndarray, "n"], gap: float
) -> Int64[np.ndarray, "n"]:
    """The session of each row, counted from 0 by user, then by time.

    A session ends where the same user's next row is more than `gap` seconds later. Raises `OptionError` for a
    `gap` that is not positive.
    """
    if not gap > 0:
        raise OptionError(f"a gap is a positive number of seconds, not {gap}")
    order = np.lexsort((times, users))
    user, time = users[order], times[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (user[1:] != user[:-1]) | (np.diff(time) > gap)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(begins) - 1
    return numbers
