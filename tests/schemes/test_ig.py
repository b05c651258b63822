"""IG on linear logits: every figure of its worked examples, its properties, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers.inverse import (
    CASES,
    DOT,
    EITHER,
    EXACT,
    EXPLORE,
    FIRST,
    META,
    PLAIN_PROBE,
    SECOND,
    TABLE,
    Linear,
    decided,
    double,
)
from longhand import inverse
from tacit.errors import OptionError, SchemeError
from tacit.kernels.gradients import inner
from tacit.parts.objectives import BPR, CatalogueSoftmax, SampledSoftmax
from tacit.parts.samplers import Nothing, Uniform
from tacit.parts.updates import displaced
from tacit.schemes.idl import IDL, idl
from tacit.schemes.ig import InverseGradient
from tacit.schemes.scheme import Scheme
from tacit.types import Terms


def test_the_labels_of_the_unlabelled_rows_are_those_of_the_table():
    found = Linear(META["A"]).annotated().labels[:, 0]
    torch.testing.assert_close(found, double([0.760039, 0.703721]), **EXACT)


def test_the_unlabelled_gradient_is_that_of_the_table():
    problem = Linear(META["A"])
    assert float(problem.unlabelled().sum().detach()) == pytest.approx(0.626119, abs=1e-6)
    gradient = problem.gradient(problem.unlabelled())
    torch.testing.assert_close(gradient, double([-0.093604, 0.024302]), **EXACT)


@CASES
def test_the_meta_gradient_is_that_of_the_table(case):
    problem = Linear(META[case])
    found = problem.gradient(problem.meta().rows["labelled"])
    torch.testing.assert_close(found, double(TABLE[case][6]), **EXACT)


@CASES
def test_the_product_is_that_of_the_table(case):
    problem = Linear(META[case])
    found = inner(problem.gradient(problem.meta().rows["labelled"]), problem.gradient(problem.unlabelled()))
    assert found == pytest.approx(TABLE[case][2], abs=1e-6)


@CASES
def test_the_meta_losses_of_the_three_points_are_those_of_the_table(case):
    problem = Linear(META[case])
    gradient = problem.gradient(problem.unlabelled())
    for step, expected in zip((-0.5, 0.0, 0.5), TABLE[case][0], strict=True):
        with displaced([problem.theta], [gradient], step):
            assert problem.meta().values()["labelled"] == pytest.approx(expected, abs=1e-6)


@EITHER
@CASES
def test_the_decision_is_that_of_the_table(case, rule):
    terms = Linear(META[case]).step(rule)
    assert decided(terms) == TABLE[case][1]
    assert float(terms.notes["meta"]) == pytest.approx(TABLE[case][0][1], abs=1e-6)


@EITHER
@CASES
def test_the_step_without_labelled_pairs_is_that_of_the_table(case, rule):
    problem = Linear(META[case])
    problem.step(rule)
    torch.testing.assert_close(problem.theta.detach(), double(TABLE[case][3]), **EXACT)


@EITHER
@CASES
def test_the_step_with_labelled_pairs_is_that_of_the_table(case, rule):
    problem = Linear(META[case], labelled=META[case])
    problem.step(rule)
    torch.testing.assert_close(problem.theta.detach(), double(TABLE[case][4]), **EXACT)


@CASES
def test_the_step_of_the_authors_rule_is_that_of_the_table(case):
    problem = Linear(META[case])
    problem.step(EXPLORE)
    torch.testing.assert_close(problem.theta.detach(), double(TABLE[case][5]), **EXACT)


@pytest.mark.parametrize(
    ("case", "losses", "s", "theta"),
    [
        ("A", (0.531981, 0.536108, 0.540259), 1, (0.52, -0.22)),
        ("B", (0.891981, 0.886108, 0.880259), -1, (0.48, -0.18)),
        ("C", (0.711981, 0.711108, 0.710259), -1, (0.48, -0.18)),
    ],
)
def test_steps_of_signs_are_those_of_a_fresh_adam(case, losses, s, theta):
    problem = Linear(META[case])
    along = problem.gradient(problem.unlabelled()).sign()
    for step, expected in zip((-0.01, 0.0, 0.01), losses, strict=True):
        with displaced([problem.theta], [along], step):
            assert problem.meta().values()["labelled"] == pytest.approx(expected, abs=1e-6)
    rule = InverseGradient("probe", "sign", "explore", eta=0.01, warmup=0.0)
    adam = torch.optim.Adam([problem.theta], lr=0.01, eps=1e-16)
    assert decided(problem.step(rule, optimizer=adam)) == s
    torch.testing.assert_close(problem.theta.detach(), double(theta), **EXACT)


@CASES
def test_with_the_authors_other_loop_a_step_on_labelled_pairs_comes_first(case):
    labelled = ([FIRST, SECOND, [1.0, 1.0]], [1.0, 1.0, 0.0])
    both, apart = (Linear(META[case], labelled=labelled) for _ in range(2))
    both.step(replace(EXPLORE, loops=True))
    (gradient,) = torch.autograd.grad(apart.supervised(labelled).sum(), apart.theta)
    apart.theta.data -= 0.1 * gradient
    apart.step(EXPLORE)
    torch.testing.assert_close(both.theta, apart.theta, rtol=0, atol=1e-12)


@CASES
def test_without_labelled_pairs_the_other_loop_does_nothing(case):
    problem = Linear(META[case])
    problem.step(replace(EXPLORE, loops=True))
    torch.testing.assert_close(problem.theta.detach(), double(TABLE[case][5]), **EXACT)


def at_the_optimum() -> Linear:
    meta = ([FIRST, FIRST, FIRST, SECOND, SECOND, SECOND], [1.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    return Linear(meta, theta=[log(2), -log(2)])


def test_at_the_optimum_of_the_meta_loss_the_parameters_stay_bit_for_bit():
    problem = at_the_optimum()
    before = problem.theta.detach().clone()
    gradient = problem.gradient(problem.unlabelled())
    assert float(problem.unlabelled().sum().detach()) == pytest.approx(0.529653, abs=1e-6)
    torch.testing.assert_close(gradient, double([-0.094480, 0.073347]), **EXACT)
    for step, expected in ((-0.5, 0.636712), (0.0, 0.636514), (0.5, 0.636714)):
        with displaced([problem.theta], [gradient], step):
            assert problem.meta().values()["labelled"] == pytest.approx(expected, abs=1e-6)
    assert decided(problem.step(PLAIN_PROBE)) == 0
    assert torch.equal(problem.theta.detach(), before)


def test_a_dead_zone_stops_a_product_that_it_holds():
    assert decided(Linear(META["A"]).step(replace(DOT, dead_zone=0.0232))) == 0
    assert decided(Linear(META["A"]).step(replace(DOT, dead_zone=0.0231))) == 1


def test_a_dead_zone_stops_a_gain_that_it_holds():
    gain = 0.536108 - 0.524676
    assert decided(Linear(META["A"]).step(replace(PLAIN_PROBE, dead_zone=gain + 1e-5))) == 0
    assert decided(Linear(META["A"]).step(replace(PLAIN_PROBE, dead_zone=gain - 1e-5))) == 1


vectors = st.lists(st.floats(-2, 2), min_size=3, max_size=3)
matrices = st.lists(vectors, min_size=1, max_size=4)


@st.composite
def problems(draw: Any) -> dict[str, Any]:
    rows, meta, labelled = draw(matrices), draw(matrices), draw(matrices)
    labels = [draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=len(m), max_size=len(m)))
              for m in (meta, labelled)]  # fmt: skip
    return {
        "rows": rows, "theta": draw(vectors), "meta": (meta, labels[0]), "labelled": (labelled, labels[1]),
        "prior": draw(st.floats(0.05, 0.95)), "sharpness": draw(st.sampled_from([1.0, 2.0, 3.0])),
    }  # fmt: skip


def made(problem: dict[str, Any]) -> Linear:
    return Linear(
        problem["meta"],
        rows=problem["rows"],
        theta=problem["theta"],
        labelled=problem["labelled"],
        annotate=IDL(problem["prior"], problem["sharpness"], 0.0),
    )


@settings(max_examples=200)
@given(problems(), st.sampled_from(["identity", "sign"]), st.sampled_from([0.01, 0.5]))
def test_probe_and_step_agree_with_their_longhand_twin(problem, direction, eta):
    theta, meta = problem["theta"], problem["meta"]
    unlabelled = inverse.unlabelled_gradient(problem["rows"], theta, problem["prior"], problem["sharpness"])
    assume(direction == "identity" or min(map(abs, unlabelled)) > 1e-12)
    along = unlabelled if direction == "identity" else inverse.signs(unlabelled)
    points = [inverse.mean_bce(*meta, inverse.moved(theta, along, step)) for step in (-eta, 0.0, eta)]
    gaps = (points[0] - points[1], points[2] - points[1], points[0] - points[2])
    assume(min(map(abs, gaps)) > 1e-12)
    s = inverse.decision(*points)
    twin = made(problem)
    terms = twin.step(InverseGradient("probe", direction, eta=eta, warmup=0.0))
    assert decided(terms) == s
    labelled = inverse.bce_gradient(*problem["labelled"], theta)
    expected = inverse.moved(inverse.moved(theta, labelled, -0.1), unlabelled, -0.1 * s)
    assert twin.theta.tolist() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=200)
@given(problems())
def test_the_authors_rule_agrees_with_its_longhand_twin(problem):
    theta, meta = problem["theta"], problem["meta"]
    along = inverse.unlabelled_gradient(problem["rows"], theta, problem["prior"], problem["sharpness"])
    points = [inverse.mean_bce(*meta, inverse.moved(theta, along, step)) for step in (-0.5, 0.0, 0.5)]
    gaps = (points[0] - points[1], points[2] - points[1], points[0] - points[2])
    assume(min(map(abs, gaps)) > 1e-12)
    there = inverse.moved(theta, along, -0.5 * inverse.decision(*points))
    expected = inverse.moved(there, inverse.bce_gradient(*meta, there), -0.1)
    twin = made(problem)
    twin.step(EXPLORE)
    assert twin.theta.tolist() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=200)
@given(problems(), st.sampled_from(["identity", "sign"]))
def test_a_short_probe_decides_as_the_product(problem, direction):
    meta = inverse.bce_gradient(*problem["meta"], problem["theta"])
    along = inverse.unlabelled_gradient(
        problem["rows"], problem["theta"], problem["prior"], problem["sharpness"]
    )
    assume(direction == "identity" or min(map(abs, along)) > 1e-12)
    along = along if direction == "identity" else inverse.signs(along)
    assume(abs(sum(a * b for a, b in zip(meta, along, strict=True))) > 1e-3)
    rules = InverseGradient("dot", direction, warmup=0.0), InverseGradient("probe", direction, eta=1e-6)
    found = [decided(made(problem).step(replace(rule, warmup=0.0))) for rule in rules]
    assert found[0] == found[1] != 0


@given(problems(), st.floats(0.01, 100))
def test_the_scale_of_the_unlabelled_loss_changes_no_step_of_signs(problem, factor):
    rule = InverseGradient("probe", "sign", eta=0.01, warmup=0.0)
    plain, scaled = made(problem), made(problem)
    assume(float(plain.gradient(plain.unlabelled()).abs().min()) > 1e-12)
    unlabelled = scaled.unlabelled
    scaled.unlabelled = lambda: factor * unlabelled()  # type: ignore[method-assign]
    assert decided(plain.step(rule, 0.0)) == decided(scaled.step(rule, 0.0))


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_meta_loss_that_is_no_number_decides_nothing(broken):
    problem, calls = Linear(META["B"]), []
    meta = problem.meta

    def sometimes() -> Terms:
        calls.append(1)
        return Terms(
            {"labelled": meta().rows["labelled"] * (torch.nan if len(calls) == broken + 1 else 1)}, {}
        )

    problem.meta = sometimes  # type: ignore[method-assign]
    assert decided(problem.step(PLAIN_PROBE)) == 0


def test_a_product_that_is_no_number_decides_nothing():
    problem = Linear(META["A"])
    meta = problem.meta
    problem.meta = lambda: Terms({"labelled": meta().rows["labelled"] * torch.nan}, {})  # type: ignore[method-assign]
    before = problem.theta.detach().clone()
    assert decided(problem.step(DOT)) == 0
    assert torch.equal(problem.theta.detach(), before)


@EITHER
def test_groups_are_decided_each_by_itself(rule):
    opposed = Linear(([FIRST], [1.0]), rows=[[1.0, 0.0], [-1.0, 0.0]], theta=[0.5, 0.0])
    before = opposed.theta.detach().clone()
    terms = opposed.step(replace(rule, groups=2))
    assert [float(terms.notes[name]) for name in ("direct", "stay", "inverse")] == [1.0, 0.0, 0.0]
    mixed = Linear(([FIRST, SECOND], [1.0, 0.0]), rows=[[1.0, 0.0], [0.0, 1.0]], theta=[0.5, 0.5])
    terms = mixed.step(replace(rule, groups=2))
    assert [float(terms.notes[name]) for name in ("direct", "stay", "inverse")] == [0.5, 0.0, 0.5]
    assert mixed.theta.tolist()[0] > 0.5 > mixed.theta.tolist()[1]
    assert not torch.equal(opposed.theta.detach(), before)


def test_a_group_is_probed_along_the_mean_of_its_own_rows():
    meta, rows, theta = ([FIRST, SECOND], [0.0, 0.0]), [[1.0, 0.0], [0.0, 1.0]], [1.2, 0.9]
    alone = [Linear(meta, rows=[row], theta=theta) for row in rows]
    expected = [decided(one.step(replace(PLAIN_PROBE, eta=8.0))) for one in alone]
    terms = Linear(meta, rows=rows, theta=theta).step(replace(PLAIN_PROBE, eta=8.0, groups=2))
    assert float(terms.notes["inverse"]) == expected.count(-1) / 2


@pytest.mark.parametrize(
    ("sampler", "objective"),
    [(Uniform(), BPR()), (Uniform(), SampledSoftmax()), (Nothing(), CatalogueSoftmax())],
    ids=repr,
)
def test_a_loss_that_cannot_be_split_is_refused(sampler, objective):
    said = f"InverseGradient asks .* {type(objective).__name__} has none: use bce"
    with pytest.raises(SchemeError, match=said):
        Scheme(sampler, objective).with_(DOT)


def test_a_clip_is_refused():
    with pytest.raises(SchemeError, match=r"this scheme's update is InverseGradient: leave training\.clip"):
        idl().with_(DOT).clipped(1.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": 0}, "groups must be at least 1, not 0"),
        ({"dead_zone": -1.0}, r"dead_zone must be at least 0, not -1\.0"),
        ({"dead_zone": float("nan")}, "dead_zone must be at least 0, not nan"),
        ({"warmup": -2.0}, r"warmup must be at least 0, not -2\.0"),
        ({"decide": "probe", "eta": 0.0}, r"eta .* must be positive, not 0\.0"),
        ({"eta": 0.1}, 'eta is the length of a probe: leave it out, or set decide = "probe"'),
        ({"rule": "explore"}, 'use "probe" and groups = 1'),
        ({"rule": "explore", "decide": "probe", "groups": 2}, 'use "probe" and groups = 1'),
        ({"loops": True}, 'loops is of rule = "explore"'),
    ],
)
def test_bad_options_are_refused(options, said):
    with pytest.raises(OptionError, match=said):
        InverseGradient(**options)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("decide", '"dot" or "probe"'),
        ("direction", '"identity" or "sign"'),
        ("rule", '"gradient" or "explore"'),
        ("judge", '"sampled" or "labelled"'),
    ],
)
def test_an_unknown_word_is_refused(name, said):
    part = InverseGradient()
    object.__setattr__(part, name, "other")  # past the checker of types that runs under pytest
    with pytest.raises(OptionError, match=f'{name} is {said}, not "other"'):
        part.__post_init__()
