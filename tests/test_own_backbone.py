"""A backbone of one's own, with vectors or scoring pairs, goes all the way or is refused before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import tacit
from helpers.logs import random_log
from tacit.errors import OptionError, SchemeError
from tacit.kernels.rows import Rows
from tacit.protocols import Backbone, PairScorer, Vectors
from tacit.scoring import TableItems
from tacit.types import Encoded

SHORT = tacit.TrainingOptions(epochs=2, batch_size=256)


class Bare(torch.nn.Module):
    """Two tables, and no way to serve them."""

    reads, interests = "pairs", 1

    def __init__(self, n_users: int, n_items: int, dim: int = 4) -> None:
        super().__init__()
        self.n_users, self.n_items, self.dim = n_users, n_items, dim
        chance = torch.Generator().manual_seed(0)
        self.users = torch.nn.Parameter(torch.randn(n_users, dim, generator=chance) * 0.1)
        self.items = torch.nn.Parameter(torch.randn(n_items, dim, generator=chance) * 0.1)

    def forward(self, batch):
        return Encoded(Rows(self.users, batch.users), TableItems(self.items))


class Dots(Bare):
    """The smallest backbone with vectors."""

    def vectors(self):
        return Vectors(self.users.detach().clone(), self.items.detach().clone())


class Distance(Bare):
    """The smallest scorer of pairs: items are liked that lie near."""

    def __init__(self, n_users: int, n_items: int, dim: int = 4) -> None:
        super().__init__(n_users, n_items, dim)
        self.dropout = torch.nn.Dropout(0.5)
        del self.dim

    def forward(self, batch):
        assert self.training
        return super().forward(batch)

    def score(self, users, items):
        assert self.training == torch.is_grad_enabled()
        return -(self.dropout(self.users[users][:, None] - self.items[items])).square().sum(-1)


@dataclass(frozen=True)
class DistanceConfig:
    """Options of `Distance`."""

    dim: int = 4

    def build(self, data, generator):
        return Distance(data.n_users, data.n_items, self.dim)


def log() -> tacit.Interactions:
    return tacit.Interactions.read(random_log())


def fit(backbone: Any, **options: Any) -> tacit.Run:
    return tacit.fit(log(), backbone=backbone, scheme=tacit.bpr(l2=0.0), training=SHORT, **options)


def size() -> tuple[int, int]:
    return log().n_users, log().n_items


def test_what_the_protocol_accepts_can_be_trained_and_served():
    backbone = Dots(*size())
    assert isinstance(backbone, Backbone)
    assert fit(backbone).recommend([0], k=3).items[0]


@pytest.mark.parametrize(
    ("kind", "lacks"),
    [(Bare, "vectors"), (torch.nn.Identity, "n_users, n_items"), (torch.nn.Module, "forward")],
)
def test_what_is_no_backbone_is_refused_before_training(kind, lacks):
    backbone = kind(*size()) if kind is Bare else kind()
    steps: list[object] = []
    assert not isinstance(backbone, Backbone)
    with pytest.raises(SchemeError, match=f"{kind.__name__} is no backbone: it lacks .*{lacks}"):
        fit(backbone, callbacks=[steps.append])
    assert not steps


def test_what_reads_sequences_without_saying_how_is_refused_before_training():
    class Reader(torch.nn.Module):
        n_users, n_items, dim, interests, reads = 1, 1, 4, 1, "sequences"

        def forward(self, batch):
            return batch

        def vectors(self):
            return self

    with pytest.raises(SchemeError, match="it lacks length, queries, encode"):
        fit(Reader())


def test_a_backbone_of_another_size_is_refused():
    users, items = size()
    with pytest.raises(SchemeError, match=f"Dots has 10 users and {items} items, and the log has {users}"):
        fit(Dots(10, items))


def test_a_scorer_of_pairs_goes_all_the_way(tmp_path):
    assert isinstance(Distance(2, 2), PairScorer)
    run = fit(DistanceConfig(), out=tmp_path / "run")
    judged = tacit.evaluate(run, random_log(200, seed=5), ks=(5,), references=False)
    assert judged.report.users > 0
    best = run.recommend([0, 7], k=4)
    assert best.scores[1] == pytest.approx(run.score([7] * 4, best.items[1]))
    again = tacit.load(tmp_path / "run", backbone=DistanceConfig())
    assert again.recommend([0, 7], k=4).items == best.items


def test_people_whom_a_scorer_of_pairs_does_not_know_get_what_is_popular():
    run = fit(DistanceConfig())
    answer = run.recommend(history=[3], k=3)
    counts = run.evidence.item_counts.copy()
    counts[run.item_ids.row(3)] = -1
    assert run.item_ids.row(answer.items[0][0]) == np.argmax(counts)
    assert answer.notes == ("1 answered by popularity: the backbone cannot be asked by a history",)


def test_a_scorer_of_pairs_has_no_similar_items():
    with pytest.raises(OptionError, match="Distance scores pairs and has no item vectors"):
        fit(DistanceConfig()).similar_items(3)
