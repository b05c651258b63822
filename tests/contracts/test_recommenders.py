"""Every recommender of the package, held to its contract."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contracts.recommenders import RecommenderContract
from helpers.tiny import seeded
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MFConfig
from tacit.backbones.mind import MINDConfig
from tacit.backbones.sasrec import SASRecConfig
from tacit.errors import InternalError
from tacit.recommend.foldin import ridge
from tacit.recommend.pairs import PairRecommender
from tacit.recommend.recommender import VectorRecommender
from tacit.recommend.sequences import SequenceRecommender
from tacit.references.ease import EASE
from tacit.references.graphfilter import GraphFilter
from tacit.references.ials import IALS
from tacit.references.itemknn import ItemKNN
from tacit.references.popular import Popular
from tacit.sparse import Sequences


class TestVectors(RecommenderContract):
    def make(self):
        vectors = MFConfig(dim=4, scale=1.0).build(self.data, seeded()).vectors()
        items = vectors.items.numpy()
        return VectorRecommender(vectors.users.numpy(), items, None, ridge(items))


class TestVectorsWithBiases(RecommenderContract):
    def make(self):
        vectors = MFConfig(dim=4, scale=1.0, biases=True).build(self.data, seeded()).vectors()
        items, bias = vectors.items.numpy(), vectors.item_bias.numpy().copy()
        bias[3] = 5.0
        return VectorRecommender(vectors.users.numpy(), items, bias, ridge(items))


class TestLightGCNVectors(RecommenderContract):
    def make(self):
        backbone = LightGCNConfig(dim=4, scale=1.0).build(self.data, seeded())
        vectors = backbone.vectors()
        return VectorRecommender(
            vectors.users.numpy(),
            vectors.items.numpy(),
            None,
            lambda history: backbone.fold_in(history).numpy(),
        )


class Distance:
    """Items are liked that lie near."""

    def __init__(self, data):
        self.users = torch.randn(data.n_users, 3, generator=seeded(1))
        self.items = torch.randn(data.n_items, 3, generator=seeded(2))

    def score(self, users, items):
        return -(self.users[users][:, None] - self.items[items]).square().sum(-1)


class TestPairs(RecommenderContract):
    def make(self):
        return PairRecommender(Distance(self.data), self.data.item_counts)


class TestPopular(RecommenderContract):
    def make(self):
        return Popular().fit(self.data)


class TestItemKNN(RecommenderContract):
    def make(self):
        return ItemKNN().fit(self.data)


class TestEASE(RecommenderContract):
    def make(self):
        return EASE(l2=10.0).fit(self.data)


class TestGraphFilter(RecommenderContract):
    def make(self):
        return GraphFilter(rank=4).fit(self.data)


class TestIALS(RecommenderContract):
    def make(self):
        pytest.importorskip("implicit", reason="iALS comes with the extra `peers`")
        return IALS(factors=4).fit(self.data)


class TestSequenceRecommender(RecommenderContract):
    def make(self):
        backbone = SASRecConfig(dim=4, length=5, scale=1.0).build(self.data, seeded())
        return SequenceRecommender(backbone.eval(), "dot")

    @property
    def known(self):
        order, indptr = self.data.histories()
        events = Sequences(self.data.items[order], indptr[:-1], indptr[1:])
        return replace(super().known, events=events)

    @property
    def strangers(self):
        events = Sequences.of(np.array([0, 0, 1]), np.array([7, 2, 11]), 3)
        return replace(super().strangers, events=events)

    def test_pairs_have_the_scores_of_the_catalogue(self):
        model, items = self.make(), np.arange(self.data.n_users) % self.data.n_items
        scores = model.score(self.known)[np.arange(self.data.n_users), items]
        np.testing.assert_allclose(model.pairs(self.known, items), scores, rtol=1e-5, atol=1e-6)

    def test_without_events_it_says_what_is_missing(self):
        with pytest.raises(InternalError, match="in their order"):
            self.make().score(super().known)


class TestSequenceRecommenderOfInterests(TestSequenceRecommender):
    def make(self):
        backbone = MINDConfig(dim=4, length=5, interests=3, scale=1.0).build(self.data, seeded())
        return SequenceRecommender(backbone.eval(), "cosine")
