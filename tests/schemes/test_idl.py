from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import softplus

from helpers.tiny import random_data, scored_of, seeded, tiny
from helpers.training import Run, same
from longhand import inverse
from tacit.backbones.mf import MFConfig
from tacit.errors import OptionError, SchemeError
from tacit.events import EpochEnd
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, SampledSoftmax
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Explicit, Nothing, Shown, Uniform
from tacit.schemes.idl import IDL, IDLScheme, idl, soft_label
from tacit.schemes.plain import bce
from tacit.schemes.scheme import Scheme
from tacit.types import Clock

LATE = Clock(9, 10, 90, 10)
AUTHORS = IDL(prior=0.5, warmup=0.0)
WITH_NOES = random_data(0)
YES_ONLY = tiny([(u, i) for u in range(12) for i in range(10) if (u + i) % 3 == 0], 12, 10)
EXACT: dict[str, Any] = {"rtol": 0, "atol": 1e-6}
FLAT = 3e-9  # from 20 on softplus is the identity

# x, l+, l-, then w+, L_dual and its gradient for k = 2, for k = 1, and the attached gradient for k = 2.
POINTWISE = [
    (-2.0, 2.126928, 0.126928, 0.003549, 0.134025, 0.115654, 0.056316, 0.239560, 0.062887, 0.134795),
    (-0.5, 0.974077, 0.474077, 0.191508, 0.569831, 0.186033, 0.327366, 0.637760, 0.050174, 0.408279),
    (0.0, 0.693147, 0.693147, 0.500000, 0.693147, 0.0, 0.500000, 0.693147, 0.0, 0.0),
    (0.5, 0.474077, 0.974077, 0.808492, 0.569831, -0.186033, 0.672634, 0.637760, -0.050174, -0.408279),
    (1.0, 0.313262, 1.313262, 0.946163, 0.367098, -0.215105, 0.807404, 0.505858, -0.076346, -0.359280),
    (3.0, 0.048587, 3.048587, 0.999746, 0.049349, -0.047172, 0.984312, 0.095650, -0.031738, -0.049135),
]
COLUMN = [torch.tensor(column, dtype=torch.float64) for column in zip(*POINTWISE, strict=True)]

reals = st.floats(-30, 30)
shares = st.floats(0.01, 0.99)
powers = st.sampled_from([0.5, 1.0, 2.0, 3.0])


def cells(x: torch.Tensor, observed: list[bool] | None = None, labels: list[float] | None = None):
    """Each score a row of its own, unlabelled where nothing else is said."""
    seen = torch.zeros(len(x), 1, dtype=torch.bool) if observed is None else torch.tensor(observed)[:, None]
    said = torch.zeros_like(x) if labels is None else torch.tensor(labels, dtype=x.dtype)
    return scored_of(x[:, None], observed=seen, labels=said.detach()[:, None])


def annotated(x: torch.Tensor, part: IDL = AUTHORS) -> torch.Tensor:
    return part(cells(x), BCE(), LATE).labels[:, 0]


def dual(x: torch.Tensor, part: IDL = AUTHORS) -> torch.Tensor:
    return BCE()(part(cells(x), BCE(), LATE)).unlabelled


def slope(x: torch.Tensor, part: IDL = AUTHORS) -> torch.Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(dual(x, part).sum(), x)[0]


