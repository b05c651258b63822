from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from helpers.tiny import scored_of
from longhand import losses as longhand
from tacit.errors import OptionError
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, PositiveOnly, SampledSoftmax
from tacit.protocols import CandidateObjective
from tacit.types import Losses

TARGETS = [1.2, 0.3]
OTHERS = [[0.5, 2.0, -1.0, 0.1], [1.5, -0.4, 0.9, -2.0]]
FULL = [[0.0, 1, 0, 0], [1, 0, 0, 0]]
BY_LOSS = [[0.0, 1, 0, 0], [0.5, 0, 0, 0]]  # the criterion `loss` ranks cell (0, 1) highest
BY_MARGIN = [[0.0, 0.5, 0, 0], [1, 0, 0, 0]]  # the criterion `margin` ranks cell (1, 0) highest
STRICT = [[0.0, 1, 0, 0], [0, 0, 0, 0]]
UNIFORM = [[0.0, 0.5, 0, 0], [0.5, 0, 0, 0]]
ALL = [[1.0] * 4] * 2
NONE = [[0.0] * 4] * 2


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def common() -> Tensor:
    return tensor([[2.0, 1, -1, 0.5]]).requires_grad_()


def scores() -> Tensor:
    return torch.cat([tensor(TARGETS)[:, None], tensor(OTHERS)], 1).requires_grad_()


def truncated(rho: list[list[float]], at: Tensor | None = None):
    weights = torch.cat([torch.zeros(2, 1, dtype=torch.float64), torch.log1p(-tensor(rho))], 1)
    return scored_of(scores() if at is None else at, log_weights=weights)


def reversed_(rho: list[list[float]], at: Tensor | None = None):
    labels = torch.cat([torch.ones(2, 1, dtype=torch.float64), tensor(rho)], 1)
    return scored_of(scores() if at is None else at, labels=labels)


def mean(losses: Losses) -> float:
    return sum(part.detach().sum().item() for _, part in losses.items()) / len(losses.labelled)


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


def test_bce_worked_example():
    assert mean(BCE()(scored_of(common()))) == near(0.681882)


def test_bpr_worked_example():
    assert mean(BPR()(scored_of(common()))) == near(0.187754)


def test_softmax_over_all_four_worked_example():
    assert mean(SampledSoftmax()(scored_of(common()))) == near(0.495182)


def test_sampled_softmax_corrected_on_both_sides_worked_example():
    log_q = tensor([[0.01, 0.2, 0.05, 0.1]]).log()
    assert mean(SampledSoftmax()(scored_of(common(), log_q=log_q))) == near(0.049423)


def test_sampled_softmax_corrected_on_negatives_only_worked_example():
    log_q = torch.cat([tensor([[0.0]]), (3 * tensor([[0.2, 0.05, 0.1]])).log()], 1)
    assert mean(SampledSoftmax()(scored_of(common(), log_q=log_q))) == near(0.989100)


def test_sampled_softmax_without_correction_ignores_log_q():
    log_q = tensor([[5.0, -3, 2, 1]])
    assert mean(SampledSoftmax(correction=False)(scored_of(common(), log_q=log_q))) == near(0.495182)


def test_info_nce_worked_example():
    assert mean(SampledSoftmax(0.2)(scored_of(tensor([[0.6, 0.2, -0.1, 0.3]]) / 0.2))) == near(0.328341)


def test_catalogue_softmax_worked_example():
    found = common()
    rest = found[:, 1:].logsumexp(1)
    assert mean(CatalogueSoftmax()(scored_of(found[:, :1], log_rest=rest))) == near(0.495182)


def test_catalogue_softmax_equals_cross_entropy():
    found = torch.randn(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = CatalogueSoftmax()(scored_of(found[:, :1], log_rest=found[:, 1:].logsumexp(1))).labelled
    expected = cross_entropy(found, torch.zeros(5, dtype=torch.int64), reduction="none")
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)


def test_positive_only_is_the_logistic_loss_of_the_target():
    assert mean(PositiveOnly()(scored_of(common()))) == near(0.126928)


