"""DLI on paper: worked examples (D1-D9 of its specification), edges, properties, and its longhand twin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helpers.tiny import random_data, scored_of, seeded
from longhand import dli as longhand
from tacit.errors import OptionError, SchemeError
from tacit.parts.criteria import Criterion, Margin, OwnLoss, Stable, belief, named
from tacit.parts.latent import Latent
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, PositiveOnly, SampledSoftmax
from tacit.parts.pool import Pool
from tacit.parts.regularisers import EmbeddingNorm
from tacit.parts.samplers import Nothing, Uniform
from tacit.schemes.dli import DLI, DLIScheme, dli
from tacit.schemes.plain import bpr, softmax
from tacit.schemes.rivals.adt import ReweightedLoss
from tacit.schemes.scheme import Scheme
from tacit.types import Clock, Scored

NOW = Clock(1, 10, 8, 8)
SCORES = [[1.2, 0.5, 2.0, -1.0, 0.1], [0.3, 1.5, -0.4, 0.9, -2.0]]
FULL, PARTIAL, STRICT, HALF = (1.0, 1.0), (1.0, 0.5), (1.0, 0.0), (0.5, 0.5)
OBJECTIVES = {"bce": BCE(), "bpr": BPR(), "sampled-softmax": SampledSoftmax(correction=False)}


@dataclass(frozen=True, eq=False)
class Given:
    """An outside criterion of one's own."""

    values: Tensor
    own: ClassVar[bool] = False

    def bind(self, data):
        return self

    def __call__(self, scored, objective):
        return self.values


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def leaf(values: object = SCORES) -> Tensor:
    return tensor(values).requires_grad_()


def part(criterion: str | Criterion = "loss", rate: float = 0.25, **options: Any) -> DLI:
    """Everything at once and without a gate, unless said otherwise."""
    own = named(criterion).own
    return DLI(
        criterion=criterion,
        rate=rate,
        **{"warmup": 0.0, "growth": 0.0, "gate": 0.0 if own else None, **options},
    )


def refined(at: Tensor, objective: Any, criterion: str | Criterion = "loss", **options: Any) -> Scored:
    return part(criterion, **options)(scored_of(at), objective, NOW)


def strengths(scored: Scored) -> Tensor:
    """rho, whichever way it is written."""
    written = scored.labels[:, 1:]
    return (written if bool(written.any()) else 1 - scored.log_weights[:, 1:].exp()).detach()


def untouched(after, before):
    """The same tensors: nothing of the loss can differ."""
    return after.labels is before.labels and after.log_weights is before.log_weights


def mean(objective: Any, scored: Scored) -> Tensor:
    return sum(part.sum() for _, part in objective(scored).items()) / len(scored.scores)


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


# ------------------------------------------------------------------------------- worked examples


@pytest.mark.parametrize(
    ("criterion", "expected", "levels"),
    [
        (
            OwnLoss(),
            [[0.974077, 2.126928, 0.313262, 0.744397], [1.701413, 0.513015, 1.241154, 0.126928]],
            [[0, 2, 0, 0], [1, 0, 0, 0]],
        ),
        (
            Margin(),
            [[0.403186, 1.171101, 0.105083, 0.287335], [1.463282, 0.403186, 1.037488, 0.095545]],
            [[0, 1, 0, 0], [2, 0, 0, 0]],
        ),
    ],
    ids=["loss", "margin"],
)
def test_d1_criteria_and_levels(criterion, expected, levels):
    scored = scored_of(leaf())
    torch.testing.assert_close(criterion(scored, BCE()), tensor(expected), rtol=0, atol=1e-6)
    found = strengths(part(criterion, strengths=(0.2, 0.1))(scored, BCE(), NOW))
    torch.testing.assert_close(found, tensor(levels) / 10)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [("bce", 0.855881), ("bpr", 0.620776), ("sampled-softmax", 1.667416)],
)
def test_d2_to_d4_plain_losses(objective, expected):
    assert mean(OBJECTIVES[objective], scored_of(leaf())).item() == near(expected)


