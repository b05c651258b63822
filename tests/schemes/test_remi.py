"""REMI: worked examples R1 to R6 and R13 of the specification, twins of loops, limits, and its refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tacit
from helpers.sequences import batch_of_sequences, last_of
from helpers.tiny import batch_of, random_data, scored_of, seeded
from longhand import remi as longhand
from tacit.backbones.comirec import ComiRecDRConfig, ComiRecSAConfig
from tacit.backbones.mf import MFConfig
from tacit.backbones.mind import MINDConfig
from tacit.errors import OptionError, SchemeError
from tacit.kernels import catalogue
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, SampledSoftmax
from tacit.parts.samplers import InBatch, Nothing, Popularity, Uniform
from tacit.schemes.dli import DLI
from tacit.schemes.idl import IDL
from tacit.schemes.remi import InterestAware, InterestAwareSoftmax, REMIScheme, RoutingVariance, remi
from tacit.schemes.scheme import Scheme
from tacit.scoring import LocalItems, score
from tacit.training.step import Step
from tacit.types import Clock, Encoded, Routing

CLOCK = Clock(0, 1, 0, 1)
SOFTMAX = SampledSoftmax(correction=False)
TARGET, SCORES = 1.2, [0.9, 0.1, -0.5, 2.0]
NUMBERS = st.floats(-5, 5)


def of(values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, expected, atol=1e-6):
    torch.testing.assert_close(found, of(expected), rtol=0, atol=atol)


def one_row(target=TARGET, scores=SCORES, **more):
    return scored_of(of([[target, *scores]]).requires_grad_(), **more)


def losses(scored, hardness, detach=False):
    return SOFTMAX(InterestAware(hardness, detach)(scored, SOFTMAX, CLOCK)).labelled


@pytest.mark.parametrize(
    ("hardness", "weights", "total", "loss", "gradient", "effective"),
    [
        (0.0, [1, 1, 1, 1], 11.560361, 1.500050, -0.776881, 4.0),
        (0.1, [1.023344, 0.944666, 0.889653, 1.142337], 12.541431, 1.563898, -0.790681, 3.964279),
        (1.0, [0.851047, 0.382400, 0.209866, 2.556687], 21.534650, 2.013050, -0.866419, 2.147304),
        (10.0, [0.000067, 0.000000, 0.000000, 3.999933], 29.555895, 2.292743, -0.899011, 1.000033),
    ],
)
def test_values_of_the_worked_example(hardness, weights, total, loss, gradient, effective):
    """R1."""
    scored = one_row()
    refined = InterestAware(hardness)(scored, SOFTMAX, CLOCK)
    close(refined.log_weights[0, 1:].exp(), weights)
    close((refined.log_weights + refined.scores)[0, 1:].logsumexp(0).exp(), total)
    close(refined.notes["effective_negatives"], effective)
    found = SOFTMAX(refined).labelled
    close(found[0], loss)
    found.sum().backward()
    close(scored.scores.grad[0, 0], gradient)


@pytest.mark.parametrize(
    ("hardness", "detach", "gradient"),
    [
        (1.0, False, [-0.015903, -0.048823, -0.035215, 0.966361]),
        (1.0, True, [0.084219, 0.017003, 0.005121, 0.760076]),
        (0.1, False, [0.154327, 0.053729, 0.019836, 0.562789]),
        (0.1, True, [0.158687, 0.065821, 0.034019, 0.532154]),
        (0.0, False, [0.165291, 0.074270, 0.040760, 0.496560]),
        (0.0, True, [0.165291, 0.074270, 0.040760, 0.496560]),
    ],
)
def test_gradients_of_the_worked_example(hardness, detach, gradient):
    """R2."""
    scored = one_row()
    losses(scored, hardness, detach).sum().backward()
    close(scored.scores.grad[0, 1:], gradient)


def test_large_scores_of_the_worked_example():
    """R3."""
    close(losses(one_row(1.0, [300.0, -300.0, 0.0]), 10.0)[0], 300.098612)
    tiny = float(losses(one_row(400.0, [300.0, -300.0, 0.0]), 1.0)[0].detach())
    assert tiny == pytest.approx(1.1160e-43, rel=1e-4)


def test_another_draw_of_the_worked_example():
    """R4: log q may be off by a constant."""
    log_q = of([[0.0, *(math.log(p) + 3.0 for p in (0.1, 0.2, 0.3, 0.4))]])
    refined = InterestAware(1.0)(one_row(log_q=log_q), SOFTMAX, CLOCK)
    close((refined.log_weights + refined.scores)[0, 1:].logsumexp(0).exp(), 16.146984)
    close(SOFTMAX(refined).labelled[0], 1.768726)


@given(
    NUMBERS,
    st.lists(st.tuples(NUMBERS, st.floats(0.05, 1)), min_size=1, max_size=6),
    st.floats(0, 4),
    st.booleans(),
)
def test_equals_its_longhand_twin(target, candidates, hardness, detach):
    scores, shares = [score for score, _ in candidates], [share for _, share in candidates]
    log_q = of([[0.0, *(math.log(share) for share in shares)]])
    found = losses(one_row(target, scores, log_q=log_q), hardness, detach)
    assert float(found.detach()) == pytest.approx(longhand.loss(target, scores, hardness, shares), abs=1e-9)


@given(NUMBERS, st.lists(NUMBERS, min_size=2, max_size=6), st.floats(0, 4), NUMBERS)
def test_a_constant_added_to_all_scores_changes_nothing(target, scores, hardness, constant):
    """R13."""
    moved = [score + constant for score in scores]
    first, second = (
        losses(one_row(t, s), hardness) for t, s in ((target, scores), (target + constant, moved))
    )
    torch.testing.assert_close(first, second, rtol=0, atol=1e-9)


@given(NUMBERS, st.lists(NUMBERS, min_size=2, max_size=6), st.floats(0, 4))
def test_the_order_of_candidates_changes_nothing(target, scores, hardness):
    """R13."""
    first, second = (losses(one_row(target, s), hardness) for s in (scores, scores[::-1]))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-9)


def test_twice_the_candidates_weigh_twice():
    """R13."""
    once, twice = (InterestAware(1.0)(one_row(scores=s), SOFTMAX, CLOCK) for s in (SCORES, SCORES * 2))
    torch.testing.assert_close(twice.log_weights[0, 1:5], once.log_weights[0, 1:])
    totals = [(r.log_weights + r.scores)[0, 1:].logsumexp(0) for r in (once, twice)]
    torch.testing.assert_close(totals[1] - totals[0], of(math.log(2)))


def test_without_hardness_it_is_the_plain_softmax():
    scored = scored_of(torch.randn(5, 7, generator=seeded(), dtype=torch.float64))
    torch.testing.assert_close(losses(scored, 0.0), SOFTMAX(scored).labelled)


def test_extreme_hardness_counts_the_hardest_alone():
    refined = InterestAware(1e4)(one_row(), SOFTMAX, CLOCK)
    expected = math.log1p(math.exp(math.log(4) + 2.0 - 1.2))
    close(SOFTMAX(refined).labelled[0], expected)


@pytest.mark.parametrize("detach", [False, True])
def test_gradients_agree_with_finite_differences(detach):
    scores = torch.randn(3, 6, generator=seeded(), dtype=torch.float64)

    def weighted(values):
        return losses(scored_of(values), 0.7, detach)

    if not detach:
        assert torch.autograd.gradcheck(weighted, scores.clone().requires_grad_())
        return
    leaf = scores.clone().requires_grad_()
    weighted(leaf).sum().backward()
    held = InterestAware(0.7)(scored_of(scores), SOFTMAX, CLOCK).log_weights
    again = scores.clone().requires_grad_()
    SOFTMAX(scored_of(again, log_weights=held)).labelled.sum().backward()
    torch.testing.assert_close(leaf.grad, again.grad)


def test_dropped_candidates_leave_both_sums():
    log_weights = of([[0, 0, -math.inf, 0, -math.inf]])
    scored = one_row(log_weights=log_weights)
    found = losses(scored, 1.0)
    close(found[0], longhand.loss(TARGET, [0.9, -0.5], 1.0))
    found.sum().backward()
    assert scored.scores.grad[0, [2, 4]].tolist() == [0, 0]
    assert scored.scores.grad.isfinite().all()


def test_a_row_without_candidates_costs_nothing():
    log_weights = of([[0.0] + [-math.inf] * 4, [0.0] * 5])
    scored = scored_of(of([[TARGET, *SCORES]] * 2).requires_grad_(), log_weights=log_weights)
    found = losses(scored, 1.0)
    assert float(found[0].detach()) == 0
    found.sum().backward()
    assert scored.scores.grad.isfinite().all()


def test_what_dli_has_halved_counts_half():
    log_weights = of([[0, math.log(0.5), 0, 0, 0]])
    refined = InterestAware(1.0)(one_row(log_weights=log_weights), SOFTMAX, CLOCK)
    raw = [0.5 * math.exp(0.9), math.exp(0.1), math.exp(-0.5), math.exp(2.0)]
    close(refined.log_weights[0, 1:].exp(), [3.5 * value / sum(raw) for value in raw])


def test_what_dli_has_promoted_keeps_its_weight():
    """It is no negative: neither weighed up by how near it is, nor one of the M."""
    labels = of([[1, 0, 0, 0, 0.5]])
    for hardness in (0.0, 1.0, 10.0):
        scored = one_row(labels=labels)
        refined = InterestAware(hardness)(scored, SOFTMAX, CLOCK)
        assert float(refined.log_weights[0, 4].detach()) == 0
        close(refined.log_weights[0, 1:4].exp().sum(), 3.0)
        SOFTMAX(refined).labelled.sum().backward()
        assert float(scored.scores.grad[0, 0]) < -0.3


def test_a_row_whose_candidates_are_all_promoted_keeps_them():
    labels = of([[1, 0.5, 0.5, 0.5, 0.5], [1, 0, 0, 0, 0]])
    scored = scored_of(of([[TARGET, *SCORES]] * 2).requires_grad_(), labels=labels)
    refined = InterestAware(1.0)(scored, SOFTMAX, CLOCK)
    assert refined.log_weights[0].tolist() == [0] * 5
    SOFTMAX(refined).labelled.sum().backward()
    assert scored.scores.grad.isfinite().all()


def test_the_spread_of_scores_is_their_standard_deviation():
    close(InterestAware(1.0)(one_row(), SOFTMAX, CLOCK).notes["spread_of_scores"], 0.936416)


def routed(rows, mask=None, active=None, dim=2):
    weights = of([rows])
    mask = torch.ones(1, weights.shape[2], dtype=torch.bool) if mask is None else torch.tensor([mask])
    active = None if active is None else torch.tensor([active])
    encoded = Encoded(
        torch.zeros(1, len(rows), dim).double(),
        LocalItems(torch.zeros(3, dim).double()),
        routing=Routing(weights.requires_grad_(), mask),
        active=active,
    )
    return encoded, weights


def penalty(encoded, **options):
    batch = batch_of([0], [0])
    nothing = Nothing()(batch, seeded())
    return RoutingVariance(**{"strength": 1.0, **options})(encoded, batch, nothing)


UNIFORM = [0.25] * 4


def test_variance_of_the_worked_example():
    """R5."""
    sharp = [0.7, 0.1, 0.1, 0.1]
    close(penalty(routed([sharp, UNIFORM])[0]), 0.072900)
    close(penalty(routed([sharp, UNIFORM], dim=64)[0], scaling="authors", slots=4), 1.779785e-5, atol=1e-11)
    close(penalty(routed([sharp, sharp[::-1]])[0]), 0.145800)


def test_gradient_of_the_worked_example():
    """R5: of the logits of the first row."""
    logits = of([[0.7, 0.1, 0.1, 0.1]]).log().requires_grad_()
    encoded, _ = routed([[0.7, 0.1, 0.1, 0.1], UNIFORM])
    weights = torch.stack([logits.softmax(1)[0], of(UNIFORM)])[None]
    penalty(replace(encoded, routing=Routing(weights, encoded.routing.mask))).backward()
    close(logits.grad[0], [0.136080, -0.045360, -0.045360, -0.045360])


def test_of_a_batch_the_mean_is_taken_or_as_the_authors_do_the_sum():
    sharp, one = of([[0.7, 0.1, 0.1, 0.1], UNIFORM]), of([UNIFORM, UNIFORM])
    encoded, _ = routed([UNIFORM, UNIFORM], dim=1)
    mask = torch.ones(3, 4, dtype=torch.bool)
    encoded = replace(encoded, routing=Routing(torch.stack([sharp, one, sharp]), mask))
    close(penalty(encoded), 2 * 0.0729 / 3)
    close(penalty(encoded, scaling="authors", slots=4), 2 * 0.0729)


def test_padding_of_the_worked_example():
    """R5: masked, and with the padding as the authors count it."""
    encoded, _ = routed([[0.8, 0.1, 0.1, 0], [1 / 3, 1 / 3, 1 / 3, 0]], [True, True, True, False], dim=1)
    close(penalty(encoded), 0.106711)
    close(penalty(encoded, scaling="authors", slots=4), 0.175044)


def test_the_authors_worst_case():
    """R5: one-hot rows, twenty places, 64 dimensions, their strength at batches of 128."""
    encoded, _ = routed([[1.0, 0.0]] * 4, dim=64)
    found = penalty(encoded, scaling="authors", slots=20)
    close(found, 8.813477e-4, atol=1e-10)
    close(found * 100 * 128, 11.281250)


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(3, 9),
)
def test_variance_equals_its_longhand_twin(rows, length, slots):
    rows = [[value * (at < length) for at, value in enumerate(row)] for row in rows]
    encoded, _ = routed(rows, [at < length for at in range(3)])
    ours = sum(longhand.variance(row[:length], length) ** 2 for row in rows)
    theirs = sum((longhand.variance(row, slots) / 2) ** 2 for row in rows)
    close(penalty(encoded), ours, atol=1e-9)
    close(penalty(encoded, scaling="authors", slots=slots), theirs, atol=1e-9)


def test_uniform_routing_costs_nothing():
    assert float(penalty(routed([UNIFORM, UNIFORM])[0]).detach()) == pytest.approx(0, abs=1e-15)


def test_interests_not_in_use_cost_nothing():
    rows = [[0.7, 0.1, 0.1, 0.1], [0.0, 0.0, 0.0, 0.0]]
    close(penalty(routed(rows)[0]), 0.072900)


def test_mind_routes_nothing_to_interests_not_in_use():
    backbone = MINDConfig(dim=4, interests=4).build(random_data(0), seeded()).eval()
    encoded = backbone.encode(last_of([[1, 2, 3, 4, 5], [6, 7]]))
    fed = encoded.routing.weights.sum(2) > 0
    assert torch.equal(fed, encoded.active)
    assert fed.sum(1).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("config", "reached"),
    [
        (ComiRecSAConfig(dim=4), "choose"),
        (ComiRecDRConfig(dim=4, attached=True), "votes"),
        (MINDConfig(dim=4, attached=True), "bilinear"),
    ],
)
def test_the_regulariser_reaches_the_routing_of_every_backbone(config, reached):
    backbone = config.build(random_data(0), seeded()).eval()
    encoded = backbone(batch_of_sequences([[1, 2, 3, 4], [5, 6]], n_items=20, last=True))
    penalty(encoded).backward()
    assert backbone.get_parameter(reached).grad.abs().sum() > 0


def test_the_scheme_is_sampled_softmax_with_both_parts():
    scheme = REMIScheme(hardness=0.5, routing=2.0, negatives=7).build()
    assert scheme.sampler == Uniform(7, shared=True)
    assert scheme.refiners == (InterestAware(0.5),)
    assert scheme.regularisers == (RoutingVariance(2.0),)
    assert REMIScheme(draw="in-batch").build().sampler == InBatch()
    assert REMIScheme(routing=0.0).build().regularisers == ()


def test_its_options_reach_the_parts():
    scheme = REMIScheme(
        hardness=0.5,
        detach=True,
        routing=2.0,
        scaling="authors",
        slots=9,
        negatives=7,
        draw="popularity",
        temperature=0.3,
        similarity="cosine",
    ).build()
    assert scheme.sampler == Popularity(7, shared=True)
    assert scheme.objective == SampledSoftmax(0.3, "cosine", correction=False)
    assert scheme.refiners == (InterestAware(0.5, True),)
    assert scheme.regularisers == (RoutingVariance(2.0, "authors", 9),)


def test_reweighing_comes_after_mining_and_judging():
    scheme = remi(routing=0.0).with_(HardestK(2), DLI(criterion="neighbour"))
    assert [type(part) for part in scheme.refiners] == [DLI, HardestK, InterestAware]
    with pytest.raises(SchemeError, match="put it before"):
        replace(scheme, refiners=scheme.refiners[::-1])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scheme(Uniform(2), BCE()).with_(InterestAware()),
        lambda: Scheme(Uniform(2), BPR()).with_(InterestAware()),
        lambda: Scheme(Uniform(2), SampledSoftmax(correction=True)).with_(InterestAware()),
        lambda: Scheme(Nothing(), CatalogueSoftmax()).with_(InterestAware()),
        lambda: remi().with_(IDL()),
        lambda: tacit.idl_ig().with_(InterestAware()),
    ],
)
def test_where_it_has_no_meaning_it_is_refused_with_the_mend(make):
    with pytest.raises(SchemeError, match="use "):
        make()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (MFConfig(dim=4), "scheme.routing = 0"),
        (ComiRecDRConfig(dim=4), "backbone.attached = true"),
        (MINDConfig(dim=4), "backbone.attached = true"),
        (ComiRecSAConfig(dim=4, interests=1), "with several backbone.interests"),
    ],
)
def test_routing_without_weights_or_gradients_is_refused_with_the_mend(config, said):
    with pytest.raises(SchemeError, match=said):
        Step(config.build(random_data(0), seeded()), remi().bind(random_data(0)))


def test_places_that_are_not_the_backbone_s_are_refused_with_the_mend():
    scheme = remi(scaling="authors", slots=5).bind(random_data(0))
    with pytest.raises(SchemeError, match=r"set scheme\.slots = 20"):
        Step(ComiRecSAConfig(dim=4, length=20).build(random_data(0), seeded()), scheme)


def test_interests_without_routing_are_refused_with_the_mend():
    encoded, _ = routed([UNIFORM])
    with pytest.raises(SchemeError, match=r"Encoded\.routing, or drop the part"):
        penalty(replace(encoded, routing=None))


@pytest.mark.parametrize(
    "make",
    [
        lambda: InterestAware(-1.0),
        lambda: RoutingVariance(-1.0),
        lambda: RoutingVariance(slots=20),
        lambda: RoutingVariance(scaling="authors"),
        lambda: RoutingVariance(scaling="authors", slots=0),
        lambda: penalty(routed([UNIFORM])[0], scaling="authors", slots=3),
        lambda: REMIScheme(draw="in-batch", negatives=5),
        lambda: REMIScheme(routing=0.0, scaling="authors"),
        lambda: REMIScheme(routing=0.0, slots=5),
    ],
)
def test_refuses_options_out_of_range(make):
    with pytest.raises(OptionError):
        make()


def over_catalogue(hardness, detach=False, *, temperature=1.0, biased=False):
    """Loss of three queries over eleven items by the objective, the queries, and the scores of all items."""
    queries = torch.randn(3, 4, generator=seeded(), dtype=torch.float64).requires_grad_()
    table = torch.randn(11, 4, generator=seeded(1), dtype=torch.float64).requires_grad_()
    bias = torch.randn(11, generator=seeded(2), dtype=torch.float64) if biased else None
    batch = batch_of([0, 1, 2], [5, 0, 10])
    objective = replace(InterestAwareSoftmax(hardness, detach, temperature), _n_items=11)
    encoded = Encoded(queries[:, None], LocalItems(table, bias))
    scored = score(encoded, Nothing()(batch, seeded()), batch, objective)
    scores = (queries @ table.T + (0 if bias is None else bias)) / temperature
    return objective(scored).labelled, (queries, table), scores, batch.targets


@pytest.mark.parametrize("hardness", [0.0, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("entries", [0, 2**20])
def test_over_the_catalogue_every_other_item_is_a_negative(monkeypatch, hardness, biased, entries):
    """R13: streamed equals dense to 1e-12."""
    monkeypatch.setattr(catalogue, "DENSE_LIMIT", entries)
    monkeypatch.setattr(catalogue, "BLOCK", 4)
    found, _, scores, targets = over_catalogue(hardness, temperature=0.7, biased=biased)
    for row, target in enumerate(targets.tolist()):
        others = [value for item, value in enumerate(scores[row].tolist()) if item != target]
        expected = longhand.loss(float(scores[row, target].detach()), others, hardness)
        assert float(found[row].detach()) == pytest.approx(expected, abs=1e-12)


def test_over_the_catalogue_without_hardness_it_is_the_softmax():
    found, _, scores, targets = over_catalogue(0.0)
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(scores, targets, reduction="none"))


@pytest.mark.parametrize("detach", [False, True])
def test_over_the_catalogue_gradients_are_those_of_the_refiner(detach):
    found, leaves, scores, targets = over_catalogue(1.5, detach)
    others = torch.stack([torch.tensor([i for i in range(11) if i != t]) for t in targets.tolist()])
    columns = torch.cat([targets[:, None], others], 1)
    twin = losses(scored_of(scores.gather(1, columns)), 1.5, detach)
    torch.testing.assert_close(found, twin)
    for a, b in zip(
        torch.autograd.grad(found.sum(), leaves), torch.autograd.grad(twin.sum(), leaves), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_of_a_catalogue_of_one_item_there_is_nothing_to_lose():
    objective = replace(InterestAwareSoftmax(), _n_items=1)
    queries = torch.ones(2, 1, 3).requires_grad_()
    encoded, batch = Encoded(queries, LocalItems(torch.ones(1, 3))), batch_of([0, 1], [0, 0])
    found = objective(score(encoded, Nothing()(batch, seeded()), batch, objective)).labelled
    assert found.tolist() == [0, 0]
    found.sum().backward()
    assert queries.grad.isfinite().all()


def test_the_scheme_over_the_catalogue():
    scheme = REMIScheme(
        hardness=2.0, detach=True, draw="catalogue", routing=0.0, temperature=0.3, similarity="cosine"
    ).build()
    assert scheme.objective == InterestAwareSoftmax(2.0, True, 0.3, "cosine")
    assert scheme.refiners == ()
    assert scheme.sampler == Nothing()