@pytest.mark.parametrize(
    ("rho", "fixed", "kept", "reverse"),
    [
        (NONE, 0.855881, 0.855881, 0.855881),
        (FULL, 0.473047, 0.591309, 0.505881),
        (BY_LOSS, 0.558118, 0.656609, 0.580881),
        (STRICT, 0.643188, 0.714654, 0.655881),
        (UNIFORM, 0.664464, 0.738293, 0.680881),
        (ALL, 0.081764, 0.408819, 0.695881),
    ],
    ids=["none", "full", "partial", "strict", "uniform", "all"],
)
def test_bce_reads_confidences_as_worked_out(rho, fixed, kept, reverse):
    assert mean(BCE()(truncated(rho))) == near(fixed)
    assert mean(BCE(normalise="kept")(truncated(rho))) == near(kept)
    assert mean(BCE()(reversed_(rho))) == near(reverse)


@pytest.mark.parametrize(
    ("build", "rho", "expected"),
    [
        (truncated, BY_LOSS, (0.0, 0.040879)),
        (reversed_, FULL, (-0.011920, -0.018243)),
        (reversed_, BY_LOSS, (-0.011920, 0.031757)),
    ],
)
def test_bce_gradients_at_selected_cells(build, rho, expected):
    at = scores()
    losses = BCE()(build(rho, at))
    (sum(part.sum() for _, part in losses.items()) / 2).backward()
    assert (at.grad[0, 2].item(), at.grad[1, 1].item()) == (near(expected[0]), near(expected[1]))


@pytest.mark.parametrize(
    ("rho", "truncate", "reverse"),
    [(NONE, 0.620776, 0.620776), (FULL, 0.291478, 0.332979), (BY_MARGIN, 0.364672, 0.398060)],
    ids=["none", "full", "partial"],
)
def test_bpr_reads_confidences_as_worked_out(rho, truncate, reverse):
    assert mean(BPR()(truncated(rho))) == near(truncate)
    assert mean(BPR()(reversed_(rho))) == near(reverse)


@pytest.mark.parametrize(
    ("build", "rho", "rows"),
    [
        (truncated, NONE, (1.426908, 1.907923)),
        (truncated, FULL, (0.662822, 1.229337)),
        (truncated, BY_MARGIN, (1.116135, 1.229337)),
        (reversed_, FULL, (0.507614, 0.888318)),
        (reversed_, BY_MARGIN, (0.861558, 0.888318)),
    ],
)
def test_softmax_reads_confidences_as_worked_out(build, rho, rows):
    assert SampledSoftmax()(build(rho)).labelled.tolist() == [near(rows[0]), near(rows[1])]


@pytest.mark.parametrize(
    ("rho", "rows"),
    [(NONE, (1.426908, 1.907923)), (FULL, (1.026908, 1.307923)), (BY_MARGIN, (1.160242, 1.307923))],
    ids=["none", "full", "partial"],
)
def test_joint_softmax_reads_confidences_as_worked_out(rho, rows):
    assert SampledSoftmax(joint=True)(reversed_(rho)).labelled.tolist() == [near(rows[0]), near(rows[1])]


def test_a_dropped_infinite_score_stays_out_of_the_joint_softmax():
    at = scores().detach()
    at[0, 2] = torch.inf
    at.requires_grad_()
    weights = torch.zeros(2, 5, dtype=torch.float64)
    weights[0, 2] = -torch.inf
    labels = tensor([[1.0, 0.5, 0, 0, 0], [1.0, 0, 0, 0, 0]])
    loss = SampledSoftmax(joint=True)(scored_of(at, labels=labels, log_weights=weights)).labelled
    loss.sum().backward()
    assert loss.isfinite().all()
    assert at.grad.isfinite().all()


def test_bpr_promotes_only_against_candidates_that_nothing_promotes():
    labels = tensor([[1.0, 1.0, 0.5, 0.0]])
    found = mean(BPR()(scored_of(tensor([[0.0, 1.0, 2.0, 3.0]]), labels=labels)))
    pairs = 0.5 * longhand.softplus(2) + longhand.softplus(3)
    promoted = longhand.softplus(3 - 1) + 0.5 * longhand.softplus(3 - 2)
    assert found == near((pairs + promoted) / 3)


def test_softmax_gradient_under_partial_reversal():
    at = scores()
    SampledSoftmax()(reversed_(BY_MARGIN, at)).labelled.mean().backward()
    expected = [[0.080361, 0.071993, 0.017931, 0.053868], [-0.105372, 0.057943, 0.212610, 0.011698]]
    torch.testing.assert_close(at.grad[:, 1:], tensor(expected), rtol=0, atol=1e-6)


