from __future__ import annotations

import pytest

from tacit.errors import OptionError
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, SampledSoftmax
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Explicit, InBatch, Mixed, Nothing, Popularity, Shown, Uniform
from tacit.schemes.plain import bce, bpr, sampled_softmax, softmax


@pytest.mark.parametrize(
    ("scheme", "objective"),
    [
        (bpr(temperature=0.5), BPR(0.5)),
        (bce(similarity="cosine"), BCE(1.0, "cosine")),
        (sampled_softmax(temperature=0.2, correction=False), SampledSoftmax(0.2, "cosine", False)),
        (softmax(temperature=0.3), CatalogueSoftmax(0.3, "cosine")),
    ],
    ids=["bpr", "bce", "sampled-softmax", "softmax"],
)
def test_options_reach_the_objective(scheme, objective):
    assert scheme.objective == objective


@pytest.mark.parametrize(
    ("options", "sampler"),
    [
        ({}, Uniform(1)),
        ({"negatives": 8, "shared": True}, Uniform(8, True)),
        ({"negatives": 8, "draw": "popularity", "power": 0.5}, Popularity(8, 0.5)),
        ({"draw": "in-batch"}, InBatch()),
        ({"negatives": 3, "draw": "impressions"}, Shown(3)),
        ({"negatives": 3, "draw": "explicit"}, Explicit(3)),
        ({"negatives": 5, "draw": "mixed"}, Mixed((Uniform(2), Popularity(3, 0.75)))),
        ({"negatives": 1, "draw": "mixed"}, Mixed((Uniform(1), Popularity(1, 0.75)))),
    ],
    ids=str,
)
def test_draw_names_a_sampler(options, sampler):
    assert bpr(**options).sampler == sampler


def test_softmax_over_the_catalogue_samples_nothing():
    assert softmax().sampler == Nothing()


@pytest.mark.parametrize("build", [bpr, bce, sampled_softmax, softmax])
def test_l2_becomes_a_regulariser_only_where_positive(build):
    assert build(l2=0.2).regularisers == (EmbeddingNorm(0.2),)
    assert build(l2=0.0).regularisers == ()


@pytest.mark.parametrize("draw", ["in-batch", "impressions", "explicit", "mixed"])
def test_only_two_draws_can_be_shared(draw):
    with pytest.raises(OptionError, match=f'"uniform" or by "popularity", not "{draw}"'):
        bpr(draw=draw, shared=True)


@pytest.mark.parametrize("build", [bpr, bce, sampled_softmax])
def test_options_that_the_draw_does_not_read_are_refused(build):
    with pytest.raises(OptionError, match="takes the other targets of the batch: leave negatives out"):
        build(draw="in-batch", negatives=3000)
    with pytest.raises(OptionError, match="power is of popularity"):
        build(power=0.3)