@pytest.mark.parametrize(
    ("levels", "fixed", "kept", "reverse"),
    [
        (FULL, 0.473047, 0.591309, 0.505881),
        (PARTIAL, 0.558118, 0.656609, 0.580881),
        (STRICT, 0.643188, 0.714654, 0.655881),
        (HALF, 0.664464, 0.738293, 0.680881),
    ],
    ids=["full", "partial", "strict", "uniform"],
)
def test_d2_bce(levels, fixed, kept, reverse):
    truncated = refined(leaf(), BCE(), strengths=levels)
    assert mean(BCE(), truncated).item() == near(fixed)
    assert mean(BCE(normalise="kept"), truncated).item() == near(kept)
    assert mean(BCE(), refined(leaf(), BCE(), loss="reverse", strengths=levels)).item() == near(reverse)


@pytest.mark.parametrize(
    ("loss", "levels", "expected"),
    [
        ("truncate", PARTIAL, (0.0, 0.040879)),
        ("reverse", FULL, (-0.011920, -0.018243)),
        ("reverse", PARTIAL, (-0.011920, 0.031757)),
    ],
)
def test_d2_gradients_of_bce_at_selected_cells(loss, levels, expected):
    at = leaf()
    mean(BCE(), refined(at, BCE(), loss=loss, strengths=levels)).backward()
    assert (at.grad[0, 2].item(), at.grad[1, 1].item()) == (near(expected[0]), near(expected[1]))


def test_d2_everything_selected():
    truncated = refined(leaf(), BCE(), rate=1.0, strengths=FULL)
    assert mean(BCE(), truncated).item() == near(0.081764)
    assert mean(BCE(normalise="kept"), truncated).item() == near(0.408819)
    reversed_ = refined(leaf(), BCE(), loss="reverse", rate=1.0, strengths=FULL)
    assert mean(BCE(), reversed_).item() == near(0.695881)


@pytest.mark.parametrize(
    ("loss", "levels", "expected"),
    [
        ("truncate", FULL, 0.291478),
        ("truncate", PARTIAL, 0.364672),
        ("reverse", FULL, 0.332979),
        ("reverse", PARTIAL, 0.398060),
    ],
)
def test_d3_bpr(loss, levels, expected):
    assert mean(BPR(), refined(leaf(), BPR(), "margin", loss=loss, strengths=levels)).item() == near(expected)


@pytest.mark.parametrize(
    ("loss", "joint", "levels", "rows", "whole"),
    [
        ("truncate", False, FULL, (0.662822, 1.229337), 0.946080),
        ("truncate", False, PARTIAL, (1.116135, 1.229337), 1.172736),
        ("reverse", False, FULL, (0.507614, 0.888318), 0.697966),
        ("reverse", False, PARTIAL, (0.861558, 0.888318), 0.874938),
        ("reverse", True, FULL, (1.026908, 1.307923), 1.167416),
        ("reverse", True, PARTIAL, (1.160242, 1.307923), 1.234083),
    ],
)
def test_d4_softmax(loss, joint, levels, rows, whole):
    objective = SampledSoftmax(joint=joint)
    scored = refined(leaf(), objective, "margin", loss=loss, strengths=levels)
    assert objective(scored).labelled.tolist() == [near(rows[0]), near(rows[1])]
    assert mean(objective, scored).item() == near(whole)