OBJECTIVES = [BCE(), BCE(normalise="kept"), BPR(), BPR(normalise="kept"), SampledSoftmax(), PositiveOnly()]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("score", [torch.inf, -torch.inf])
def test_dropped_infinite_scores_leave_loss_and_gradient_finite(objective, score):
    at = scores().detach()
    at[0, 2] = score
    at.requires_grad_()
    losses = objective(truncated(FULL, at))
    total = sum(part.sum() for _, part in losses.items())
    total.backward()
    assert total.isfinite()
    assert at.grad.isfinite().all()


def test_a_dropped_infinite_score_beside_a_promoted_candidate_stays_out_of_the_softmax():
    at = scores().detach()
    at[0, 2] = torch.inf
    at.requires_grad_()
    weights = torch.zeros(2, 5, dtype=torch.float64)
    weights[0, 2] = -torch.inf
    labels = torch.zeros(2, 5, dtype=torch.float64)
    labels[:, 0], labels[0, 1] = 1, 0.5
    loss = SampledSoftmax()(scored_of(at, labels=labels, log_weights=weights)).labelled
    loss.sum().backward()
    assert loss.isfinite().all()
    assert at.grad.isfinite().all()


@pytest.mark.parametrize("promoted", [False, True])
def test_a_row_whose_candidates_are_all_gone_costs_the_softmax_nothing(promoted):
    at = scores()
    scored = reversed_(ALL, at) if promoted else truncated(ALL, at)
    loss = SampledSoftmax()(scored).labelled
    loss.sum().backward()
    assert loss.isfinite().all()
    assert at.grad.isfinite().all()
    if not promoted:
        assert loss.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("promoted", [False, True])
def test_a_softmax_row_without_a_valid_candidate_is_left_out_of_the_mean(promoted):
    at = torch.cat([scores().detach(), scores().detach()[:1]]).requires_grad_()
    valid = torch.ones(3, 5, dtype=torch.bool)
    valid[1, 1:], valid[0, 3] = False, False
    weights = torch.zeros(3, 5, dtype=torch.float64).masked_fill(~valid, -torch.inf)
    labels = torch.zeros(3, 5, dtype=torch.float64)
    labels[:, 0], labels[2, 2] = 1, 0.5 * promoted
    observed = ~valid
    observed[:, 0] = True

    def of(rows: list[int], table: Tensor) -> Losses:
        told = {"labels": labels[rows], "log_weights": weights[rows], "observed": observed[rows]}
        return SampledSoftmax()(scored_of(table[rows], **told))

    assert mean(of([0, 1, 2], at)) == pytest.approx(mean(of([0, 2], at)), abs=1e-12)
    assert of([0, 1, 2], at).notes["left_out"] == pytest.approx(1 / 3)
    assert not of([0, 2], at).notes
    whole = torch.autograd.grad(of([0, 1, 2], at).labelled.sum() / 3, at)[0]
    rest = torch.autograd.grad(of([0, 2], at).labelled.sum() / 2, at)[0]
    torch.testing.assert_close(whole, rest, rtol=0, atol=1e-12)


def test_a_softmax_row_that_costs_nothing_counts_where_it_has_a_candidate():
    at = tensor([[900.0, 0.0], [0.0, 0.0]])
    weights = torch.zeros(2, 2, dtype=torch.float64)
    assert mean(SampledSoftmax()(scored_of(at, log_weights=weights))) == pytest.approx(0.5 * math.log(2))


def test_bpr_with_every_candidate_gone_is_zero():
    assert mean(BPR()(truncated(ALL))) == 0.0


def test_bpr_with_one_promoted_candidate_and_no_other_has_nothing_to_promote_against():
    scored = scored_of(tensor([[1.0, 2.0]]), labels=tensor([[1.0, 1.0]]))
    assert mean(BPR()(scored)) == 0.0


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_no_candidates_at_all(objective):
    losses = objective(scored_of(tensor([[0.3], [-1.0]]).requires_grad_()))
    total = sum(part.sum() for _, part in losses.items())
    total.backward()
    assert total.isfinite()


@settings(max_examples=30, deadline=None)
@given(weight=st.floats(0.01, 1), row=st.integers(0, 1), column=st.integers(0, 3))
def test_weights_enter_bce_linearly(weight, row, column):
    def at(value: float) -> float:
        rho = [[0.0] * 4, [0.0] * 4]
        rho[row][column] = 1 - value
        return mean(BCE()(truncated(rho)))

    assert at(weight) == pytest.approx(weight * at(1.0) + (1 - weight) * at(0.0), abs=1e-9)


