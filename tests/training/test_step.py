from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from helpers.tiny import batch_from, random_data, seeded
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MFConfig
from tacit.errors import SchemeError
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BCE, BPR, SampledSoftmax
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Uniform
from tacit.schemes.scheme import Scheme
from tacit.scoring import LocalItems, score
from tacit.training.step import Step, StepLoss
from tacit.types import Clock

DATA = random_data(3)
BATCH = batch_from(DATA, 10)
CLOCK = Clock(0, 1, 0, 1)


@dataclass(frozen=True)
class Doubled:
    """A transform that doubles queries and items."""

    slot: ClassVar[str] = "transform"
    needs: ClassVar[frozenset[str]] = frozenset()

    def bind(self, data):
        return self

    def __call__(self, encoded, batch, candidates):
        return replace(encoded, queries=2 * encoded.queries, items=LocalItems(2 * encoded.items.table()))


def step_of(scheme: Scheme, config=None) -> Step:
    return Step((config or MFConfig(dim=4, scale=1.0)).build(DATA, seeded()), scheme.bind(DATA))


def run(step: Step, batch=BATCH, **options):
    return step(batch, step.scheme.sampler(batch, seeded()), CLOCK, **options)


@pytest.mark.parametrize("objective", [BPR(), BCE(), SampledSoftmax(0.3, "cosine")], ids=repr)
def test_terms_are_the_mean_loss(objective):
    step = step_of(Scheme(Uniform(3), objective))
    candidates = step.scheme.sampler(BATCH, seeded())
    losses = objective(score(step.backbone(BATCH), candidates, BATCH, objective))
    expected = sum(part.sum() for _, part in losses.items()) / len(BATCH)
    torch.testing.assert_close(run(step).total(), expected)


def test_weights_multiply_the_loss_of_their_example():
    step = step_of(Scheme(Uniform(3), BPR()))
    plain = run(step).rows["labelled"]
    weights = torch.linspace(0, 3, len(BATCH))
    weighted = run(step, replace(BATCH, weights=weights)).rows["labelled"]
    torch.testing.assert_close(weighted, plain * weights)


def test_regularisers_become_terms_of_their_own():
    terms = run(step_of(Scheme(Uniform(3), BPR(), regularisers=(EmbeddingNorm(0.2),)))).values()
    assert set(terms) == {"labelled", "l2"}
    assert terms["l2"] > 0


def test_refiners_run_before_the_objective():
    mined = run(step_of(Scheme(Uniform(8), BPR(), refiners=(HardestK(1),)))).total()
    assert mined > run(step_of(Scheme(Uniform(8), BPR()))).total()


def test_plain_leaves_out_refiners_and_regularisers():
    bare = Scheme(Uniform(8), BPR())
    rich = bare.with_(HardestK(1), EmbeddingNorm())
    assert torch.equal(run(step_of(rich), plain=True).total(), run(step_of(bare)).total())


@pytest.mark.parametrize("config", [MFConfig(dim=4, scale=1.0), LightGCNConfig(dim=4, scale=1.0)], ids=repr)
def test_transforms_act_between_encoding_and_scoring(config):
    bare = Scheme(Uniform(3), BPR())
    doubled = run(step_of(bare.with_(Doubled()), config)).total()
    torch.testing.assert_close(doubled, run(step_of(replace(bare, objective=BPR(0.25)), config)).total())


@pytest.mark.parametrize("config", [MFConfig(dim=4), LightGCNConfig(dim=4)], ids=repr)
def test_l2_does_not_see_transforms(config):
    bare = Scheme(Uniform(3), BPR(), regularisers=(EmbeddingNorm(0.2),))
    found = [run(step_of(scheme, config)).values()["l2"] for scheme in (bare, bare.with_(Doubled()))]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_the_step_refuses_what_does_not_fit():
    class Pairs(torch.nn.Module):
        reads, interests, dim, n_users, n_items = "pairs", 1, 2, 3, 4

        def score(self, users, items):
            return torch.zeros(items.shape)

    with pytest.raises(SchemeError, match="EmbeddingNorm needs vectors"):
        Step(Pairs(), Scheme(Uniform(), BPR(), regularisers=(EmbeddingNorm(),)))


def test_parameters_of_parts_are_parameters_of_the_step():
    class Learned(torch.nn.Module):
        slot, needs, name = "regulariser", frozenset(), "learned"

        def __init__(self):
            super().__init__()
            self.size = torch.nn.Parameter(torch.ones(()))

        def bind(self, data):
            return self

        def forward(self, encoded, batch, candidates):
            return self.size.square()

    step = Step(MFConfig(dim=2).build(DATA, seeded()), Scheme(Uniform(), BPR(), regularisers=(Learned(),)))
    assert "parts.0.size" in dict(step.named_parameters())


def test_a_step_loss_sees_the_same_candidates_each_time():
    step = step_of(Scheme(Uniform(3), BPR()))
    loss = StepLoss(step, BATCH, step.scheme.sampler(BATCH, seeded()), CLOCK)
    assert torch.equal(loss().total(), loss().total())