def at(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(("label", "column"), [(1, 1), (0, 2)])
def test_losses_under_both_labels_are_those_of_the_table(label, column):
    torch.testing.assert_close(BCE().under(COLUMN[0], label), COLUMN[column], **EXACT)


@pytest.mark.parametrize(("sharpness", "first"), [(2.0, 3), (1.0, 6)])
def test_label_loss_and_gradient_are_those_of_the_table(sharpness, first):
    part = replace(AUTHORS, sharpness=sharpness)
    for find, column in ((annotated, first), (dual, first + 1), (slope, first + 2)):
        torch.testing.assert_close(find(COLUMN[0], part), COLUMN[column], **EXACT)


def attached(x: torch.Tensor) -> torch.Tensor:
    """The gradient if it passed through the label too."""
    x = x.clone().requires_grad_()
    weight = soft_label(softplus(-x), softplus(x))
    return torch.autograd.grad((softplus(x) - weight * x).sum(), x)[0]


def test_attached_weights_would_pull_harder():
    torch.testing.assert_close(attached(COLUMN[0]), COLUMN[9], **EXACT)


@pytest.mark.parametrize(("x", "times"), [(1e-4, 2.53), (0.5, 2.19), (1.0, 1.67), (2.0, 1.17)])
def test_how_much_harder_attached_weights_would_pull(x, times):
    assert float(attached(at(x)) / slope(at(x))) == pytest.approx(times, abs=5e-3)


def test_a_low_prior_moves_the_threshold():
    part, x = replace(AUTHORS, prior=0.1), at(1.0)
    found = torch.stack([annotated(x, part), dual(x, part), slope(x, part)])[:, 0]
    torch.testing.assert_close(found, at(0.661332, 0.651930, 0.069727), **EXACT)


@pytest.mark.parametrize(
    ("prior", "sharpness", "where"),
    [(0.3, 2.0, 0.4504), (0.1, 2.0, 1.1817), (0.05, 2.0, 1.6), (0.3, 1.0, 2.0813), (0.1, 1.0, 8.9993)],
)
def test_the_threshold_of_a_prior_is_where_it_should_be(prior, sharpness, where):
    part = IDL(prior, sharpness, 0.0)
    below, above = slope(at(where - 1e-4, where + 1e-4), part)
    assert below > 0 > above


def test_without_a_second_threshold_a_low_prior_pushes_everything_down():
    assert (slope(torch.linspace(-12, 12, 200, dtype=torch.float64), IDL(0.05, 1.0, 0.0)) > 0).all()


def test_a_batch_of_labelled_and_unlabelled_pairs_has_one_mean():
    x = at(2.0, -1.0, 0.5, -0.3).requires_grad_()
    scored = cells(x, [True, True, False, False], [1.0, 0.0, 0.0, 0.0])
    losses = BCE()(AUTHORS(scored, BCE(), LATE))
    torch.testing.assert_close(losses.labelled[:2], at(0.126928, 0.313262), **EXACT)
    torch.testing.assert_close(losses.unlabelled[2:], at(0.569831, 0.643239), **EXACT)
    whole = (losses.labelled + losses.unlabelled).mean()
    torch.testing.assert_close(whole, torch.tensor(0.413315, dtype=torch.float64), **EXACT)
    (gradient,) = torch.autograd.grad(whole, x)
    torch.testing.assert_close(gradient, at(-0.029801, 0.067235, -0.046508, 0.032320), **EXACT)
    assert losses.unlabelled_share == 0.5


@settings(max_examples=200)
@given(st.data())
def test_a_batch_agrees_with_its_longhand_twin(data):
    n = data.draw(st.integers(1, 8))
    draw = {name: data.draw(st.lists(kind, min_size=n, max_size=n)) for name, kind in (
        ("x", reals), ("label", st.sampled_from([0.0, 1.0])), ("vague", st.booleans())
    )}  # fmt: skip
    prior, sharpness = data.draw(shares), data.draw(powers)
    x = at(*draw["x"]).requires_grad_()
    draw["label"] = [
        0.0 if vague else label for label, vague in zip(draw["label"], draw["vague"], strict=True)
    ]
    scored = cells(x, [not vague for vague in draw["vague"]], draw["label"])
    losses = BCE()(IDL(prior, sharpness, 0.0)(scored, BCE(), LATE))
    whole = (losses.labelled + losses.unlabelled).mean()
    arguments = (draw["x"], draw["label"], draw["vague"], prior, sharpness)
    assert float(whole.detach()) == pytest.approx(inverse.batch_loss(*arguments), rel=1e-7, abs=FLAT)
    (gradient,) = torch.autograd.grad(whole, x)
    assert gradient.tolist() == pytest.approx(inverse.batch_slopes(*arguments), rel=1e-7, abs=FLAT)


@given(st.floats(-3, 3))
def test_the_closed_form_is_the_ratio_of_ratios(x):
    yes, no = softplus(-at(x)), softplus(at(x))
    a, b = no / (yes + 1e-9), yes / (no + 1e-9)
    torch.testing.assert_close(annotated(at(x)), a / (a + b), rtol=0, atol=2e-10)


@given(reals, powers)
def test_at_an_even_prior_labels_are_odd_and_losses_even(x, sharpness):
    part = replace(AUTHORS, sharpness=sharpness)
    torch.testing.assert_close(annotated(at(-x), part), 1 - annotated(at(x), part), rtol=0, atol=1e-12)
    torch.testing.assert_close(dual(at(-x), part), dual(at(x), part))


@given(reals)
def test_the_dual_loss_is_a_harmonic_form_of_both_losses(x):
    yes, no = softplus(-at(x)), softplus(at(x))
    torch.testing.assert_close(dual(at(x)), yes * no * (yes + no) / (yes**2 + no**2))


@given(st.floats(-8, 8), shares, powers)
def test_finite_differences_with_the_label_held_give_the_gradient(x, prior, sharpness):
    part, h = IDL(prior, sharpness, 0.0), 1e-5
    label = annotated(at(x), part)
    higher, lower = (softplus(at(y)) - label * y for y in (x + h, x - h))
    torch.testing.assert_close(slope(at(x), part), (higher - lower) / (2 * h), rtol=1e-5, atol=1e-8)


def test_finite_differences_without_holding_the_label_do_not():
    h, x = 1e-5, at(0.5)
    free = (dual(x + h) - dual(x - h)) / (2 * h)
    assert abs(float(free - slope(x))) > 0.1


@given(reals, powers)
def test_no_pull_is_larger_than_a_half_at_an_even_prior(x, sharpness):
    assert slope(at(x), replace(AUTHORS, sharpness=sharpness)).abs() <= 0.5


def test_at_another_prior_a_pull_may_be_larger():
    x = torch.linspace(-12, 12, 2401, dtype=torch.float64)
    assert float(slope(x, IDL(0.02, 1.0, 0.0)).abs().max()) == pytest.approx(0.67, abs=5e-3)


def test_the_largest_pull_of_the_authors_setting():
    x = torch.linspace(0, 5, 5001, dtype=torch.float64)
    pull = -slope(x)
    assert float(pull.max()) == pytest.approx(0.2193, abs=5e-5)
    assert float(x[pull.argmax()]) == pytest.approx(0.85, abs=0.01)


@given(reals)
def test_a_vanishing_prior_labels_everything_a_no(x):
    assert annotated(at(x / 5), IDL(1e-30, 2.0, 0.0)) < 1e-6


@given(reals)
def test_a_certain_prior_labels_everything_a_yes(x):
    assert annotated(at(x / 5), IDL(1 - 1e-16, 2.0, 0.0)) > 0.999


@given(reals, shares)
def test_a_vanishing_sharpness_leaves_the_prior(x, prior):
    assert float(annotated(at(x), IDL(prior, 1e-9, 0.0))) == pytest.approx(prior, abs=1e-6)


@given(st.floats(0.1, 30), shares)
def test_a_large_sharpness_is_a_threshold_at_a_half(x, prior):
    part = IDL(prior, 1e4, 0.0)
    assert annotated(at(x, -x), part).tolist() == pytest.approx([1.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_labels_are_finite_in_every_precision(dtype):
    x = torch.linspace(-200, 200, 401).to(dtype)
    label = soft_label(softplus(-x), softplus(x))
    assert label.isfinite().all()
    assert (label.diff() >= 0).all()


def test_labels_carry_no_gradient():
    x = at(0.3, -2.0).requires_grad_()
    scored = AUTHORS(cells(x), BCE(), LATE)
    assert not scored.labels.requires_grad
    assert all(not note.requires_grad for note in scored.notes.values())


def test_what_the_log_says_stays():
    x = at(1.0, -1.0, 2.0)
    scored = AUTHORS(cells(x, [True, True, True], [0.0, 1.0, 1.0]), BCE(), LATE)
    assert scored.labels[:, 0].tolist() == [0.0, 1.0, 1.0]


def test_a_batch_without_unlabelled_pairs_is_plain_cross_entropy():
    scored = cells(at(1.0, -1.0), [True, True], [0.0, 1.0])
    found, plain = BCE()(AUTHORS(scored, BCE(), LATE)), BCE()(scored)
    assert torch.equal(found.labelled, plain.labelled)
    assert (found.unlabelled == 0).all()
    assert found.unlabelled_share == 0


def test_without_any_pair_there_is_no_division_by_zero():
    losses = BCE()(AUTHORS(scored_of(torch.zeros(0, 3)), BCE(), LATE))
    assert losses.unlabelled_share == 0


def test_dropped_candidates_keep_their_label():
    scored = cells(at(3.0, 3.0))
    scored = replace(scored, log_weights=torch.tensor([[0.0], [-torch.inf]], dtype=torch.float64))
    assert AUTHORS(scored, BCE(), LATE).labels[:, 0].tolist() == [pytest.approx(0.999746, abs=1e-6), 0.0]


def test_temperature_reaches_the_label():
    scheme = idl(temperature=0.5, prior=0.5, warmup=0.0)
    run = Run(WITH_NOES, MFConfig(dim=4, scale=1.0), scheme)
    batch = next(iter(run.loader.epoch(0, 0)))
    _, _, before = run.step.scored(batch, run.step.scheme.sampler(batch, seeded()))
    vectors = run.step.backbone.vectors()
    plain = torch.einsum("qd,qcd->qc", vectors.users[batch.users], vectors.items[before.items[:, 1:]])
    after = scheme.refiners[0](before, scheme.objective, LATE)
    wanted = annotated(plain.flatten().double() / 0.5)
    torch.testing.assert_close(after.labels[:, 1:].flatten().double(), wanted, rtol=0, atol=1e-5)


def test_a_label_that_another_refiner_raised_stays():
    raised = cells(at(-3.0, -3.0, 3.0), labels=[0.9, 0.0, 0.2])
    found = AUTHORS(raised, BCE(), LATE).labels[:, 0].tolist()
    assert found == pytest.approx([0.9, 0.000254, 0.999746], abs=1e-6)


@pytest.mark.parametrize("sampler", [Nothing(), Explicit()], ids=repr)
def test_without_unlabelled_candidates_it_is_refused(sampler):
    with pytest.raises(SchemeError, match=r"IDL (refines sampled|asks what silence)"):
        Scheme(sampler, BCE(), refiners=(IDL(),))


@pytest.mark.parametrize("epochs", [1, 2])
def test_the_warm_up_is_plain_cross_entropy_bit_for_bit(epochs):
    runs = [Run(YES_ONLY, MFConfig(dim=4), scheme) for scheme in (idl(warmup=2.0), bce())]
    for run in runs:
        run.fit(epochs)
    assert same(*(run.parameters() for run in runs))


def test_after_the_warm_up_it_is_not():
    runs = [Run(YES_ONLY, MFConfig(dim=4), scheme) for scheme in (idl(warmup=2.0), bce())]
    for run in runs:
        run.fit(3)
    assert not same(*(run.parameters() for run in runs))


@pytest.mark.parametrize(("step", "started"), [(0, False), (14, False), (15, True), (40, True)])
def test_a_warm_up_of_one_and_a_half_epochs_ends_within_one(step, started):
    assert IDL(warmup=1.5).starts(Clock(step // 10, 9, step, 10)) is started


def test_the_defaults_are_cautious():
    assert not IDL().starts(Clock(0, 9, 9, 10))
    assert IDL().starts(Clock(1, 9, 10, 10))
    assert torch.equal(annotated(at(1.0), IDL()), annotated(at(1.0), IDL(0.1, 2.0, 0.0)))


def test_the_log_hears_the_mean_probability_and_the_share_over_a_half():
    scored = AUTHORS(cells(at(1.0, -1.0, 0.5, 7.0), [False, False, False, True]), BCE(), LATE)
    expected = at(1.0, -1.0, 0.5).sigmoid().mean()
    torch.testing.assert_close(scored.notes["p"], expected)
    assert float(scored.notes["p_over_half"]) == pytest.approx(2 / 3)


def test_the_log_hears_of_the_warm_up_too():
    heard = []
    run = Run(YES_ONLY, MFConfig(dim=4), idl(warmup=5.0))
    run.fit(1, callbacks=[lambda event: heard.append(event) and None])
    (terms,) = [event.terms for event in heard if isinstance(event, EpochEnd)]
    assert 0 < terms["p"] < 1
    assert 0 <= terms["p_over_half"] <= 1


def test_notes_are_no_part_of_the_loss():
    run = Run(YES_ONLY, MFConfig(dim=4), idl(warmup=5.0, l2=0.0))
    batch = next(run.loader.epoch(0))
    candidates = run.step.scheme.sampler(batch, torch.Generator().manual_seed(0))
    terms = run.step(batch, candidates, Clock(0, 1, 0, 1))
    assert set(terms.values()) == {"labelled", "unlabelled", "p", "p_over_half"}
    total = terms.values()["labelled"] + terms.values()["unlabelled"]
    assert float(terms.total().detach()) == pytest.approx(total)


def test_explicit_noes_are_learned_from_as_such():
    labels = (np.arange(len(WITH_NOES.users)) % 3 > 0).astype(np.float32)
    run = Run(replace(WITH_NOES, labels=labels), MFConfig(dim=8), idl(prior=0.5, warmup=0.0, negatives=1))
    run.fit(30)
    vectors = run.step.backbone.vectors()
    users, items = (torch.from_numpy(ids.astype(np.int64)) for ids in (WITH_NOES.users, WITH_NOES.items))
    scores = (vectors.users[users] * vectors.items[items]).sum(1)
    assert scores[labels == 1].mean() > 0 > scores[labels == 0].mean()


@pytest.mark.parametrize(
    ("options", "sampler"),
    [({}, Uniform(4)), ({"negatives": 2}, Uniform(2)), ({"draw": "impressions"}, Shown(4))],
    ids=str,
)
def test_unlabelled_pairs_come_from_a_sampler_or_the_users_impressions(options, sampler):
    assert idl(**options).sampler == sampler


def test_options_reach_the_parts():
    scheme = idl(prior=0.3, sharpness=1.0, warmup=2.0, similarity="cosine", temperature=0.2, l2=0.1)
    assert scheme.refiners == (IDL(0.3, 1.0, 2.0),)
    assert scheme.objective == BCE(0.2, "cosine")
    assert scheme.regularisers == (EmbeddingNorm(0.1),)
    assert idl(l2=0.0).regularisers == ()


@pytest.mark.parametrize("draw", ["uniform", "impressions"])
def test_it_trains_on_either_draw(draw):
    run = Run(WITH_NOES, MFConfig(dim=4), idl(draw=draw))
    run.fit(2)
    assert all(value.isfinite().all() for value in run.parameters().values())


@pytest.mark.parametrize(
    ("sampler", "objective"),
    [(Uniform(), BPR()), (Uniform(), SampledSoftmax()), (Nothing(), CatalogueSoftmax())],
    ids=repr,
)
def test_a_loss_without_one_of_each_candidate_is_refused(sampler, objective):
    with pytest.raises(SchemeError, match=f"IDL asks .* {type(objective).__name__} has none: use bce"):
        Scheme(sampler, objective).with_(IDL())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prior": 0.0}, "prior is a share between 0 and 1, not 0.0"),
        ({"prior": 1.0}, "prior is a share between 0 and 1, not 1.0"),
        ({"prior": float("nan")}, "prior is a share"),
        ({"sharpness": 0.0}, "sharpness must be positive, not 0.0"),
        ({"sharpness": float("inf")}, "sharpness must be positive, not inf"),
        ({"warmup": -1.0}, "warmup is a number of epochs, at least 0, not -1.0"),
    ],
)
def test_bad_options_are_refused(options, said):
    with pytest.raises(OptionError, match=said):
        idl(**options)


def test_another_draw_is_refused():
    preset = IDLScheme()
    object.__setattr__(preset, "draw", "popularity")  # past the checker of types that runs under pytest
    with pytest.raises(OptionError, match='draw cannot be "popularity": choose one of uniform, impressions'):
        preset.__post_init__()
