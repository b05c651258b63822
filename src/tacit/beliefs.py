"""The audit of false negatives: which unlabelled items a scheme takes for positives, and whether it is right.

A fixed sample of people, each with a positive and some unlabelled items, goes through those refiners of the
scheme that judge unlabelled items, as a batch of training would. Items are drawn uniformly, or from the
scheme's pools, impressions or by popularity where it draws its own so (and not in a mixture). The belief in a
candidate is how far the refiners left the no: the larger of its label and of the share of its weight that was
taken.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float, Int32

from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError, OptionError, SchemeError
from tacit.kernels.sampling import derived_key
from tacit.parts.miners import HardestK
from tacit.parts.pool import Pool
from tacit.parts.samplers import Popularity, Shown, Uniform
from tacit.schemes.rivals.adt import ReweightedLoss, TruncatedLoss
from tacit.schemes.scheme import Scheme
from tacit.storage import write_parquet
from tacit.training.step import Step, evaluating
from tacit.types import (
    Batch,
    Candidates,
    Clock,
    EpochEnd,
    FitEnd,
    Refiner,
    Sampler,
    Scored,
    StepEnd,
    Stop,
    TrainingData,
)

PROBE = 7  # purpose of the key of the sample
SURE = 0.5  # belief from which an item counts as taken for a positive
BINS = 10
ASIDE = (HardestK, TruncatedLoss, ReweightedLoss)  # refiners that mine, or that doubt observed pairs
QUANTILES = (0.1, 0.5, 0.9)


class BeliefTrace:
    """A callback: after every `every`-th epoch one Parquet file of beliefs, in ids of the log.

    `people` users at most, `candidates` unlabelled items each. Files are called epoch-00001.parquet and so
    on, with the columns epoch, user, item, belief, score, popularity (users that have the item in training);
    in `tables` they stay at hand. Raises `OptionError` where `every`, `people` or `candidates` is less than
    1, and `SchemeError` for a scheme of which no refiner judges unlabelled items (`check`; `fit` asks before
    it trains).
    """

    def __init__(
        self,
        data: TrainingData,
        user_ids: Vocabulary,
        item_ids: Vocabulary,
        *,
        folder: Path | None = None,
        every: int = 1,
        people: int = 1_000,
        candidates: int = 16,
        seed: int = 0,
    ) -> None:
        for name, value in {"every": every, "people": people, "candidates": candidates}.items():
            if value < 1:
                raise OptionError(f"{name} of the audit must be at least 1, not {value}")
        self.user_ids, self.item_ids, self.folder, self.every = user_ids, item_ids, folder, every
        self.data, self.count, self.seed = data, candidates, seed
        self.batch = _probe(data, people, seed)
        self.popularity = np.bincount(data.positives.indices, minlength=len(item_ids)).astype(np.int32)
        self.candidates: Candidates | None = None
        self.tables: dict[int, pa.Table] = {}

    def __call__(self, event: StepEnd | EpochEnd | FitEnd) -> Stop | None:
        if not isinstance(event, EpochEnd):
            return None
        epoch = event.clock.epoch + 1
        if epoch % self.every and epoch < event.clock.epochs:
            return None
        self.tables[epoch] = self._table(event.module, event.clock, epoch)
        if self.folder is not None:
            for file in self.folder.glob("epoch-*.parquet"):  # of an earlier phase
                if int(file.stem.partition("-")[2]) > epoch:
                    file.unlink()
            write_parquet(self.folder / f"epoch-{epoch:05d}.parquet", self.tables[epoch])
        return None

    def check(self, scheme: Scheme) -> None:
        """Raise `SchemeError` where no refiner of the scheme judges unlabelled items."""
        if not judging(scheme):
            raise SchemeError(
                "there is nothing to audit: the scheme has no refiner that judges unlabelled items and takes "
                "every silence for a no; leave the audit out, or use dli or idl"
            )

    def _table(self, step: Step, clock: Clock, epoch: int) -> pa.Table:
        self.check(step.scheme)
        if self.candidates is None:
            sampler = _widened(step.scheme.plain_sampler, self.count).bind(self.data)
            generator = torch.Generator().manual_seed(derived_key(self.seed, PROBE, 1))
            self.candidates = sampler(self.batch, generator)
        with evaluating(step), torch.no_grad():
            _, _, before = step.scored(self.batch, self.candidates)
            after = _refined(before, step.scheme, clock)
        asked = (~after.observed & (before.log_weights > -torch.inf))[:, 1:].numpy()
        rows, columns = _first_of_each(after.items[:, 1:].numpy(), asked)
        items = after.items[:, 1:].numpy()[rows, columns]
        return pa.table(
            {
                "epoch": pa.array(np.full(len(rows), epoch, np.int32)),
                "user": self.user_ids.ids.take(pa.array(after.users.numpy()[rows])),
                "item": self.item_ids.ids.take(pa.array(items)),
                "belief": pa.array(belief(after)[:, 1:].numpy()[rows, columns].astype(np.float32)),
                "score": pa.array(after.scores[:, 1:].numpy()[rows, columns].astype(np.float32)),
                "popularity": pa.array(self.popularity[items]),
            }
        )


def judging(scheme: Scheme) -> tuple[Refiner, ...]:
    """Refiners that may take an unlabelled item for a positive.

    Of Tacit's all but the miner and those of ADT; of one's own all but those with `judges = False`.
    """
    return tuple(part for part in scheme.refiners if getattr(part, "judges", not isinstance(part, ASIDE)))


def _refined(scored: Scored, scheme: Scheme, clock: Clock) -> Scored:
    """Refined by copies, so that no memory grows; by none that drops columns."""
    for refine in judging(scheme):
        found = copy.deepcopy(refine)(scored, scheme.objective, clock)
        if found.scores.shape == scored.scores.shape:
            scored = found
    return scored


def belief(scored: Scored) -> Float[torch.Tensor, "Q C"]:
    """How far refiners left the no of each cell, in [0, 1]."""
    return torch.maximum(scored.labels, 1 - scored.log_weights.exp().clamp(max=1))


def _first_of_each(items: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the asked cells, an item that a row drew twice told once."""
    rows, columns = np.nonzero(asked)
    _, first = np.unique(np.stack([rows, items[rows, columns]], 1), axis=0, return_index=True)
    first.sort()
    return rows[first], columns[first]


