"""Which examples a run trains on, and which it holds back for meta batches."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from tacit.data.interactions import Interactions
from tacit.data.loaders import Loader, PairLoader
from tacit.data.windows import SequenceLoader
from tacit.errors import DataError, OptionError
from tacit.kernels.sampling import derived_key
from tacit.plan import Plan
from tacit.protocols import CandidateObjective

META_SPLIT = 6


def loaders(plan: Plan, data: Interactions, backbone: Any) -> tuple[Loader, Loader | None]:
    """Examples: positives, and explicit noes where the objective has a loss for them; or windows.

    The second loader is that of the meta batches, None where the plan holds nothing back for them. Raises
    `OptionError` for a stride that does not fit the backbone or a share that leaves one side empty, and
    `DataError` where no user has two events.
    """
    if not plan.sequences and plan.stride is not None:
        raise OptionError(
            f"training.stride = {plan.stride} cuts sequences, and this backbone reads pairs: leave it out"
        )
    if plan.sequences:
        return _over_sequences(plan, data, backbone)
    rows = np.flatnonzero(data.yes)
    if isinstance(plan.scheme.objective, CandidateObjective) and data.labels is not None:
        shown = np.zeros(len(data), bool) if data.shown is None else data.shown
        rows = np.flatnonzero(~shown)
    make = partial(PairLoader.of, data, batch_size=plan.batch_size, over_users=plan.over_users)
    if not plan.meta:
        return make(rows, seed=plan.seed), None
    held = _held_out(data.users[rows], plan.meta, derived_key(plan.seed, META_SPLIT))
    _check_sides(held, plan.meta)
    return make(rows[~held], seed=plan.seed), make(rows[held], seed=plan.seed + 1)


def _over_sequences(plan: Plan, data: Interactions, backbone: Any) -> tuple[Loader, Loader | None]:
    """Windows of positives; those of the meta batches are others than those trained on."""
    if plan.stride is not None and backbone.queries != "all":
        raise OptionError(
            f"training.stride = {plan.stride} cuts windows whose every position is asked for, and here each "
            f'target has one of its own (backbone.queries = "{backbone.queries}"): leave training.stride out'
        )
    if plan.stride is not None and plan.stride > backbone.length:
        raise OptionError(
            f"training.stride = {plan.stride} asks for more targets in a window than backbone.length = "
            f"{backbone.length} has places: lower it, or leave training.stride out for windows side by side"
        )
    loader = SequenceLoader.of(
        *(data, backbone.length, backbone.queries, plan.batch_size, plan.seed),
        over_users=plan.over_users,
        stride=plan.stride,
    )
    if not loader.n_examples:
        raise DataError("no user has two events, so there is no sequence to learn from: give a longer log")
    if not plan.meta:
        return loader, None
    held = _held_out(loader.users.numpy(), plan.meta, derived_key(plan.seed, META_SPLIT))
    _check_sides(held, plan.meta)
    return loader.parted(held)


def _check_sides(held: Bool[np.ndarray, "n"], meta: float) -> None:
    if held.all() or not held.any():
        side, mend = ("to train on", "lower") if held.all() else ("for meta batches", "raise")
        raise OptionError(f"training.meta = {meta} leaves no examples {side}: {mend} it")


def _held_out(users: Int32[np.ndarray, "n"], share: float, key: int) -> Bool[np.ndarray, "n"]:
    """True for a share of the rows, random ones, and of each user's rows to within one."""
    chance = np.random.default_rng(key)
    order = np.lexsort((chance.random(len(users)), users))
    steps = np.floor(chance.random() + share * np.arange(len(users) + 1))
    held = np.zeros(len(users), bool)
    held[order] = np.diff(steps) > 0
    return held
