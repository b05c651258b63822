"""Built-in data with known truth: what was shown, clicked, and liked without ever being shown.

Equations, settings and statistics: docs/guide/simulator.md.
"""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int, Int8, Int32, Int64

from tacit.data.exposure import draw_log
from tacit.data.statistics import LogStatistics, log_statistics
from tacit.data.world import Settings, World, make_world
from tacit.errors import OptionError
from tacit.storage import (
    json_bytes,
    parquet_bytes,
    read_artifact,
    read_json,
    read_tensors,
    tensor_bytes,
    write_artifact,
)

KIND, VERSION = "tacit-simulation", 1
Size = Literal["small", "medium", "large"]
SIZES: dict[Size, Settings] = {
    "small": Settings(users=1_000, items=600, groups=10, sessions=75, like_rate=0.12),
    "medium": Settings(users=10_000, items=4_000, groups=25, sessions=190, like_rate=0.08),
    "large": Settings(users=50_000, items=20_000, groups=60, sessions=150, like_rate=0.06),
}
TRUTH_PAIRS = 2_000_000  # truth.parquet holds at most about as many


@dataclass(frozen=True, eq=False)
class Truth:
    """What is so for B users and all I items. `observed` pairs are clicked; the rest is silence."""

    users: Int64[np.ndarray, "B"]
    preference: Float32[np.ndarray, "B I"]  # chance that the user likes the item
    exposure: Float32[np.ndarray, "B I"]  # chance that it was shown at least once
    liked: Bool[np.ndarray, "B I"]
    shown: Bool[np.ndarray, "B I"]
    clicked: Bool[np.ndarray, "B I"]

    @property
    def false_negatives(self) -> Bool[np.ndarray, "B I"]:
        """Liked, and the log holds no click."""
        found: np.ndarray[Any, Any] = self.liked & ~self.clicked
        return found

    @property
    def never_shown(self) -> Bool[np.ndarray, "B I"]:
        """False negatives that were never shown: no log could know them."""
        found: np.ndarray[Any, Any] = self.liked & ~self.shown
        return found