def _widened(sampler: Sampler, count: int) -> Sampler:
    """So many candidates for each person, drawn as the scheme draws its own where one way is known."""
    if isinstance(sampler, Popularity):
        return replace(sampler, count=count, shared=False)
    return replace(sampler, count=count) if isinstance(sampler, Pool | Shown) else Uniform(count)


def _probe(data: TrainingData, people: int, seed: int) -> Batch:
    """A positive of each of `people` people."""
    chance = np.random.default_rng(derived_key(seed, PROBE))
    active = np.flatnonzero(data.positives.degrees() > 0)
    users = np.sort(chance.choice(active, min(people, len(active)), replace=False))
    indptr = data.positives.indptr
    places = indptr[users] + (chance.random(len(users)) * data.positives.degrees()[users]).astype(np.int64)
    ones = torch.ones(len(users))
    return Batch(
        rows=torch.arange(len(users)),
        users=torch.from_numpy(users.astype(np.int64)),
        targets=torch.from_numpy(data.positives.indices[places].astype(np.int64)),
        labels=ones,
        weights=ones,
    )


def read_beliefs(folder: Path) -> pa.Table:
    """All files of a trace, epoch by epoch. Raises `DataError` where there is none."""
    files = sorted(folder.glob("epoch-*.parquet"))
    if not files:
        raise DataError(f"{folder}: no beliefs were traced; train with --set training.audit=1")
    return pa.concat_tables([pq.read_table(file) for file in files])


def truth_table(path: Path) -> pa.Table:
    """A Parquet file of user, item and liked (true or false, or 1 or 0), each pair once.

    Raises `DataError` where it cannot be read, or lacks one of them.
    """
    try:
        table = pq.read_table(path, columns=["user", "item", "liked"])
        liked = table["liked"].cast(pa.bool_())
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet with the columns user, item and liked, such as "
            f"truth.parquet of tacit data simulate ({error})"
        ) from error
    pairs = table.set_column(2, "liked", liked).group_by(["user", "item"])
    return pairs.aggregate([("liked", "max")]).rename_columns(["user", "item", "liked"])