rows_of = st.lists(st.floats(-6, 6), min_size=3, max_size=3)
shares = st.lists(st.sampled_from([0.0, 0.0, 0.3, 0.5, 0.9]), min_size=3, max_size=3)


@settings(max_examples=200, deadline=None)
@given(target=st.floats(-6, 6), row=rows_of, rho=shares, reverse=st.booleans())
def test_every_softmax_equals_its_longhand(target, row, rho, reverse):
    at = tensor([[target, *row]])
    labels = tensor([[1.0, *(rho if reverse else [0.0] * 3)]])
    kept = [1.0] * 3 if reverse else [1 - share for share in rho]
    scored = scored_of(at, labels=labels, log_weights=tensor([[1.0, *kept]]).log())
    shown = rho if reverse else [0.0] * 3
    expected = longhand.sampled_softmax(target, row, kept, shown)
    assert mean(SampledSoftmax()(scored)) == pytest.approx(expected, abs=1e-9)
    expected = longhand.joint_softmax(target, row, kept, shown)
    assert mean(SampledSoftmax(joint=True)(scored)) == pytest.approx(expected, abs=1e-9)


batches = st.lists(st.tuples(st.floats(-6, 6), rows_of, shares), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(batch=batches, reverse=st.booleans(), normalise=st.sampled_from(["fixed", "kept"]))
def test_a_batch_of_pairs_equals_its_longhand(batch, reverse, normalise):
    kept_alone = normalise == "kept" and not reverse
    targets, rows, rho = (list(column) for column in zip(*batch, strict=True))
    nothing = [[0.0] * 3 for _ in rows]
    kept = [[1 - share for share in shares] for shares in (nothing if reverse else rho)]
    shown = rho if reverse else nothing
    scored = scored_of(
        tensor([[target, *row] for target, row in zip(targets, rows, strict=True)]),
        labels=tensor([[1.0, *row] for row in shown]),
        log_weights=tensor([[1.0, *row] for row in kept]).log(),
    )
    by = normalise if kept_alone else "fixed"
    expected = longhand.bce(targets, rows, kept, shown, kept=kept_alone)
    assert mean(BCE(normalise=by)(scored)) == pytest.approx(expected, abs=1e-9)
    expected = longhand.bpr(targets, rows, kept, shown, kept=kept_alone)
    assert mean(BPR(normalise=by)(scored)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("objective", [SampledSoftmax(), BPR()], ids=repr)
def test_adding_a_constant_to_a_row_changes_nothing(objective):
    assert mean(objective(scored_of(scores() + 3))) == pytest.approx(mean(objective(scored_of(scores()))))


def test_bce_splits_what_the_log_says_from_what_it_does_not():
    observed = torch.zeros(2, 5, dtype=torch.bool)
    observed[:, :2] = True
    losses = BCE()(scored_of(scores(), observed=observed))
    expected = longhand.softplus(-1.2) + longhand.softplus(-0.3)
    expected += longhand.softplus(0.5) + longhand.softplus(1.5)
    assert losses.labelled.sum().item() / 2 == near(expected / 10)


def test_bce_of_an_explicit_no_pushes_the_target_down():
    at = tensor([[0.7, 0.0]]).requires_grad_()
    losses = BCE()(scored_of(at, labels=tensor([[0.0, 0.0]])))
    losses.labelled.sum().backward()
    assert at.grad[0, 0] > 0


def test_bce_under_is_the_loss_of_a_candidate_with_that_label():
    at = tensor([-2.0, 0.0, 3.0])
    assert BCE().under(at, 1).tolist() == [near(longhand.softplus(-x)) for x in (-2, 0, 3)]
    assert BCE().under(at, 0).tolist() == [near(longhand.softplus(x)) for x in (-2, 0, 3)]


@pytest.mark.parametrize(
    ("objective", "expected"), [(BCE(), True), (BPR(), False), (SampledSoftmax(), False)]
)
def test_only_bce_has_a_loss_of_each_candidate(objective, expected):
    assert isinstance(objective, CandidateObjective) is expected


@pytest.mark.parametrize("kind", [BCE, BPR, SampledSoftmax, CatalogueSoftmax, PositiveOnly])
@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperatures_must_be_positive(kind, temperature):
    with pytest.raises(OptionError, match="temperature must be positive"):
        kind(temperature)
