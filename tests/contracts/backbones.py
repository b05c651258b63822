"""What every backbone of pairs promises."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch

from contracts.learners import LearnerContract
from helpers.tiny import batch_from, batch_of, seeded
from helpers.training import Run
from tacit.kernels.rows import Rows
from tacit.parts.objectives import BPR
from tacit.parts.samplers import Uniform
from tacit.protocols import Backbone, Queries
from tacit.recommend.serving import recommender_of
from tacit.schemes.plain import bpr
from tacit.scoring import score
from tacit.sparse import CSR
from tacit.types import Items


class BackboneContract(LearnerContract):
    """A backbone built by `config`; `folds` where it gives vectors for people known by history only."""

    folds: ClassVar[bool] = False

    def answer(self, learner):
        return self.scores(learner).scores

    @property
    def batch(self):
        return batch_from(self.data, 20)

    def scores(self, backbone, batch=None, similarity="dot"):
        batch = batch or self.batch
        candidates = Uniform(4).bind(self.data)(batch, seeded())
        return score(backbone(batch), candidates, batch, BPR(similarity=similarity))

    def test_keeps_its_protocol(self):
        assert isinstance(self.build(), Backbone)

    def test_knows_its_sizes(self):
        backbone = self.build()
        assert (backbone.n_users, backbone.n_items) == (self.data.n_users, self.data.n_items)
        assert backbone.dim == self.config.dim

    def test_encodes_one_query_per_example(self):
        encoded = self.build()(self.batch)
        queries = encoded.queries.take()[:, None] if isinstance(encoded.queries, Rows) else encoded.queries
        assert queries.shape == (20, self.build().interests, self.config.dim)

    def test_shows_its_items(self):
        encoded = self.randomised()(self.batch)
        assert isinstance(encoded.items, Items)
        assert encoded.items.table().shape == (self.data.n_items, self.config.dim)
        ids = torch.tensor([[2, 0], [5, 5]])
        torch.testing.assert_close(encoded.items.rows(ids), encoded.items.table()[ids])

    def test_the_order_of_a_batch_does_not_matter(self):
        backbone, order = self.randomised(), torch.arange(19, -1, -1)
        users, targets = self.batch.users.tolist(), self.batch.targets.tolist()
        turned = batch_of(users[::-1], targets[::-1])
        first, second = self.scores(backbone), self.scores(backbone, turned)
        torch.testing.assert_close(second.scores[:, 0], first.scores[order, 0])

    def test_vectors_have_one_row_per_user_and_item(self):
        vectors = self.randomised().vectors()
        assert len(vectors.users) == self.data.n_users
        assert len(vectors.items) == self.data.n_items
        assert vectors.users.dtype == vectors.items.dtype == torch.float32

    @pytest.mark.parametrize("similarity", ["dot", "cosine"])
    def test_what_is_served_ranks_as_training_scores(self, similarity):
        backbone = self.randomised()
        scored = self.scores(backbone, similarity=similarity)
        served = recommender_of(backbone, similarity, np.zeros(self.data.n_items, np.int64))
        found = served.score(Queries(self.batch.users.numpy()))
        difference = scored.scores.detach() - torch.from_numpy(found).gather(1, scored.items)
        torch.testing.assert_close(difference, difference[:, :1].expand_as(difference), rtol=0, atol=1e-4)

    def test_vectors_are_copies(self):
        backbone = self.randomised()
        before = [parameter.detach().clone() for parameter in backbone.parameters()]
        vectors = backbone.vectors()
        vectors.users.zero_()
        vectors.items.zero_()
        assert all(torch.equal(a, b) for a, b in zip(before, backbone.parameters(), strict=True))
        assert not vectors.users.requires_grad

    def test_one_user_and_one_pair_are_enough(self):
        assert self.scores(self.build(), batch_from(self.data, 1)).scores.isfinite().all()

    def test_a_few_epochs_lower_the_loss(self):
        run = Run(self.data, self.config, bpr(l2=0.0), optimizer="adam", rate=0.05)
        losses = []
        run.fit(15, callbacks=[lambda event: losses.append(getattr(event, "terms", None))])
        seen = [terms["labelled"] for terms in losses if terms]
        assert seen[-1] < 0.7 * seen[0]

    def test_rows_of_an_earlier_run_can_be_taken_over(self):
        backbone, earlier = self.build(1), self.randomised()
        backbone.copy_rows(earlier)
        assert torch.equal(self.scores(backbone).scores, self.scores(earlier).scores)

    def test_people_known_by_history_get_vectors(self):
        if not self.folds:
            return
        history = CSR.from_pairs(np.array([0, 0, 2]), np.array([1, 4, 4]), 3, self.data.n_items)
        found = self.randomised().fold_in(history)
        assert found.shape == (3, self.config.dim)
        assert found.isfinite().all()
        assert (found.abs().sum(1) > 0).tolist() == [True, False, True]
        assert not torch.equal(found[0], found[2])
