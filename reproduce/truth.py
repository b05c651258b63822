"""Are the items that a scheme takes for positives liked in truth, and does believing in them rank better?

    python -m reproduce.truth [CELL ...]

Three worlds in which every pair's truth is known: kuairec-small (all pairs with a watch ratio above 2),
of whose positives three in ten are left to train, drawn at random (`mar`) or by popularity (`popular`),
and the simulator (`simulated`: clicks train, liked pairs without a click are the truth). The hidden truth
is parted by user. Designs are changed on the development half only; the confirmation half is read once
for each candidate named in `CANDIDATES`. Points are chosen on a validation part of train, never on truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reproduce.cells import chosen_cells, dataset
from reproduce.composed import Joined
from reproduce.contest import Contest, known
from reproduce.denoising import NEGATIVES, schemes
from reproduce.pairs import Preset, Setting, Work
from tacit.backbones.mf import MFConfig
from tacit.beliefs import BeliefTrace, judging
from tacit.data.evidence import Evidence
from tacit.data.interactions import Interactions
from tacit.data.split import Split
from tacit.data.synthetic import simulate
from tacit.evaluation.beliefs import SURE
from tacit.events import Callback
from tacit.protocols import Queries
from tacit.references.graphfilter import GraphFilter
from tacit.references.itemknn import ItemKNN
from tacit.references.popular import Popular
from tacit.schemes.dli import DLI, DLIScheme
from tacit.schemes.plain import BCEScheme, SampledSoftmaxScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

STUDY = "truth"
KEPT = 0.3  # share of the positives of kuairec-small that train
VALID = 0.1  # of those, what chooses points and epochs
World = Literal["mar", "popular", "simulated"]
Half = Literal["development", "confirmation"]
WORLDS: tuple[World, ...] = ("mar", "popular", "simulated")
RIVALS = ("bce", "sampled-softmax", "itemknn", "itemknn-cosine", "popular")
# With their rivals on the confirmation half.
CANDIDATES = ("exposed-softmax", "exposed-softmax-dli-own-loss", "exposed-dli-neighbour")


def cells() -> dict[str, Work]:
    """Every scheme on the development half, the candidates on the other."""
    found: dict[str, Work] = {}
    entries = settings()
    for world in WORLDS:
        split = partial(halved, world, "development")
        found |= Truthful(STUDY, f"{world}-development", split, entries, range(3)).cells()
    named = {name: entries[name] for name in (*RIVALS, *CANDIDATES)}
    for world in WORLDS:
        split = partial(halved, world, "confirmation")
        found |= Truthful(
            STUDY,
            f"{world}-confirmation",
            split,
            named,
            range(3),
            points_of=f"{world}-development",
            candidates=CANDIDATES,
            rivals=RIVALS,
        ).cells()
    return found


def settings() -> dict[str, Sequence[Any]]:
    """Four points of each scheme on MF, and the references, which have none.

    `exposed`: candidates drawn by popularity, so from what people are likelier to have seen: where the log is
    silent about those, it says more. What judges itself selects in full after fifteen epochs, and is given
    the patience to come there.
    """
    training = TrainingOptions(epochs=100, batch_size=2048, patience=5)
    patient = replace(training, patience=20)
    pairwise = [(rate, l2) for rate in (0.02, 0.1) for l2 in (0.003, 0.01)]
    found: dict[str, Sequence[Any]] = {
        name: [
            Setting(
                MFConfig(scale=0.01),
                presets(l2)[name],
                OptimizerOptions("row-adagrad", rate),
                patient if name.endswith("own-loss") else training,
            )
            for rate, l2 in pairwise
        ]
        for presets in (schemes, exposed)
        for name in presets(0.0)
    }
    temperatures = (0.1, 0.15, 0.25, 0.4)
    for name in softmaxes(1.0):
        found[name] = [
            Setting(MFConfig(), softmaxes(t)[name], OptimizerOptions("row-adagrad", 0.1), training)
            for t in temperatures
        ]
    return {**found, **references()}


def references() -> dict[str, Sequence[Any]]:
    """Rules without training."""
    return {
        "itemknn": [ItemKNN()],
        "itemknn-cosine": [ItemKNN(user_weight=0.0)],
        "graph-filter": [GraphFilter()],
        "popular": [Popular()],
    }


def exposed(l2: float) -> dict[str, Preset]:
    """Binary cross-entropy on exposed candidates, by itself and with DLI."""
    plain = BCEScheme(negatives=NEGATIVES, draw="popularity", l2=l2)
    return {
        "exposed-bce": plain,
        "exposed-dli-own-loss": Joined(plain, DLI("reverse", "loss")),
        "exposed-dli-neighbour": Joined(plain, DLI("reverse", "neighbour", rate=0.25)),
    }


def softmaxes(temperature: float) -> dict[str, Preset]:
    """Sampled softmax on uniform and on exposed candidates, with DLI and with latent targets."""
    plain = SampledSoftmaxScheme(temperature=temperature, negatives=64, shared=False)
    seen = replace(plain, draw="popularity")
    latent = DLIScheme(
        objective="sampled-softmax",
        similarity="cosine",
        negatives=64,
        temperature=temperature,
        l2=0.0,
        rate=0.0,
        latent=0.3,
    )
    return {
        "sampled-softmax": plain,
        "softmax-dli-neighbour": Joined(plain, DLI("truncate", "neighbour")),
        "softmax-dli-filter": Joined(plain, DLI("truncate", "graph-filter")),
        "softmax-latent": latent,
        "exposed-softmax": seen,
        "exposed-softmax-dli-own-loss": Joined(seen, DLI("truncate", "loss")),
        "exposed-softmax-dli-neighbour": Joined(seen, DLI("truncate", "neighbour")),
    }


@cache
def halved(world: World, half: Half) -> Split:
    """Everybody's log, a tenth of it for validation, and the hidden truth of every other user."""
    log, hidden = simulated() if world == "simulated" else kuairec(by_popularity=world == "popular")
    held = pa.array(np.random.default_rng(1).random(len(log)) < VALID)
    mine = pa.array(hidden["user"].to_numpy() % 2 == (half == "confirmation"))
    train, valid = (Interactions.read(log.filter(part)) for part in (pc.invert(held), held))
    return Split.given(train, valid, Interactions.read(hidden.filter(mine)))


