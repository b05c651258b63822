"""Which impressions of a file of their own go with the train part of a split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from tacit.data.interactions import Interactions
from tacit.data.split import WHOLE


def with_train(
    shown: Interactions, parts: Mapping[str, Interactions], kind: str
) -> tuple[Bool[np.ndarray, "n"], str]:
    """True for the impressions that training may know, and why.

    By time those before the first held-out event, of users held out whole those of the others, else all.
    """
    held = [part for name, part in parts.items() if name != "train" and len(part)]
    if kind == "time":
        begins = min(int(part.times.min()) for part in held if part.times is not None)
        assert shown.times is not None
        return shown.times < begins, "those before the first held-out event"
    if kind in WHOLE:
        people = np.concatenate([part.users for part in held])
        return ~np.isin(shown.users, people), "those of people who are not held out"
    return np.ones(len(shown), bool), f"a split by {kind} leaves impressions in train"
