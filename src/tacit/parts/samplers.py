"""Samplers: which unlabelled items stand beside each target.

Known positives and explicit noes are never proposed as unlabelled; where candidates are shared, or tries find
nothing else (users who know nearly everything), `valid` is False there. `log_q` is the log of the expected
count of a candidate among the M drawn, so that a softmax over them estimates the catalogue's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from tacit.errors import OptionError
from tacit.kernels.sampling import (
    AliasTable,
    draw_from_rows,
    draw_uniform,
    empty_known,
    key_of,
    row_mass,
    unknown_to,
)
from tacit.sparse import CSR
from tacit.types import Batch, Candidates, Need, Slot, TrainingData


def _check_count(name: str, count: int) -> None:
    if count < 1:
        raise OptionError(f"{name} must be at least 1, not {count}")


@dataclass(frozen=True)
class Uniform:
    """`count` items drawn uniformly: per query (Q, count), or one set for the batch where `shared`.

    With `known` a shared set keeps what a user knows, as a mean over the catalogue needs it.
    """

    count: int = 1
    shared: bool = False
    known: bool = False
    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    _log_each: Tensor | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        _check_count("negatives", self.count)
        if self.known and not self.shared:
            raise OptionError("known keeps what a user knows in a shared set: set shared = True with it")

    def bind(self, data: TrainingData) -> Self:
        free = np.maximum(data.n_items - data.known.degrees(), 1)
        return replace(self, _data=data, _log_each=torch.from_numpy(np.log(self.count / free)).float())

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        data = _bound(self._data)
        key = key_of(generator)
        if self.shared:
            others = _draw_shared(key, self.count, data)
            log_q = torch.full((self.count,), float(np.log(self.count / data.n_items)))
            if self.known:
                return Candidates(batch.targets, others, log_q, valid=others != batch.targets[:, None])
            return _shared(batch, others, log_q, data)
        others, valid = draw_uniform(key, batch.users, data.known, self.count)
        return _own(batch, others, self.log_count(batch.users, others), valid)

    def log_count(self, users: Int[Tensor, "Q"], items: Int[Tensor, "Q M"]) -> Float[Tensor, "Q M"]:
        """Log of the expected count of each item among the user's draws."""
        assert self._log_each is not None
        return self._log_each[users][:, None].expand(items.shape)


@dataclass(frozen=True)
class Popularity:
    """`count` items drawn with probability proportional to (number of positives) ** `power`."""

    count: int = 1
    power: float = 0.75
    shared: bool = False
    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    _table: AliasTable | None = field(default=None, repr=False, compare=False)
    _log_p: Tensor | None = field(default=None, repr=False, compare=False)
    _log_free: Tensor | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        _check_count("negatives", self.count)

    def bind(self, data: TrainingData) -> Self:
        weights: Float64[np.ndarray, "N"] = np.maximum(data.item_counts, 1).astype(np.float64) ** self.power
        probability = weights / weights.sum()
        free = np.maximum(1.0 - row_mass(data.known, probability), 1e-12)
        return replace(
            self,
            _data=data,
            _table=AliasTable(weights),
            _log_p=torch.from_numpy(np.log(probability)).float(),
            _log_free=torch.from_numpy(np.log(free)).float(),
        )

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        data = _bound(self._data)
        assert self._table is not None
        assert self._log_p is not None
        key = key_of(generator)
        if self.shared:
            nobody = empty_known(1, data.n_items)
            others = self._table.draw(key, torch.zeros(1, dtype=torch.int64), nobody, self.count)[0][0]
            return _shared(batch, others, self._log_p[others] + float(np.log(self.count)), data)
        others, valid = self._table.draw(key, batch.users, data.known, self.count)
        return _own(batch, others, self.log_count(batch.users, others), valid)

    def log_count(self, users: Int[Tensor, "Q"], items: Int[Tensor, "Q M"]) -> Float[Tensor, "Q M"]:
        """Log of the expected count of each item among the user's draws."""
        assert self._log_p is not None
        assert self._log_free is not None
        return self._log_p[items] - self._log_free[users][:, None] + float(np.log(self.count))


@dataclass(frozen=True)
class InBatch:
    """The targets of the other queries of the batch, drawn by their share of all positives.

    Both sides are corrected: the target is itself a draw from the same distribution.
    """

    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    _log_share: Tensor | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def bind(self, data: TrainingData) -> Self:
        share = np.maximum(data.item_counts, 1) / max(int(data.item_counts.sum()), 1)
        return replace(self, _data=data, _log_share=torch.from_numpy(np.log(share)).float())

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        data = _bound(self._data)
        assert self._log_share is not None
        log_q = self._log_share[batch.targets] + float(np.log(max(len(batch), 1)))
        candidates = _shared(batch, batch.targets, log_q, data)
        return replace(candidates, target_log_q=log_q)


