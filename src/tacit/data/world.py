"""The simulator's world: who likes what, who is shown what. Equations: docs/guide/simulator.md."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64
from torch import Tensor

from tacit.errors import OptionError

_LIKED_SALT = np.uint64(0x5851F42D4C957F2D)


@dataclass(frozen=True)
class Settings:
    """What a simulated world is like. Raises `OptionError` for a value out of range.

    `users`, `items`: their numbers. `groups`: tastes. `dim`: dimensions of the latent vectors.
    `sessions`: mean number per user. `slate`: items shown in a session. `days`: length of the log.
    `like_rate`: mean preference over all pairs. `sharpness`: weight of the inner product in the preference.
    `spread`: distance of a user or item from its taste. `quality`: standard deviation of an item's appeal.
    `popularity`: exponent of the old recommender's popularity bias. `personal`: share of its slots filled
    from the user's tastes. `position`: exponent of the examination of slots. `click`: chance of a click on
    a liked item that is examined. `noise`: the same for an item that is not liked.
    """

    users: int
    items: int
    groups: int
    sessions: float
    like_rate: float
    dim: int = 12
    slate: int = 10
    days: float = 90.0
    sharpness: float = 8.0
    spread: float = 0.6
    quality: float = 1.0
    popularity: float = 0.75
    personal: float = 0.5
    position: float = 0.5
    click: float = 0.9
    noise: float = 0.02

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _RANGES.get(field.name, (0, 100))
            if not low <= value <= high:
                raise OptionError(f"simulate: {field.name} = {value}; give a value from {low} to {high}")
        if not self.groups <= self.items or not self.slate <= self.items:
            raise OptionError(
                "simulate: more groups or slots in a slate than items; give fewer, or more items"
            )


_COUNT = (1, 2**31 - 1)
_RANGES: dict[str, tuple[float, float]] = {
    "users": _COUNT,
    "items": _COUNT,
    "groups": _COUNT,
    "dim": _COUNT,
    "slate": (1, 127),
    "sessions": (1, 1e6),
    "days": (1, 36_500),
    "like_rate": (0.001, 0.9),
    "personal": (0, 1),
    "click": (0, 1),
    "noise": (0, 1),
}


@dataclass(frozen=True, eq=False)
class World:
    """Latent facts, U users, I items, G tastes, d dimensions; every truth is a function of them."""

    user_vectors: Float64[np.ndarray, "U d"]  # unit length
    item_vectors: Float64[np.ndarray, "I d"]  # unit length
    appeal: Float64[np.ndarray, "I"]  # sharpness-free part of the preference, less the common offset
    tastes: Float64[np.ndarray, "U G"]  # rows sum to 1
    groups: Int32[np.ndarray, "I"]  # taste of each item
    reach: Float64[np.ndarray, "I"]  # popularity in the old recommender; sums to 1
    sessions: Int64[np.ndarray, "U"]
    sharpness: float
    personal: float
    slate: int
    seed: int

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays by name, as they are saved."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], settings: Settings, seed: int) -> World:
        """The world whose `tensors` these are."""
        arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in tensors.items()}
        return cls(
            **arrays,
            sharpness=settings.sharpness,
            personal=settings.personal,
            slate=settings.slate,
            seed=seed,
        )

    @property
    def n_users(self) -> int:
        return len(self.user_vectors)

    @property
    def n_items(self) -> int:
        return len(self.item_vectors)

    def preference(self, users: Int[np.ndarray, "B"]) -> Float64[np.ndarray, "B I"]:
        """Chance that each of these users likes each item (eq. 1)."""
        return _sigmoid(self.sharpness * (self.user_vectors[users] @ self.item_vectors.T) + self.appeal)

    def exposure(self, users: Int[np.ndarray, "B"]) -> Float64[np.ndarray, "B I"]:
        """Chance that each of these users is shown each item at least once (eq. 4)."""
        of_taste = np.bincount(self.groups, self.reach, minlength=self.tastes.shape[1])
        within = self.tastes[users][:, self.groups] / of_taste[self.groups]
        slot = ((1 - self.personal) + self.personal * within) * self.reach
        with np.errstate(divide="ignore"):
            log_missed = (self.sessions[users] * self.slate)[:, None] * np.log1p(-np.minimum(slot, 1))
        chance: np.ndarray[Any, Any] = -np.expm1(log_missed)
        return chance

    def liked(self, users: Int[np.ndarray, "B"]) -> Bool[np.ndarray, "B I"]:
        """Whether each of these users likes each item: fixed for a pair (eq. 2)."""
        pairs = users.astype(np.int64)[:, None] * self.n_items + np.arange(self.n_items)
        return self._chance(pairs) < self.preference(users)

    def liked_pairs(self, users: Int[np.ndarray, "n"], items: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        """The same for n single pairs."""
        match = np.einsum("nd,nd->n", self.user_vectors[users], self.item_vectors[items])
        chance = self._chance(users.astype(np.int64) * self.n_items + items)
        return chance < _sigmoid(self.sharpness * match + self.appeal[items])

    def _chance(self, pairs: Int64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        """Uniform numbers in [0, 1), a pure function of seed and pair (SplitMix64, Steele et al. 2014)."""
        z = pairs.astype(np.uint64) + np.uint64(self.seed * int(_LIKED_SALT) % 2**64)
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def make_world(settings: Settings, seed: int) -> World:
    """Draw a world. The same settings and seed give the same world."""
    chance = np.random.default_rng([seed, 0])
    s = settings
    centres = _unit(chance.standard_normal((s.groups, s.dim)))
    groups = chance.permutation(np.arange(s.items) % s.groups).astype(np.int32)
    tastes = chance.dirichlet(np.full(s.groups, 1.5 / s.groups), s.users)
    user_vectors = _unit(_unit(tastes @ centres) + s.spread * _noise(chance, s.users, s.dim))
    item_vectors = _unit(centres[groups] + s.spread * _noise(chance, s.items, s.dim))
    appeal = s.quality * chance.standard_normal(s.items)
    order = np.argsort(-appeal - s.quality * chance.standard_normal(s.items))
    reach = np.empty(s.items)
    reach[order] = np.arange(1, s.items + 1) ** -s.popularity
    sessions = np.maximum(1, np.rint(s.sessions * chance.lognormal(-0.32, 0.8, s.users))).astype(np.int64)
    some_users, some_items = chance.integers(s.users, size=20_000), chance.integers(s.items, size=20_000)
    match = np.einsum("nd,nd->n", user_vectors[some_users], item_vectors[some_items])
    offset = _offset(s.sharpness * match + appeal[some_items], s.like_rate)
    return World(
        user_vectors,
        item_vectors,
        appeal - offset,
        tastes,
        groups,
        reach / reach.sum(),
        sessions,
        s.sharpness,
        s.personal,
        s.slate,
        seed,
    )


def _offset(logits: Float64[np.ndarray, "n"], rate: float) -> float:
    """The c for which sigmoid(logits - c) has the wanted mean, by bisection."""
    low, high = float(logits.min()) - 20.0, float(logits.max()) + 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(logits - middle).mean() > rate else (low, middle)
    return (low + high) / 2


def _unit(vectors: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    unit: np.ndarray[Any, Any] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _noise(chance: np.random.Generator, n: int, dim: int) -> Float64[np.ndarray, "n dim"]:
    noise: np.ndarray[Any, Any] = chance.standard_normal((n, dim)) / np.sqrt(dim)
    return noise


def _sigmoid(logits: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    result: np.ndarray[Any, Any] = 1 / (1 + np.exp(-logits))
    return result