def kuairec(*, by_popularity: bool) -> tuple[pa.Table, pa.Table]:
    """Positives that train, and the others."""
    folder = dataset("kuairec-small")
    parts = [pq.read_table(folder / f"{name}.parquet").select(["user", "item"]) for name in ("valid", "test")]
    pairs = pa.concat_tables(parts)
    chance = np.full(len(pairs), KEPT)
    if by_popularity:
        items = pairs["item"].to_numpy()
        degrees = np.bincount(items)[items]
        chance = np.minimum(0.95, KEPT * degrees / degrees.mean())
    kept = np.random.default_rng(0).random(len(pairs)) < chance
    return pairs.filter(pa.array(kept)), pairs.filter(pa.array(~kept))


def simulated() -> tuple[pa.Table, pa.Table]:
    """The clicks, and what was liked without one."""
    simulation = simulate("small", seed=0)
    users, items = np.nonzero(simulation.truth().false_negatives)
    hidden = pa.table({"user": users.astype(np.int32), "item": items.astype(np.int32)})
    return simulation.to_arrow(), hidden


@dataclass(frozen=True)
class Truthful(Contest):
    """A contest that also asks who was taken for a positive, and whether that is true."""

    def watchers(self, seed: int) -> list[Callback]:
        """The trace of beliefs; the last epoch's is used."""
        split = self.split()
        log = known(split)
        trace = BeliefTrace(Evidence.of(log), log.user_ids, log.item_ids, every=10**6, seed=seed)
        return [Judged(split, trace)]

    def told(self, watching: Sequence[Callback]) -> dict[str, Any]:
        """Precision and recall of what was taken, beside as many by score and by neighbours."""
        return {"taken": next(one.found() for one in watching if isinstance(one, Judged))}


@dataclass
class Judged:
    """A callback: beliefs at the end of training, judged by the hidden truth."""

    split: Split
    trace: BeliefTrace
    refines: bool = False

    def __call__(self, event: Any) -> None:
        module = getattr(event, "module", None)
        if self.trace.tables and event.clock.epoch + 1 < max(self.trace.tables):
            self.trace.tables.clear()
        self.refines = self.refines or bool(module is not None and judging(module.scheme))
        if self.refines:
            self.trace(event)

    def found(self) -> dict[str, Any] | None:
        """Of the asked pairs of users with hidden truth."""
        if not self.trace.tables:
            return None
        assert self.split.test is not None
        table = self.trace.tables[max(self.trace.tables)]
        truth = self.split.test
        mine = truth.user_ids.ids.take(pa.array(np.flatnonzero(truth.positives.degrees() > 0)))
        asked = table.filter(pc.is_in(table["user"], value_set=mine.cast(table["user"].type)))
        users, items = (asked[name] for name in ("user", "item"))
        train = known(self.split)
        liked = _known(truth, users, items)
        rows, columns = train.user_ids.encode(users), train.item_ids.encode(items)
        near = ItemKNN().fit(train)
        distinct, place = np.unique(rows.astype(np.int64), return_inverse=True)
        neighbours = near.score(Queries(distinct))[place, columns]
        taken = asked["belief"].to_numpy() >= SURE
        found: dict[str, Any] = {"asked": len(liked), "base": float(liked.mean()), "taken": int(taken.sum())}
        for name, values in {"highest_scored": asked["score"].to_numpy(), "neighbours": neighbours}.items():
            chosen = np.zeros(len(liked), bool)
            chosen[np.argsort(-values, kind="stable")[: taken.sum()]] = True
            found[name] = _judgement(chosen, liked)
        return {**found, "scheme": _judgement(taken, liked)}


def _known(log: Interactions, users: Any, items: Any) -> np.ndarray:
    """Whether each pair of ids is in the log."""
    rows, columns = log.user_ids.encode(users), log.item_ids.encode(items)
    held = set(zip(log.users.tolist(), log.items.tolist(), strict=True))
    return np.array([pair in held for pair in zip(rows.tolist(), columns.tolist(), strict=True)])


def _judgement(chosen: np.ndarray, liked: np.ndarray) -> dict[str, float | None]:
    return {
        "precision": float(liked[chosen].mean()) if chosen.any() else None,
        "recall": float(chosen[liked].mean()) if liked.any() else None,
    }


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
