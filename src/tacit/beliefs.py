"""The audit of false negatives: which unlabelled items a scheme takes for positives, while it trains.

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

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float

from tacit.data.vocabulary import Vocabulary
from tacit.errors import OptionError, SchemeError
from tacit.events import EpochEnd, FitEnd, StepEnd, Stop, due
from tacit.kernels.sampling import derived_key
from tacit.parts.pool import Pool
from tacit.parts.samplers import Popularity, Shown, Uniform
from tacit.protocols import Refiner, Sampler
from tacit.schemes.scheme import Scheme
from tacit.storage import write_parquet
from tacit.training.step import Step, evaluating
from tacit.types import Batch, Candidates, Clock, Scored, TrainingData

PROBE = 7  # purpose of the key of the sample


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
        if not due(event, self.every):
            return None
        epoch = event.clock.epoch + 1
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
    """Refiners that may take an unlabelled item for a positive: those that name "unlabelled" a need."""
    return tuple(part for part in scheme.refiners if "unlabelled" in part.needs)


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
