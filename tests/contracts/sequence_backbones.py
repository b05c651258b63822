"""What every backbone that reads sequences promises."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from contracts.learners import LearnerContract
from helpers.sequences import batch_of_sequences, history_of, last_of
from helpers.tiny import Tiny, seeded
from tacit.parts.objectives import BPR
from tacit.parts.samplers import Uniform
from tacit.protocols import Queries, SequenceEncoder
from tacit.recommend.serving import recommender_of
from tacit.scoring import score
from tacit.sparse import Sequences
from tacit.types import Items

LISTS = [[3, 1, 4, 1, 5], [9, 2], [6], [5, 3, 5, 8]]


class SequenceBackboneContract(LearnerContract):
    """A backbone built by `config`, whose `length` is 5 and `dim` 4."""

    chance: ClassVar[bool] = True  # whether training encodes by chance

    def answer(self, learner):
        return self.scores(learner).scores

    @property
    def last(self) -> bool:
        return self.config.queries != "all"

    @property
    def batch(self):
        return batch_of_sequences(LISTS, n_items=self.data.n_items, last=self.last)

    def scores(self, backbone, batch=None, similarity="dot"):
        batch = batch or self.batch
        candidates = Uniform(4).bind(self.data)(batch, seeded())
        return score(backbone(batch), candidates, batch, BPR(similarity=similarity))

    def read(self, backbone, lists, **options):
        """The vectors at the end of each sequence."""
        return backbone.encode(last_of(lists, **options)).queries

    def test_keeps_its_protocol(self):
        assert isinstance(self.build(), SequenceEncoder)
        assert self.build().reads == "sequences"

    def test_knows_its_sizes(self):
        backbone = self.build()
        assert (backbone.n_users, backbone.n_items) == (self.data.n_users, self.data.n_items)
        assert (backbone.dim, backbone.length) == (self.config.dim, self.config.length)

    def test_encodes_one_query_per_position_asked_for(self):
        encoded = self.build()(self.batch)
        assert encoded.queries.shape == (len(self.batch), self.build().interests, self.config.dim)

    def test_shows_its_items(self):
        encoded = self.randomised()(self.batch)
        assert isinstance(encoded.items, Items)
        assert encoded.items.table().shape == (self.data.n_items, self.config.dim)
        ids = torch.tensor([[2, 0], [5, 5]])
        torch.testing.assert_close(encoded.items.rows(ids), encoded.items.table()[ids])

    def test_the_order_of_the_sequences_does_not_matter(self):
        backbone = self.randomised()
        first, second = self.read(backbone, LISTS), self.read(backbone, LISTS[::-1])
        torch.testing.assert_close(second, first.flip(0))

    def test_padding_changes_nothing(self):
        backbone = self.randomised()
        alone = torch.cat([self.read(backbone, [items]) for items in LISTS])
        torch.testing.assert_close(self.read(backbone, LISTS), alone)
        torch.testing.assert_close(self.read(backbone, LISTS, width=9, padding=7), alone)

    def test_padding_gets_no_gradient(self):
        backbone = self.randomised()
        self.read(backbone, LISTS, width=9, padding=7).tanh().sum().backward()
        table = backbone.items.grad.to_dense()
        assert table[7].abs().sum() == 0
        assert table[9].abs().sum() > 0

    def test_an_earlier_item_changes_a_later_output(self):
        backbone = self.randomised()
        assert not torch.allclose(self.read(backbone, [[3, 1, 4]]), self.read(backbone, [[2, 1, 4]]))

    def test_chance_acts_in_training_only(self):
        backbone = self.randomised()
        assert torch.equal(self.read(backbone, LISTS), self.read(backbone, LISTS))
        backbone.train()
        torch.manual_seed(0)
        assert torch.equal(self.read(backbone, LISTS), self.read(backbone, LISTS)) != self.chance

    def test_vectors_are_copies_of_the_items(self):
        backbone = self.randomised()
        before = backbone.items.detach().clone()
        vectors = backbone.vectors()
        assert len(vectors.users) == 0
        vectors.items.zero_()
        assert torch.equal(before, backbone.items)

    @pytest.mark.parametrize("similarity", ["dot", "cosine"])
    def test_what_is_served_ranks_as_training_scores(self, similarity):
        backbone = self.randomised()
        batch = batch_of_sequences(LISTS, n_items=self.data.n_items, last=True)
        scored = self.scores(backbone, batch, similarity)
        served = recommender_of(backbone, similarity, np.zeros(self.data.n_items, np.int64))
        rows = np.repeat(np.arange(4), [len(items) for items in LISTS])
        events = Sequences.of(rows, np.array([item for items in LISTS for item in items]), 4)
        found = served.score(Queries(np.full(4, -1, np.int64), None, events))
        difference = scored.scores.detach() - torch.from_numpy(found).gather(1, scored.items)
        if self.build().interests == 1:
            torch.testing.assert_close(difference, difference[:, :1].expand_as(difference), rtol=0, atol=1e-4)
        torch.testing.assert_close(difference[:, 0], torch.zeros(4), rtol=0, atol=1e-4)

    def test_rows_of_an_earlier_run_can_be_taken_over(self):
        earlier = self.randomised()
        wider = replace_items(self.data, self.data.n_items + 3)
        backbone = self.config.build(wider, seeded(1)).eval()
        new = backbone.items[self.data.n_items :].clone()
        backbone.copy_rows(earlier)
        torch.testing.assert_close(self.read(backbone, LISTS), self.read(earlier, LISTS))
        assert torch.equal(backbone.items[self.data.n_items :], new)


class CausalContract(SequenceBackboneContract):
    """A backbone that is asked at every position of a sequence."""

    def test_a_later_item_never_changes_an_earlier_output(self):
        backbone, changed = self.randomised(), [[3, 1, 4, 1, 11], [9, 12], [6], [5, 3, 5, 0]]
        first = backbone.encode(history_of(LISTS)).queries
        second = backbone.encode(history_of(changed)).queries
        same = torch.tensor([at for at in range(12) if at not in (4, 6, 11)])
        torch.testing.assert_close(first[same], second[same], rtol=0, atol=0)
        assert not torch.equal(first[4], second[4])

    def test_a_position_asked_for_alone_gives_what_it_gives_among_all(self):
        backbone, history = self.randomised(), history_of(LISTS)
        some = replace(history, query=history.query[[1, 5, 10]])
        torch.testing.assert_close(
            backbone.encode(some).queries, backbone.encode(history).queries[[1, 5, 10]]
        )


def replace_items(data: Tiny, n_items: int) -> Tiny:
    """The same log over a larger catalogue."""
    return Tiny(data.users, data.items, data.n_users, n_items)