def test_d4_gradient_of_the_partly_reversed_softmax():
    at = leaf()
    mean(SampledSoftmax(), refined(at, SampledSoftmax(), "margin", loss="reverse")).backward()
    expected = [[0.080361, 0.071993, 0.017931, 0.053868], [-0.105372, 0.057943, 0.212610, 0.011698]]
    torch.testing.assert_close(at.grad[:, 1:], tensor(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("step", "power", "expected"),
    [
        *(
            (step, 1, value)
            for step, value in zip((0, 100, 101, 200, 300), (0, 0, 0.0005, 0.05, 0.1), strict=True)
        ),
        (500, 1, 0.2),
        (900, 1, 0.2),
        (200, 2, 0.0125),
        (300, 2, 0.05),
    ],
)
def test_d5_rate(step, power, expected):
    found = DLI(rate=0.2, warmup=10, growth=40, power=power).share(Clock(step // 10, 100, step, 10))
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(longhand.share(step, 0.2, 100, 400, power), abs=1e-12)


def test_without_growth_the_rate_is_a_step():
    found = [DLI(rate=0.2, warmup=1, growth=0).share(Clock(0, 9, step, 10)) for step in (9, 10, 11)]
    assert found == [0, 0.2, 0.2]


def test_d8_weights_of_the_reweighted_loss():
    weights = ReweightedLoss(0.25)(scored_of(leaf()), BCE(), NOW).log_weights.exp()
    assert (weights[0, 2].item(), weights[1, 1].item()) == (near(0.587586), near(0.653539))


def test_d8_strengths_of_positive_unlabelled_learning_are_read_as_any_others():
    at, rho = leaf(), [[0.412180, 1.0, 0.091970, 0.276293], [1.0, 0.167580, 0.614901, 0.033834]]
    scored = scored_of(at, labels=torch.cat([torch.ones(2, 1).double(), tensor(rho)], 1))
    seen = belief(scored, BCE())
    torch.testing.assert_close((0.25 * seen / (1 - seen)).clamp(max=1), tensor(rho), rtol=0, atol=1e-6)
    mean(BCE(), scored).backward()
    torch.testing.assert_close(at.grad[:, 1:], (seen - tensor(rho)) / at.numel())


# ----------------------------------------------------------------------------------------- edges


@pytest.mark.parametrize(
    ("shape", "rate", "count"), [((10, 3), 0.1, 3), ((1, 100), 0.29, 29), ((1, 100), 0.53, 53)]
)
@pytest.mark.parametrize("scope", ["batch", "row"])
def test_d9_counts_are_not_lost_to_rounding(shape, rate, count, scope):
    if scope == "row" and shape[0] > 1:
        shape, count = (1, 30), 3
    at = torch.randn(shape[0], 1 + shape[1], generator=seeded(), dtype=torch.float64)
    assert (strengths(refined(at, BCE(), rate=rate, scope=scope)) > 0).sum() == count


@pytest.mark.parametrize("values", [0.0, 3.5])
def test_d9_of_equal_candidates_the_first_are_selected(values):
    found = strengths(refined(torch.full((2, 5), values, dtype=torch.float64), BCE(), strengths=FULL))
    assert found.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]


def test_in_each_row_too():
    found = strengths(refined(torch.zeros(2, 5, dtype=torch.float64), BCE(), scope="row", strengths=FULL))
    assert found.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("scope", ["batch", "row"])
def test_d9_nan_is_never_selected_and_stays_in_the_loss(objective, scope):
    at = leaf()
    at.data[0, 3] = torch.nan
    after = refined(at, objective, rate=1.0, scope=scope, strengths=FULL)
    assert strengths(after)[0, 2] == 0
    assert mean(objective, after).isnan()


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_d9_an_infinite_score_can_be_dropped(objective):
    at = leaf()
    at.data[0, 3] = torch.inf
    after = refined(at, objective, strengths=FULL)
    assert strengths(after)[0, 2] == 1
    mean(objective, after).backward()
    assert mean(objective, after).isfinite()
    assert at.grad.isfinite().all()


@pytest.mark.parametrize("loss", ["truncate", "reverse"])
def test_d9_a_row_without_valid_candidates_is_left_alone(loss):
    observed = torch.tensor([[True, True, True, True, True], [True, False, False, False, False]])
    weights = torch.zeros(2, 5, dtype=torch.float64)
    weights[0, 3:] = -torch.inf
    before = scored_of(leaf(), observed=observed, log_weights=weights)
    after = part(loss=loss, rate=1.0)(before, BCE(), NOW)
    assert torch.equal(after.labels[0], before.labels[0])
    assert torch.equal(after.log_weights[0], before.log_weights[0])
    assert (strengths(after)[1] > 0).all()


def test_invalid_cells_do_not_count_for_the_rate():
    observed = torch.zeros(2, 5, dtype=torch.bool)
    observed[:, 0] = observed[:, 3:] = True
    after = part(rate=0.5, strengths=FULL)(scored_of(leaf(), observed=observed), BCE(), NOW)
    assert strengths(after).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


def test_d9_rows_keep_what_they_must():
    after = refined(leaf(), BCE(), rate=1.0, min_keep=1, strengths=FULL)
    assert strengths(after).tolist() == [[1, 1, 0, 1], [1, 1, 1, 0]]


@pytest.mark.parametrize(
    ("objective", "loss", "kept"),
    [
        ("bce", "truncate", 0),
        ("bce", "reverse", 0),
        ("bpr", "truncate", 0),
        ("bpr", "reverse", 1),
        ("sampled-softmax", "truncate", 1),
        ("sampled-softmax", "reverse", 1),
    ],
)
def test_a_row_keeps_one_candidate_where_the_loss_needs_it(objective, loss, kept):
    found = strengths(refined(leaf(), OBJECTIVES[objective], rate=1.0, loss=loss, strengths=FULL))
    assert (found == 0).sum(1).tolist() == [kept, kept]


def test_d9_a_lone_candidate_has_nothing_to_be_promoted_against():
    at = leaf([[0.2, 1.4]])
    after = refined(at, BPR(), loss="reverse", rate=1.0, min_keep=0, strengths=FULL)
    assert mean(BPR(), after).item() == 0


def test_d9_a_lone_candidate_is_kept():
    before = scored_of(leaf([[0.2, 1.4]]))
    assert untouched(part(loss="reverse", rate=1.0)(before, BPR(), NOW), before)


def test_levels_are_given_over_the_batch_in_rows_too():
    after = refined(leaf(), BCE(), rate=0.5, scope="row", strengths=(0.9, 0.1))
    torch.testing.assert_close(strengths(after), tensor([[0.1, 0.9, 0, 0], [0.9, 0, 0.1, 0]]))


@pytest.mark.parametrize(
    ("loss", "gate", "expected"),
    [
        ("truncate", None, [[1, 1, 0, 1], [1, 0, 1, 0]]),
        ("reverse", None, [[0, 1, 0, 0], [1, 0, 1, 0]]),
        ("reverse", 0.85, [[0, 1, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_the_gate_is_on_the_models_own_probability(loss, gate, expected):
    found = refined(leaf(), BCE(), loss=loss, rate=1.0, gate=gate, strengths=FULL)
    assert strengths(found).tolist() == expected


def test_under_bpr_the_gate_is_on_the_probability_over_the_target():
    found = refined(leaf(), BPR(), "margin", rate=1.0, gate=None, strengths=FULL)
    assert strengths(found).tolist() == [[0, 1, 0, 0], [1, 0, 1, 0]]


def test_an_outside_criterion_selects_only_what_it_speaks_for():
    values = tensor([[0.0, -1, 2, 3], [0, torch.nan, torch.inf, -torch.inf]])
    found = refined(leaf(), BCE(), Given(values), rate=1.0, strengths=FULL)
    assert strengths(found).tolist() == [[0, 0, 1, 1], [0, 0, 1, 0]]


def test_labels_that_are_there_already_are_never_lowered():
    labels = tensor([[1.0, 0.7, 0.7, 0, 0], [1.0, 0, 0, 0, 0]])
    after = part(loss="reverse", strengths=HALF)(scored_of(leaf(), labels=labels), BCE(), NOW)
    assert after.labels.tolist() == [[1, 0.7, 0.7, 0, 0], [1, 0.5, 0, 0, 0]]


# ---------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("loss", ["truncate", "reverse"])
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize(
    "options",
    [{"rate": 0.0}, {"warmup": 2.0}, {"growth": 3.0, "warmup": 1.0}, {"gate": 1.0}, {"rate": 0.12}],
    ids=["rate zero", "warm-up", "start of the ramp", "gate", "less than one"],
)
def test_where_nothing_is_selected_the_loss_is_the_plain_one_bit_for_bit(loss, objective, options):
    before = scored_of(leaf())
    after = part(loss=loss, **options)(before, objective, NOW)
    assert untouched(after, before)


def test_without_candidates_there_is_nothing_to_refine():
    before = scored_of(leaf([[1.0], [2.0]]))
    assert untouched(part()(before, BCE(), NOW), before)


def test_the_log_hears_that_nothing_is_selected_yet():
    after = part(warmup=2.0)(scored_of(leaf()), BCE(), NOW)
    assert after.notes["selected"] == 0


# ------------------------------------------------------------------------------------ properties


@st.composite
def cases(draw):
    """Random scores without ties, and an objective with a way to refine it."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    at = 2 * torch.randn(
        rows, 1 + columns, generator=seeded(draw(st.integers(0, 10**6))), dtype=torch.float64
    )
    objective = OBJECTIVES[draw(st.sampled_from(sorted(OBJECTIVES)))]
    options = {
        "criterion": draw(st.sampled_from(["loss", "margin"])),
        "loss": draw(st.sampled_from(["truncate", "reverse"])),
        "rate": draw(st.floats(0.1, 1)),
        "scope": draw(st.sampled_from(["batch", "row"])),
        "strengths": draw(st.sampled_from([FULL, PARTIAL, STRICT, HALF, (0.3, 0.1)])),
        "gate": draw(st.sampled_from([0.0, None])),
    }
    return at, objective, options


@given(case=cases(), seed=st.integers(0, 999))
def test_the_order_of_candidates_does_not_matter(case, seed):
    at, objective, options = case
    order = torch.randperm(at.shape[1] - 1, generator=seeded(seed)) + 1
    shuffled = torch.cat([at[:, :1], at[:, order]], 1)
    expected = mean(objective, refined(at, objective, **options))
    torch.testing.assert_close(mean(objective, refined(shuffled, objective, **options)), expected)


@given(case=cases(), constant=st.floats(-5, 5))
def test_a_rows_constant_changes_neither_selection_nor_loss_where_there_is_no_zero(case, constant):
    at, objective, options = case
    if isinstance(objective, BCE):
        objective = BPR()
    moved = at.clone()
    moved[0] += constant
    first, second = (refined(scores, objective, **options) for scores in (at, moved))
    assert torch.equal(strengths(first), strengths(second))
    torch.testing.assert_close(mean(objective, first), mean(objective, second))


@given(case=cases())
def test_truncation_never_adds_to_bce(case):
    at, _, options = case
    after = refined(at, BCE(), **{**options, "loss": "truncate"})
    assert mean(BCE(), after) <= mean(BCE(), scored_of(at)) + 1e-12


@given(case=cases())
def test_reversal_takes_the_selected_scores_off_bce(case):
    at, _, options = case
    after = refined(at, BCE(), **{**options, "loss": "reverse"})
    taken = (strengths(after) * at[:, 1:]).sum() / at.numel()
    torch.testing.assert_close(mean(BCE(), after), mean(BCE(), scored_of(at)) - taken)


@given(case=cases(), share=st.floats(0, 1))
def test_strength_enters_bce_linearly(case, share):
    at, _, options = case

    def loss(strength: float) -> Tensor:
        return mean(BCE(), refined(at, BCE(), **{**options, "strengths": (strength, strength)}))

    torch.testing.assert_close(loss(share), share * loss(1.0) + (1 - share) * loss(0.0))


@settings(max_examples=40)
@given(case=cases())
def test_gradients_agree_with_finite_differences_while_the_strengths_stand_still(case):
    at, objective, options = case
    after = refined(at, objective, **options)
    assert torch.autograd.gradcheck(
        lambda scores: mean(objective, replace(after, scores=scores)), (at.clone().requires_grad_(),)
    )


@given(case=cases())
def test_no_gradient_passes_the_criterion(case):
    at, objective, options = case
    through, around = at.clone().requires_grad_(), at.clone().requires_grad_()
    mean(objective, refined(through, objective, **options)).backward()
    mean(objective, replace(refined(at, objective, **options), scores=around)).backward()
    assert torch.equal(through.grad, around.grad)


# --------------------------------------------------------------------------------- longhand twin


@st.composite
def ragged(draw):
    """Scores with ties, and holes in the rows."""
    columns = draw(st.integers(1, 5))
    row = st.lists(
        st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0, 3.0]), min_size=1 + columns, max_size=1 + columns
    )
    holes = st.lists(st.booleans(), min_size=columns, max_size=columns)
    rows = draw(st.lists(st.tuples(row, holes), min_size=1, max_size=4))
    options = {
        "rate": draw(st.floats(0, 1)),
        "gate": draw(st.sampled_from([0.0, 0.4, 0.7])),
        "scope": draw(st.sampled_from(["batch", "row"])),
        "confident": draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        "strengths": draw(st.sampled_from([FULL, PARTIAL, STRICT, (0.4, 0.7)])),
        "min_keep": draw(st.integers(0, 2)),
    }
    names = draw(st.tuples(st.sampled_from(["loss", "margin"]), st.sampled_from(["truncate", "reverse"])))
    return [scores for scores, _ in rows], [hole for _, hole in rows], options, *names


@settings(max_examples=200)
@given(case=ragged(), name=st.sampled_from(sorted(OBJECTIVES)))
def test_equals_its_longhand(case, name):
    scores, holes, options, criterion, loss = case
    objective, pointwise = OBJECTIVES[name], name == "bce"
    invalid = torch.cat([torch.zeros(len(holes), 1, dtype=torch.bool), torch.tensor(holes)], 1)
    weights = torch.zeros(invalid.shape, dtype=torch.float64).masked_fill(invalid, -torch.inf)
    observed = invalid.clone()
    observed[:, 0] = True
    before = scored_of(tensor(scores), log_weights=weights, observed=observed)
    after = part(criterion, loss=loss, **options)(before, objective, NOW)

    targets = [row[0] for row in scores]
    others = [
        [score for score, hole in zip(row[1:], gaps, strict=True) if not hole]
        for row, gaps in zip(scores, holes, strict=True)
    ]
    values, beliefs = (
        [[of(target, score) for score in row] for target, row in zip(targets, others, strict=True)]
        for of in (
            lambda target, score: longhand.criterion(criterion, pointwise, target, score),
            lambda target, score: longhand.belief(pointwise, target, score),
        )
    )
    rho = longhand.strengths(
        values,
        beliefs,
        share=options["rate"],
        gate=options["gate"],
        scope=options["scope"],
        keep=options["min_keep"],
        confident=options["confident"],
        levels=options["strengths"],
    )
    expected = longhand.loss(name, loss == "reverse", targets, others, rho)
    assert mean(objective, after).item() == pytest.approx(expected, abs=1e-9)


# -------------------------------------------------------------------------- options and schemes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.5}, "rate must lie between 0 and 1, not 1.5"),
        ({"rate": float("nan")}, "rate must lie between"),
        ({"confident": -0.1}, "confident must lie between"),
        ({"strengths": (1.0, 1.5)}, "strengths must lie between 0 and 1, not 1.5"),
        ({"criterion": "loss", "gate": 2.0}, "gate must lie between"),
        ({"warmup": -1}, "warmup must not be negative, but is -1"),
        ({"growth": -1}, "growth must not be negative"),
        ({"min_keep": -1}, "min_keep must not be negative"),
        ({"power": 0}, "power must be positive, not 0"),
        ({"gate": 0.5}, "this criterion is from outside: leave gate out"),
    ],
    ids=str,
)
def test_bad_options_are_refused_with_the_mend(options, message):
    with pytest.raises(OptionError, match=message):
        DLI(**options).bind(random_data(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "full", "confident": 0.9}, 'mode = "full" knows one: leave confident out'),
        ({"objective": "sampled-softmax", "negatives": 1}, "negatives = 1 leaves none to select"),
        ({"objective": "bpr", "loss": "reverse", "negatives": 1}, "negatives = 1 leaves none to select"),
        ({"normalise": "kept", "loss": "reverse"}, 'use it with loss = "truncate" under bce or bpr'),
        ({"normalise": "kept", "objective": "sampled-softmax"}, "or leave it out"),
        ({"criterion": "stable", "shared": True}, "leave shared out, or judge otherwise"),
        ({"latent": 1.5}, "latent is a share of the examples between 0 and 1, not 1.5"),
        ({"pool": 64}, 'pool is of criterion = "stable"'),
        ({"best": 5}, "set latent to their share, or leave best out"),
        ({"joint": True}, 'use it with loss = "reverse" and objective = "sampled-softmax"'),
        ({"joint": True, "loss": "reverse", "objective": "bpr"}, "or leave it out"),
    ],
    ids=str,
)
def test_options_of_the_scheme_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        DLIScheme(**options)


@pytest.mark.parametrize(
    ("options", "course"),
    [
        ({}, (0.1, 0, 5)),
        ({"loss": "reverse", "criterion": "graph-filter"}, (0.1, 0, 5)),
        ({"criterion": "loss"}, (0.05, 5, 10)),
        ({"criterion": "stable", "loss": "reverse"}, (0.02, 5, 10)),
        ({"criterion": "margin", "rate": 0.0, "warmup": 0.0, "growth": 0.0}, (0, 0, 0)),
    ],
    ids=str,
)
def test_the_usual_course_follows_loss_and_criterion(options, course):
    assert DLI(**options).course == course


@pytest.mark.parametrize(
    ("options", "refiner"),
    [
        ({}, DLI()),
        ({"loss": "reverse", "mode": "full"}, DLI("reverse", strengths=FULL)),
        (
            {"criterion": "margin", "loss": "reverse", "mode": "strict"},
            DLI("reverse", "margin", STRICT),
        ),
        (
            {"rate": 0.0, "warmup": 0.5, "growth": 1.0, "confident": 0.2, "scope": "row"},
            DLI(rate=0.0, warmup=0.5, growth=1.0, confident=0.2, scope="row"),
        ),
    ],
    ids=str,
)
def test_options_reach_the_refiner(options, refiner):
    assert dli(**options).refiners == (refiner,)


@pytest.mark.parametrize(
    ("options", "objective"),
    [
        ({"normalise": "kept"}, BCE(normalise="kept")),
        ({"objective": "bpr", "similarity": "cosine"}, BPR(similarity="cosine")),
        (
            {"objective": "sampled-softmax", "temperature": 0.2, "loss": "reverse", "joint": True},
            SampledSoftmax(0.2, correction=False, joint=True),
        ),
    ],
    ids=str,
)
def test_options_reach_the_objective(options, objective):
    assert dli(**options).objective == objective


def test_options_reach_sampler_and_regulariser():
    scheme = dli(negatives=7, shared=True, l2=0.5)
    assert scheme.sampler == Uniform(7, shared=True)
    assert scheme.regularisers == (EmbeddingNorm(0.5),)
    assert dli(l2=0.0).regularisers == ()


@pytest.mark.parametrize("criterion", ["loss", "margin", "stable"])
@pytest.mark.parametrize("turned", [False, True])
def test_judging_itself_beside_a_miner_is_refused(criterion, turned):
    parts = [DLI(criterion=criterion), HardestK()]
    with pytest.raises(
        SchemeError, match=r'judge from outside .criterion = "neighbour".*, or drop the miner'
    ):
        Scheme(Pool(8), BPR()).with_(*(parts[::-1] if turned else parts))


@pytest.mark.parametrize("criterion", ["stable", Stable()], ids=["name", "object"])
def test_memory_asks_for_candidates_that_come_again(criterion):
    with pytest.raises(SchemeError, match=r"DLI remembers candidates, .* Uniform rarely return: use .* Pool"):
        bpr().with_(DLI(criterion=criterion))


def test_the_scheme_gives_memory_its_pool():
    scheme = dli(criterion="stable", negatives=3, pool=100)
    assert scheme.sampler == Pool(3, 100)
    assert scheme.refiners[0].criterion.size == 100


def test_latent_targets_are_a_sampler_around_the_sampler():
    assert dli(latent=0.3, best=7).sampler == Latent(Uniform(4), 0.3, 7)
    assert dli(latent=0.3, criterion="stable").sampler == Latent(Pool(4), 0.3)


def test_an_outside_witness_goes_with_a_miner():
    assert len(bpr(negatives=8).with_(DLI(), HardestK()).refiners) == 2


@pytest.mark.parametrize(
    "scheme", [softmax(), Scheme(Nothing(), PositiveOnly()), Scheme(Uniform(), CatalogueSoftmax())], ids=str
)
def test_without_sampled_candidates_it_is_refused(scheme):
    with pytest.raises(
        SchemeError, match=r"DLI refines sampled candidates.*: use bce, bpr or sampled-softmax"
    ):
        scheme.with_(DLI())


def test_the_log_says_whom_it_selected():
    notes = refined(tensor([[2.0, 1.5, -1.0, 0.5]]), BCE(), rate=1.0, gate=0.5).notes
    assert notes["selected"].item() == pytest.approx(2 / 3)
    assert notes["q_selected"].item() == pytest.approx(tensor([1.5, 0.5]).sigmoid().mean().item())
    assert notes["q_kept"].item() == pytest.approx(tensor(-1.0).sigmoid().item())


def test_by_margin_a_row_whose_target_is_a_no_selects_nobody():
    before = scored_of(tensor([[2.0, 0.5, 0.6], [-3.0, -1.0, -1.2]]))
    labels = before.labels.clone()
    labels[1, 0] = 0
    rho = strengths(part("margin", rate=0.5)(replace(before, labels=labels), BCE(), NOW))
    assert (rho[1] == 0).all()
    assert (rho[0] > 0).any()