@dataclass(frozen=True)
class Shown:
    """`count` draws from what the user was shown without acting on it (impressions).

    Users without impressions get uniform items where `fall_back`, else invalid candidates. No log q.
    """

    count: int = 1
    fall_back: bool = True
    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        _check_count("negatives", self.count)

    def bind(self, data: TrainingData) -> Self:
        if len(data.impressions.indices) == 0:
            raise OptionError(
                "the sampler of impressions needs impressions, and the log has none: "
                "give a column or file of items shown without action, or sample uniformly"
            )
        return replace(self, _data=data)

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        data = _bound(self._data)
        key = key_of(generator)
        others, found = draw_from_rows(key, batch.users, data.impressions, self.count)
        if self.fall_back:
            fallen, unknown = draw_uniform(key + 1, batch.users, data.known, self.count)
            others = torch.where(found, others, fallen)
            found = torch.ones_like(found) if unknown is None else found | unknown
        valid = None if bool(found.all()) else found
        return _own(batch, others, torch.zeros(others.shape), valid)


@dataclass(frozen=True)
class Explicit:
    """`count` draws from the user's explicit noes, marked as observed. Users without any: invalid."""

    count: int = 1
    _data: TrainingData | None = field(default=None, repr=False, compare=False)
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        _check_count("negatives", self.count)

    def bind(self, data: TrainingData) -> Self:
        if len(data.noes.indices) == 0:
            raise OptionError(
                "the sampler of explicit noes needs some, and the log has none: "
                "give ratings with data.threshold, or labels, or sample uniformly"
            )
        return replace(self, _data=data)

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        data = _bound(self._data)
        others, found = draw_from_rows(key_of(generator), batch.users, data.noes, self.count)
        return _own(batch, others, torch.zeros(others.shape), found, observed=found)


@dataclass(frozen=True)
class Mixed:
    """Candidates of several per-query samplers side by side, under the one q of the mixture.

    Samplers with a `log_count` (Uniform, Popularity) add theirs up; the others keep their own log q.
    """

    samplers: tuple[Uniform | Popularity | Shown | Explicit, ...]
    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        if len(self.samplers) < 2:
            raise OptionError("a mixture needs at least two samplers")
        if any(getattr(sampler, "shared", False) for sampler in self.samplers):
            raise OptionError("a mixture draws per query: set shared = false on its samplers")

    def bind(self, data: TrainingData) -> Self:
        return replace(self, samplers=tuple(sampler.bind(data) for sampler in self.samplers))

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        drawn = [sampler(batch, generator) for sampler in self.samplers]
        known = [s for s in self.samplers if isinstance(s, Uniform | Popularity)]
        log_q = []
        for sampler, candidates in zip(self.samplers, drawn, strict=True):
            if isinstance(sampler, Uniform | Popularity):
                parts = [s.log_count(batch.users, candidates.others) for s in known]
                log_q.append(torch.stack(parts).logsumexp(0))
            else:
                log_q.append(candidates.log_q)
        masks = {
            name: [
                torch.full(c.others.shape, default) if getattr(c, name) is None else getattr(c, name)
                for c in drawn
            ]
            for name, default in (("valid", True), ("observed", False))
        }
        return Candidates(
            batch.targets,
            torch.cat([c.others for c in drawn], 1),
            torch.cat(log_q, 1),
            valid=torch.cat(masks["valid"], 1),
            observed=torch.cat(masks["observed"], 1),
        )


@dataclass(frozen=True)
class Nothing:
    """No candidates beside the target: for catalogue and positive-only objectives."""

    slot: ClassVar[Slot] = "sampler"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def bind(self, data: TrainingData) -> Self:
        return self

    def __call__(self, batch: Batch, generator: torch.Generator) -> Candidates:
        shape = (len(batch), 0)
        return Candidates(batch.targets, torch.zeros(shape, dtype=torch.int64), torch.zeros(shape))


def _bound(data: TrainingData | None) -> TrainingData:
    if data is None:
        raise OptionError("this sampler has seen no data yet: call bind(data) first")
    return data


def _draw_shared(key: int, count: int, data: TrainingData) -> Int[Tensor, "M"]:
    nobody: CSR = empty_known(1, data.n_items)
    return draw_uniform(key, torch.zeros(1, dtype=torch.int64), nobody, count)[0][0]


def _shared(batch: Batch, others: Tensor, log_q: Tensor, data: TrainingData) -> Candidates:
    valid = unknown_to(batch.users, batch.targets, others, data.known)
    return Candidates(batch.targets, others, log_q, valid=valid)


def _own(
    batch: Batch, others: Tensor, log_q: Tensor, valid: Tensor | None, observed: Tensor | None = None
) -> Candidates:
    """Candidates per query. What is not valid holds the row's target: no stranger is regularised for it."""
    if valid is not None:
        others = torch.where(valid, others, batch.targets[:, None])
    return Candidates(batch.targets, others, log_q, valid=valid, observed=observed)