@dataclass(frozen=True, eq=False)
class Simulation:
    """A log of n slots shown, by time, and the world behind it. Ids are rows, from 0.

    `times` Unix seconds; `slots` place in the slate, from 0; `clicked` False: an impression without action.
    """

    settings: Settings
    seed: int
    world: World
    users: Int32[np.ndarray, "n"]
    items: Int32[np.ndarray, "n"]
    times: Int64[np.ndarray, "n"]
    slots: Int8[np.ndarray, "n"]
    clicked: Bool[np.ndarray, "n"]

    def to_arrow(self) -> pa.Table:
        """The clicks: user, item (int32), timestamp (int64)."""
        return self._rows(self.clicked).drop_columns(["slot"])

    def impressions(self) -> pa.Table:
        """What was shown without a click: user, item (int32), timestamp (int64), slot (int8)."""
        return self._rows(~self.clicked)

    def _rows(self, chosen: Bool[np.ndarray, "n"]) -> pa.Table:
        columns = {"user": self.users, "item": self.items, "timestamp": self.times, "slot": self.slots}
        return pa.table({name: column[chosen] for name, column in columns.items()})

    def truth(self, users: Int[np.ndarray, "B"] | None = None) -> Truth:
        """Truth for these users (rows, ascending or not), all where None: 11 bytes a pair."""
        chosen = np.arange(self.settings.users) if users is None else users
        place = np.full(self.settings.users, -1)
        place[chosen] = np.arange(len(chosen))
        rows = np.flatnonzero(place[self.users] >= 0)
        shown, clicked = np.zeros((2, len(chosen), self.settings.items), bool)
        shown[place[self.users[rows]], self.items[rows]] = True
        rows = rows[self.clicked[rows]]
        clicked[place[self.users[rows]], self.items[rows]] = True
        return Truth(
            chosen.astype(np.int64),
            self.world.preference(chosen).astype(np.float32),
            self.world.exposure(chosen).astype(np.float32),
            self.world.liked(chosen),
            shown,
            clicked,
        )

    def sample(self) -> Int64[np.ndarray, "B"]:
        """Evenly spaced users, as many as `TRUTH_PAIRS` allows; all of a small world."""
        count = max(1, min(self.settings.users, TRUTH_PAIRS // self.settings.items))
        return np.linspace(0, self.settings.users - 1, count).astype(np.int64)

    def statistics(self) -> Statistics:
        """Statistics of clicks and, over `sample()`, of what they leave unsaid."""
        truth = self.truth(self.sample())
        silence = ~truth.clicked
        s = self.settings
        noise = ~self.world.liked_pairs(self.users[self.clicked], self.items[self.clicked])
        return Statistics(
            log_statistics(self.users[self.clicked], self.items[self.clicked], s.users, s.items),
            impressions=int((~self.clicked).sum()),
            click_rate=float(self.clicked.mean()),
            noise_share=float(noise.sum() / max(1, len(noise))),
            shown_share=float(truth.shown.mean()),
            false_negative_share=float(truth.false_negatives.sum() / max(1, silence.sum())),
            never_shown_share=float(truth.never_shown.sum() / max(1, truth.false_negatives.sum())),
        )

    def write(self, folder: Path) -> None:
        """Write a folder, whole or not at all; docs/guide/simulator.md describes its files.

        `StorageError` if the disk refuses.
        """
        facts = {
            "settings": dataclasses.asdict(self.settings),
            "seed": self.seed,
            "statistics": dataclasses.asdict(self.statistics()),
            "truth_users": len(self.sample()),
        }
        files = {
            "interactions.parquet": lambda: parquet_bytes(self.to_arrow()),
            "impressions.parquet": lambda: parquet_bytes(self.impressions()),
            "truth.parquet": lambda: parquet_bytes(_truth_table(self.truth(self.sample()))),
            "world.safetensors": lambda: tensor_bytes(self.world.tensors()),
            "simulation.json": lambda: json_bytes(facts),
        }
        write_artifact(folder, files, KIND, VERSION)


@dataclass(frozen=True)
class Statistics:
    """What a log shows, and shares that only its simulator knows."""

    log: LogStatistics
    impressions: int  # slots shown without a click
    click_rate: float  # clicks per slot shown
    noise_share: float  # of clicks: on items that are not liked
    shown_share: float  # of all pairs: shown at least once
    false_negative_share: float  # of pairs without a click: liked
    never_shown_share: float  # of false negatives: never shown


def simulate(size: Size = "small", *, seed: int = 0, **overrides: float) -> Simulation:
    """Simulate a log with known truth; `overrides` are fields of `Settings`. Same arguments, same log.

    Raises `OptionError` for an unknown size or setting, or a value out of range.
    """
    if size not in SIZES:
        raise OptionError(f"simulate: no size {size!r}; sizes are {', '.join(get_args(Size))}")
    if not 0 <= seed < 2**32:
        raise OptionError(f"simulate: seed = {seed}; give a whole number from 0 to {2**32 - 1}")
    kinds = {field.name: field.type for field in dataclasses.fields(Settings)}
    for name, value in overrides.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1, cutoff=0.0)[0]
            raise OptionError(f"simulate: no setting {name!r}; the nearest is {near!r}")
        if kinds[name] == "int" and not isinstance(value, int):
            raise OptionError(f"simulate: {name} = {value}; give a whole number")
    settings = dataclasses.replace(SIZES[size], **overrides)  # type: ignore[arg-type]
    world = make_world(settings, seed)
    return Simulation(settings, seed, world, *draw_log(world, settings))


def read_world(folder: Path) -> World:
    """The world that `Simulation.write` left in a folder. `ArtifactError` where it is damaged."""
    files = read_artifact(folder, KIND, VERSION)
    facts = read_json(files["simulation.json"])
    return World.from_tensors(
        read_tensors(files["world.safetensors"]), Settings(**facts["settings"]), facts["seed"]
    )


def _truth_table(truth: Truth) -> pa.Table:
    n_items = truth.liked.shape[1]
    columns = ("preference", "exposure", "liked", "shown", "clicked")
    pairs = {
        "user": np.repeat(truth.users.astype(np.int32), n_items),
        "item": np.tile(np.arange(n_items, dtype=np.int32), len(truth.users)),
    }
    return pa.table(pairs | {name: getattr(truth, name).ravel() for name in columns})