def summary(beliefs: pa.Table, truth: pa.Table | None = None) -> list[dict[str, Any]]:
    """For each epoch: candidates asked, the share taken for positives, the mean belief and its `quantiles`.

    `changed` is the share of pairs that were taken or left otherwise in the epoch before, None for the first;
    `by_popularity` tells pairs, mean popularity and the share taken in tenths of the pairs by popularity.
    With `truth` (columns user, item, liked) also, of the pairs that it knows, `base` (the share liked),
    `precision` and `recall` of what was taken, `brier` (mean squared error of the belief), and `calibration`:
    mean belief, share liked and number of pairs in ten bins of belief.
    """
    if truth is not None:
        for name in ("user", "item"):
            truth = truth.set_column(truth.column_names.index(name), name, _alike(truth, beliefs, name))
        beliefs = beliefs.join(truth, ["user", "item"], join_type="left outer")
    epochs = beliefs["epoch"].to_numpy()
    values, popularity = beliefs["belief"].to_numpy(), beliefs["popularity"].to_numpy()
    liked = known = np.zeros(0, bool)
    if truth is not None:
        known = np.asarray(beliefs["liked"].is_valid())
        liked = np.asarray(beliefs["liked"].fill_null(False))
    found: list[dict[str, Any]] = []
    before: pa.Table | None = None
    for epoch in np.unique(epochs):
        here = epochs == epoch
        taken = beliefs.filter(pa.array(here)).select(["user", "item"])
        taken = taken.append_column("taken", pa.array(values[here] >= SURE))
        entry: dict[str, Any] = {
            "epoch": int(epoch),
            "asked": int(here.sum()),
            "taken": float((values[here] >= SURE).mean()),
            "mean_belief": float(values[here].mean()),
            "quantiles": {str(q): float(np.quantile(values[here], q)) for q in QUANTILES},
            "changed": None if before is None else _changed(before, taken),
            "by_popularity": _by_popularity(popularity[here], values[here]),
        }
        before = taken
        if truth is not None:
            entry |= _judged(values[here & known], liked[here & known])
        found.append(entry)
    return found


def _alike(truth: pa.Table, beliefs: pa.Table, name: str) -> pa.ChunkedArray:
    """Ids of the truth, written as those of the beliefs."""
    wanted = beliefs.schema.field(name).type
    try:
        return truth[name].cast(wanted)
    except pa.ArrowException as error:
        raise DataError(
            f"column {name} of the truth is {truth.schema.field(name).type}, and the run's ids are {wanted}: "
            "write both in the same way"
        ) from error


def _judged(values: Float[np.ndarray, "n"], liked: Bool[np.ndarray, "n"]) -> dict[str, Any]:
    taken = values >= SURE
    bins = np.minimum((values * BINS).astype(int), BINS - 1)
    return {
        "known": len(values),
        "base": _share(liked),
        "precision": _share(liked[taken]),
        "recall": _share(taken[liked]),
        "brier": float(((values - liked) ** 2).mean()) if len(values) else None,
        "calibration": [
            {
                "belief": float(values[bins == place].mean()),
                "liked": float(liked[bins == place].mean()),
                "pairs": int((bins == place).sum()),
            }
            for place in np.unique(bins)
        ],
    }


def _changed(before: pa.Table, now: pa.Table) -> float | None:
    """Share of the pairs in both that are taken in one and left in the other."""
    both = now.join(before, ["user", "item"], join_type="inner", right_suffix="_before")
    return _share(both["taken"].to_numpy() != both["taken_before"].to_numpy())


def _by_popularity(
    popularity: Int32[np.ndarray, "n"], values: Float[np.ndarray, "n"]
) -> list[dict[str, Any]]:
    order = np.argsort(popularity, kind="stable")
    return [
        {
            "popularity": float(popularity[part].mean()),
            "taken": float((values[part] >= SURE).mean()),
            "pairs": len(part),
        }
        for part in np.array_split(order, BINS)
        if len(part)
    ]


def _share(flags: Bool[np.ndarray, "n"]) -> float | None:
    return float(flags.mean()) if len(flags) else None
