"""What the simulator's old recommender showed, and what was clicked. Equations: docs/guide/simulator.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Int8, Int32, Int64

from tacit.data.world import Settings, World

START = 1_700_000_000  # Unix seconds at which every log begins
SECONDS_PER_SLOT = 5
_BLOCK = 1_024  # users drawn from one generator; another number gives other logs

Columns = tuple[
    Int32[np.ndarray, "n"],
    Int32[np.ndarray, "n"],
    Int64[np.ndarray, "n"],
    Int8[np.ndarray, "n"],
    Bool[np.ndarray, "n"],
]


def draw_log(world: World, settings: Settings) -> Columns:
    """Everything shown in a world, by time: users, items, times, slots, clicked, as in `Simulation`."""
    starts = range(0, settings.users, _BLOCK)
    blocks = (np.arange(start, min(start + _BLOCK, settings.users)) for start in starts)
    parts = [_block(world, settings, number, users) for number, users in enumerate(blocks)]
    users, items, times, slots, clicked = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(times, kind="stable")
    return users[order], items[order], times[order], slots[order], clicked[order]


def _block(world: World, s: Settings, number: int, users: Int64[np.ndarray, "B"]) -> Columns:
    """All slots of one block of users: drawn, repeats taken out, clicks decided."""
    chance = np.random.default_rng([world.seed, 1, number])
    sessions = world.sessions[users]
    session_user = np.repeat(users, sessions)
    session_time = _session_times(chance, sessions, s.days)
    in_session = np.repeat(np.arange(len(session_user)), s.slate)
    slot_user = session_user[in_session]
    slot = np.tile(np.arange(s.slate), len(session_user))
    item = _draw_items(world, chance, slot_user)
    rows = np.flatnonzero(chance.random(len(slot)) < (slot + 1.0) ** -s.position)  # examined
    clicked = np.zeros(len(slot), bool)
    rate = np.where(world.liked_pairs(slot_user[rows], item[rows]), s.click, s.noise)
    clicked[rows] = chance.random(len(rows)) < rate
    kept = _kept(slot_user * s.items + item, in_session, clicked)
    times = session_time[in_session] + SECONDS_PER_SLOT * slot
    return (
        slot_user[kept].astype(np.int32),
        item[kept].astype(np.int32),
        times[kept],
        slot[kept].astype(np.int8),
        clicked[kept],
    )


def _session_times(
    chance: np.random.Generator, sessions: Int64[np.ndarray, "B"], days: float
) -> Int64[np.ndarray, "sessions"]:
    """Start of each session, ascending: uniform from the user's arrival, in the first half, to the end."""
    arrival = np.repeat(chance.random(len(sessions)) / 2, sessions)
    moment = arrival + (1 - arrival) * chance.random(len(arrival))
    user = np.repeat(np.arange(len(sessions)), sessions)
    moment = moment[np.lexsort((moment, user))]
    return START + (moment * days * 86_400).astype(np.int64)


def _draw_items(
    world: World, chance: np.random.Generator, users: Int64[np.ndarray, "n"]
) -> Int64[np.ndarray, "n"]:
    """An item for each slot (eq. 3): by reach from the whole catalogue, or from one of the user's tastes."""
    order = np.argsort(world.groups, kind="stable")
    cumulated = np.concatenate([[0.0], np.cumsum(world.reach[order])])
    n_groups = world.tastes.shape[1]
    ends = np.searchsorted(world.groups[order], np.arange(n_groups + 1))
    first, distinct = users[0], np.arange(users[0], users[-1] + 1)
    of_user = np.minimum(np.cumsum(world.tastes[distinct], axis=1), 1) + (distinct - first)[:, None]
    place = users - first
    taste = (
        np.searchsorted(of_user.ravel(), place + chance.random(len(users)), side="right") - place * n_groups
    )
    personal = chance.random(len(users)) < world.personal
    low = np.where(personal, ends[np.clip(taste, 0, n_groups - 1)], 0)
    high = np.where(personal, ends[np.clip(taste, 0, n_groups - 1) + 1], world.n_items)
    point = cumulated[low] + chance.random(len(users)) * (cumulated[high] - cumulated[low])
    drawn: np.ndarray[Any, Any] = np.searchsorted(cumulated, point, side="right") - 1
    chosen: np.ndarray[Any, Any] = order[np.clip(drawn, low, high - 1)]
    return chosen


def _kept(
    pairs: Int64[np.ndarray, "n"], session: Int64[np.ndarray, "n"], clicked: Bool[np.ndarray, "n"]
) -> Int64[np.ndarray, "kept"]:
    """Slots that are really shown: not a pair that the session shows already, nor one clicked before.

    Rows come by user and time; so do the indices that are returned.
    """
    order = np.argsort(pairs, kind="stable")
    pair, within, click = pairs[order], session[order], clicked[order]
    again = np.zeros(len(order), bool)
    again[1:] = (pair[1:] == pair[:-1]) & (within[1:] == within[:-1])
    click &= ~again
    before = np.cumsum(click) - click
    start = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]]))
    before -= np.repeat(before[start], np.diff(np.append(start, len(order))))
    return np.sort(order[~again & (before == 0)])
