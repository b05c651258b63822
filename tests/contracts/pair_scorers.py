"""What every backbone promises that scores pairs and has no vectors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from contracts.learners import LearnerContract
from helpers.tiny import batch_from, random_data, seeded
from helpers.training import Run
from tacit.errors import SchemeError
from tacit.parts.objectives import CatalogueSoftmax, SampledSoftmax
from tacit.parts.samplers import Nothing, Uniform
from tacit.protocols import Backbone, PairScorer
from tacit.schemes.plain import bce, bpr
from tacit.schemes.scheme import Scheme
from tacit.training.step import Step
from tacit.types import Encoded

USERS = torch.tensor([3, 0, 3, 7])
ITEMS = torch.tensor([[0, 5, 2], [1, 5, 1], [9, 0, 5], [4, 19, 3]])


class PairScorerContract(LearnerContract):
    """A scorer of pairs built by `config`."""

    def answer(self, learner):
        return learner.score(USERS, ITEMS)

    def test_keeps_its_protocol(self):
        assert isinstance(self.build(), PairScorer)
        assert not isinstance(self.build(), Backbone)

    def test_knows_its_sizes(self):
        backbone = self.build()
        assert (backbone.n_users, backbone.n_items) == (self.data.n_users, self.data.n_items)
        assert (backbone.reads, backbone.interests) == ("pairs", 1)

    def test_scores_each_pair(self):
        scores = self.randomised().score(USERS, ITEMS)
        assert scores.shape == ITEMS.shape
        assert scores.isfinite().all()

    def test_a_score_is_that_of_its_pair_alone(self):
        backbone = self.randomised()
        together = backbone.score(USERS, ITEMS)
        for query, user in enumerate(USERS):
            for column, item in enumerate(ITEMS[query]):
                alone = backbone.score(user[None], item[None, None])
                torch.testing.assert_close(alone[0, 0], together[query, column], rtol=1e-5, atol=1e-5)

    def test_users_and_items_both_matter(self):
        scores = self.randomised().score(torch.tensor([0, 1]), torch.tensor([[2, 3], [2, 3]]))
        assert not torch.equal(scores[0], scores[1])
        assert not torch.equal(scores[:, 0], scores[:, 1])

    def test_nobody_gets_nothing(self):
        scores = self.build().score(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3, dtype=torch.int64))
        assert scores.shape == (0, 3)

    def test_serving_knows_no_chance(self):
        backbone = self.randomised()
        assert torch.equal(backbone.score(USERS, ITEMS), backbone.score(USERS, ITEMS))

    def test_rows_of_an_earlier_run_can_be_taken_over(self):
        backbone, earlier = self.build(1).eval(), self.randomised()
        backbone.copy_rows(earlier)
        assert torch.equal(backbone.score(USERS, ITEMS), earlier.score(USERS, ITEMS))

    def test_new_rows_keep_their_start(self):
        larger = random_data(1, n_users=17, n_items=23)
        new, before = (self.config.build(larger, seeded(4)).eval() for _ in range(2))
        new.copy_rows(self.randomised())
        assert torch.equal(new.score(USERS, ITEMS), self.randomised().score(USERS, ITEMS))
        tables = [(p, b) for p, b in zip(new.parameters(), before.parameters(), strict=True) if len(p) == 23]
        assert tables
        assert all(torch.equal(p[20:], b[20:]) for p, b in tables)

    def test_a_call_with_a_batch_shows_rows_of_its_tables(self):
        batch = batch_from(self.data, 6)
        encoded = self.build()(batch)
        assert isinstance(encoded, Encoded)
        assert len(encoded.queries.take()) == 6
        assert len(encoded.items.rows(batch.targets)) == 6

    @pytest.mark.parametrize("scheme", [bpr(l2=0.0), bce(l2=0.0)], ids=["bpr", "bce"])
    def test_a_few_epochs_lower_the_loss(self, scheme):
        run = Run(self.data, self.config, scheme, optimizer="adam", rate=0.02)
        losses: list[Any] = []
        run.fit(25, callbacks=[lambda event: losses.append(getattr(event, "terms", None))])
        seen = [sum(terms.values()) for terms in losses if terms]
        assert seen[-1] < 0.7 * seen[0]

    @pytest.mark.parametrize(
        ("scheme", "said"),
        [
            (bpr(), r"EmbeddingNorm needs vectors, .* use another backbone, or drop the part \(l2 = 0\)"),
            (
                Scheme(Nothing(), CatalogueSoftmax()),
                "CatalogueSoftmax needs vectors, .* use another backbone",
            ),
            (
                Scheme(Uniform(), SampledSoftmax(0.1, "cosine")),
                'a cosine needs vectors, .* use another backbone, or similarity = "dot"',
            ),
        ],
        ids=["l2", "catalogue", "cosine"],
    )
    def test_what_needs_vectors_is_refused_with_the_mend(self, scheme, said):
        with pytest.raises(SchemeError, match=said):
            Step(self.build(), scheme.bind(self.data))
