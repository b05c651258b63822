"""Rivals against the worked numbers of their papers' formulas."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny import batch_of, random_data, scored_of, seeded, tiny
from longhand import rivals as longhand
from tacit.backbones.mf import MFConfig
from tacit.errors import OptionError
from tacit.kernels.rows import Rows
from tacit.parts.miners import HardestK
from tacit.parts.objectives import BCE, BPR, SampledSoftmax
from tacit.parts.samplers import Nothing, Uniform
from tacit.schemes.desorec import Decoupled
from tacit.schemes.rivals.adt import ReweightedLoss, TruncatedLoss, r_ce, t_ce
from tacit.schemes.rivals.contrastive import (
    BilateralSoftmax,
    CosineContrastive,
    bsl,
    ccl,
)
from tacit.schemes.rivals.directau import Alignment, Uniformity, directau, uniformity
from tacit.schemes.rivals.dns import dns
from tacit.schemes.rivals.gbce import CalibratedBCE, gbce
from tacit.schemes.rivals.smoothing import (
    SmoothedCatalogueSoftmax,
    SmoothedScheme,
    SmoothedSoftmax,
    label_smoothing,
)
from tacit.schemes.scheme import Scheme
from tacit.scoring import TableItems
from tacit.training.step import Step
from tacit.types import Candidates, Clock, Encoded, Scored


def test_the_calibrated_weight_of_a_target():
    for items, candidates, wanted in ((11, 3, 0.475), (3417, 256, 0.306206), (3, 5, 1.0)):
        found = CalibratedBCE(0.75, _n_items=items).weight(torch.tensor([candidates]))
        assert found.item() == pytest.approx(wanted, abs=1e-6)


def test_without_calibration_it_is_bce():
    scored = scored_of(torch.randn(4, 6, generator=seeded(), dtype=torch.float64))
    ours, plain = CalibratedBCE(0.0, _n_items=20)(scored), BCE()(scored)
    torch.testing.assert_close(ours.labelled, plain.labelled)
    torch.testing.assert_close(ours.unlabelled, plain.unlabelled)


def test_an_explicit_no_weighs_what_it_does_under_bce():
    scores = torch.tensor([[0.3], [0.3]], dtype=torch.float64)
    scored = scored_of(scores, labels=torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    found = torch.stack([part for _, part in CalibratedBCE(0.75, _n_items=11)(scored).items()]).sum(0)
    plain = torch.stack([part for _, part in BCE()(scored).items()]).sum(0)
    torch.testing.assert_close(found / plain, torch.tensor([1.0, 0.25], dtype=torch.float64))


@pytest.mark.parametrize("part", [CalibratedBCE, Decoupled, SmoothedSoftmax, SmoothedCatalogueSoftmax])
def test_options_of_an_objective_are_checked_where_it_is_made(part):
    with pytest.raises(OptionError, match="temperature must be a positive number"):
        part(temperature=float("inf"))


def test_smoothing_is_checked_where_its_options_are_said():
    with pytest.raises(OptionError, match="temperature"):
        SmoothedScheme(temperature=-1.0)


def test_a_calibration_is_a_share():
    with pytest.raises(OptionError, match="calibration"):
        gbce(calibration=1.5)


LATE = Clock(1000, 10, 50, 100)


def row(*scores: float):
    return scored_of(torch.tensor([scores], dtype=torch.float64))


def one_sided(scores: list[float], labels: list[float]):
    """One target a row and no candidate beside it."""
    values = torch.tensor(scores, dtype=torch.float64)[:, None]
    return scored_of(values, labels=torch.tensor(labels, dtype=torch.float64)[:, None])


@pytest.mark.parametrize(
    ("objective", "scored", "wanted"),
    [
        (CosineContrastive(0.5, 10.0), row(0.6, 0.2, 0.7, -0.1, 0.95), 2.025),
        (BilateralSoftmax(0.2, 1.1), row(3.0, 1.0, -0.5, 1.5), -0.739547),
        (SmoothedSoftmax(1.0, 0.1), row(2.0, 1.0, -1.0, 0.5), 0.632682),
        (Alignment(), row(0.99), 0.02),
        (CalibratedBCE(0.75, _n_items=11), row(2.0, 1.0, -1.0, 0.5), 0.665223),
    ],
    ids=["ccl", "bsl", "label smoothing", "alignment", "gbce"],
)
def test_loss_of_the_worked_example(objective, scored, wanted):
    assert sum(part.item() for _, part in objective(scored).items()) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [([[3.0, 4.0], [4.0, 3.0], [0.0, 2.0]], -0.690904), ([[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0]], -2.209467)],
)
def test_uniformity_of_the_worked_example(rows, wanted):
    x = torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float64), dim=1)
    assert uniformity(x).item() == pytest.approx(wanted, abs=1e-6)


def test_gradient_of_uniformity_agrees_with_finite_differences():
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda rows: uniformity(torch.nn.functional.normalize(rows, dim=1)), (x,))


USERS, ITEMS = [[3.0, 4.0], [4.0, 3.0], [0.0, 2.0]], [[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0]]


class Paired(torch.nn.Module):
    """A backbone of given float64 vectors; training pair k is user k with item k."""

    reads, interests = "pairs", 1

    def __init__(self, users: list[list[float]], items: list[list[float]]) -> None:
        super().__init__()
        self.users, self.items = (
            torch.nn.Parameter(torch.tensor(rows, dtype=torch.float64)) for rows in (users, items)
        )
        self.n_users, self.n_items, self.dim = len(users), len(items), len(users[0])
        self.data = tiny([(row, row) for row in range(len(users))], len(users), len(items))

    def forward(self, batch):
        return Encoded(Rows(self.users, batch.users), TableItems(self.items))

    def vectors(self):
        raise NotImplementedError

    def loss(self, scheme: Scheme) -> torch.Tensor:
        """Of all pairs, through a step."""
        every = list(range(self.n_users))
        batch, bound = batch_of(every, every), scheme.bind(self.data)
        return Step(self, bound)(batch, bound.sampler(batch, seeded()), LATE).total()


@pytest.mark.parametrize("strength", [0.0, 1.0, 5.0])
def test_directau_of_the_worked_example(strength):
    wanted = 0.468629 + strength * 0.5 * (-0.690904 - 2.209467)
    assert Paired(USERS, ITEMS).loss(directau(strength=strength)).item() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("strength", [0.5, 5.0])
def test_uniformity_of_a_batch_is_the_mean_of_both_sides(strength):
    backbone = Paired(USERS, ITEMS)
    every = torch.arange(3)
    candidates = Candidates(every, torch.zeros((3, 0), dtype=torch.int64), torch.zeros((3, 0)))
    batch = batch_of([0, 1, 2], [0, 1, 2])
    found = Uniformity(strength)(backbone(batch), batch, candidates)
    assert found.item() == pytest.approx(strength * 0.5 * (-0.690904 - 2.209467), abs=1e-5)


def test_gradients_of_directau_agree_with_finite_differences():
    backbone = Paired(USERS, ITEMS)
    backbone.loss(directau(strength=0.7)).backward()
    for at, table in enumerate((backbone.users, backbone.items)):
        assert table.grad is not None
        numeric = torch.zeros_like(table)
        for row in range(3):
            for axis in range(2):
                values = []
                for step in (1e-6, -1e-6):
                    moved = [[list(vector) for vector in rows] for rows in (USERS, ITEMS)]
                    moved[at][row][axis] += step
                    values.append(Paired(*moved).loss(directau(strength=0.7)))
                numeric[row, axis] = (values[0] - values[1]) / 2e-6
        assert torch.allclose(table.grad.to_dense(), numeric, atol=1e-8)


@pytest.mark.parametrize(("similarity", "read"), [("dot", [1, 1, 0]), ("cosine", [1, 1, 1])])
def test_uniformity_reads_the_interest_that_is_scored(similarity, read):
    items = torch.tensor(ITEMS)
    queries = torch.tensor([[[-9.0, -1.0], row] for row in USERS])
    batch = batch_of([0, 1, 2], [0, 1, 2])
    candidates = Candidates(batch.targets, torch.zeros((3, 0), dtype=torch.int64), torch.zeros((3, 0)))
    several, one = (
        Uniformity(similarity=similarity)(Encoded(vectors, TableItems(items)), batch, candidates)
        for vectors in (queries, queries[torch.arange(3), read][:, None])
    )
    assert torch.equal(several, one)


cells = st.tuples(st.floats(-3, 3), st.sampled_from([0.0, 0.25, 1.0, 1.0]))
candidates = st.lists(cells, min_size=1, max_size=6)


def weighed(target: float, cells: list[tuple[float, float]]) -> tuple[Scored, list[float], list[float]]:
    """A row of candidates with weights, as a step and as loops have it; what is dropped scores +inf."""
    values = [score if weight else torch.inf for score, weight in cells]
    logs = torch.tensor([[1.0, *(weight for _, weight in cells)]], dtype=torch.float64).log()
    scored = scored_of(torch.tensor([[target, *values]], dtype=torch.float64), log_weights=logs)
    return scored, [score for score, _ in cells], [weight for _, weight in cells]


@settings(max_examples=200)
@given(st.floats(-1, 1), candidates, st.floats(-1, 1), st.floats(0, 400))
def test_cosine_contrastive_loss_agrees_with_loops(target, cells, margin, weight):
    scored, row, weights = weighed(target, cells)
    wanted = longhand.cosine_contrastive(target, row, weights, margin, weight)
    assert CosineContrastive(margin, weight)(scored).labelled.item() == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=200)
@given(st.floats(-3, 3), candidates, st.floats(0.1, 2))
def test_bilateral_loss_agrees_with_loops(target, cells, ratio):
    scored, row, weights = weighed(target, cells)
    wanted = longhand.bilateral(target, row, weights, ratio)
    assert BilateralSoftmax(0.1, ratio)(scored).labelled.item() == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=200)
@given(st.floats(-3, 3), candidates, st.floats(0, 1))
def test_smoothed_loss_agrees_with_loops(target, cells, smoothing):
    scored, row, weights = weighed(target, cells)
    wanted = longhand.smoothed(target, row, weights, smoothing)
    assert SmoothedSoftmax(0.1, smoothing)(scored).labelled.item() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("objective", [BilateralSoftmax(), SmoothedSoftmax(), CosineContrastive()], ids=str)
def test_an_infinite_score_that_is_dropped_has_no_gradient(objective):
    scores = torch.tensor([[0.5, torch.inf, 0.2], [0.5, torch.inf, torch.inf]], requires_grad=True)
    dropped = torch.where(scores.detach() == torch.inf, -torch.inf, 0.0)
    loss = objective(scored_of(scores, log_weights=dropped)).labelled
    (gradient,) = torch.autograd.grad(loss.sum(), scores)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()
    assert (gradient[scores == torch.inf] == 0).all()


vectors = st.lists(st.sampled_from([-2.0, -0.7, 0.1, 0.4, 1.5]), min_size=3, max_size=3)


@settings(max_examples=200)
@given(st.lists(st.tuples(vectors, vectors), min_size=1, max_size=6), st.floats(0, 5))
def test_directau_agrees_with_loops(pairs, strength):
    users, items = ([list(row) for row in side] for side in zip(*pairs, strict=True))
    found = Paired(users, items).loss(directau(strength=strength))
    assert found.item() == pytest.approx(longhand.directau(users, items, strength), abs=1e-9)


@settings(max_examples=200)
@given(st.lists(vectors, min_size=1, max_size=8), st.floats(0.1, 4))
def test_uniformity_agrees_with_loops(rows, scale):
    x = torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float64), dim=1)
    assert uniformity(x, scale).item() == pytest.approx(longhand.uniformity(rows, scale), abs=1e-9)


@given(st.floats(-3, 3), candidates)
def test_without_smoothing_the_loss_is_the_sampled_softmax(target, cells):
    scored = weighed(target, [(score, 1.0) for score, _ in cells])[0]
    plain = SampledSoftmax(0.1, "cosine", correction=False)(scored).labelled.item()
    assert SmoothedSoftmax(0.1, 0.0)(scored).labelled.item() == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_a_smoothed_catalogue_softmax_over_every_item_is_the_smoothed_softmax(smoothing):
    scored = row(2.0, 1.0, -1.0, 0.5)
    whole = replace(scored, log_rest=scored.scores[:, 1:].logsumexp(1))
    found = SmoothedCatalogueSoftmax(1.0, smoothing, _n_items=4)(whole).labelled.item()
    assert found == pytest.approx(SmoothedSoftmax(1.0, smoothing)(scored).labelled.item(), abs=1e-12)


def test_what_a_user_knows_counts_in_the_mean_of_the_catalogue():
    data = tiny([(0, item) for item in range(5)], 1, 10)
    bound = label_smoothing(over="catalogue", negatives=2000).bind(data)
    found = bound.sampler(batch_of([0], [2]), seeded())
    assert set(found.others[found.valid[0]].tolist()) == set(range(10)) - {2}
    plain = Uniform(2000, shared=True).bind(data)(batch_of([0], [2]), seeded())
    assert set(plain.others[plain.valid[0]].tolist()) == set(range(5, 10))
    with pytest.raises(OptionError, match="set shared = True with it"):
        Uniform(known=True)


def test_a_smoothed_catalogue_softmax_asks_to_be_bound():
    with pytest.raises(OptionError, match=r"call bind\(data\) first"):
        SmoothedCatalogueSoftmax()(row(1.0, 0.5))


def test_without_strength_directau_is_alignment():
    backbone = Paired(USERS, ITEMS)
    aligned = backbone.loss(Scheme(Nothing(), Alignment()))
    assert torch.equal(backbone.loss(directau(strength=0.0)), aligned)


def test_with_one_candidate_dynamic_sampling_is_bpr():
    data, totals = random_data(0), []
    batch = batch_of(data.users.tolist(), data.items.tolist())
    for scheme in (dns(negatives=1, kept=1, l2=0.0), Scheme(Uniform(1), BPR())):
        step = Step(MFConfig(dim=4).build(data, seeded()), scheme.bind(data))
        totals.append(step(batch, step.scheme.sampler(batch, seeded(1)), LATE).total())
    assert torch.equal(*totals)


def test_losses_of_the_worked_example_before_truncation():
    scored = one_sided([2.0, 0.5, -1.0, 0.3], [1.0, 1.0, 1.0, 0.0])
    losses = sum(part for _, part in BCE()(scored).items())
    assert losses.tolist() == pytest.approx([0.126928, 0.474077, 1.313262, 0.854355], abs=1e-6)
    assert (losses * scored.labels[:, 0]).argsort().tolist()[:3] == [3, 0, 1]


def test_truncated_loss_of_the_worked_example():
    scored = one_sided([2.0, 0.5, -1.0, 0.3], [1.0, 1.0, 1.0, 0.0])
    kept = TruncatedLoss(0.25, growth=0.0)(scored, BCE(), LATE)
    assert (kept.log_weights[:, 0] == -torch.inf).tolist() == [False, False, True, False]
    loss = BCE(normalise="kept")(kept)
    total = sum(part.sum() for _, part in loss.items())
    assert total.item() / len(kept.scores) == pytest.approx(0.485120, abs=1e-6)


def test_a_rate_of_a_fifth_truncates_two_fifths_of_the_positives_beside_as_many_candidates():
    scored = scored_of(torch.arange(20, dtype=torch.float64).view(10, 2))
    kept = TruncatedLoss(0.2, growth=0.0)(scored, BCE(), LATE)
    assert (kept.log_weights == -torch.inf).sum(0).tolist() == [4, 0]


def test_reweighted_loss_of_the_worked_example():
    scored = one_sided([2.0, -1.0, 0.5], [1.0, 1.0, 0.0])
    loss = BCE()(ReweightedLoss(0.25)(scored, BCE(), LATE))
    terms = sum(part for _, part in loss.items())
    assert terms.tolist() == pytest.approx([0.122964, 0.945727, 0.763544], abs=1e-6)


scores = st.lists(st.floats(-4, 4), min_size=2, max_size=6)


@given(scores)
def test_without_power_the_reweighted_loss_is_plain(values):
    scored = row(*values)
    assert torch.equal(ReweightedLoss(0.0)(scored, BCE(), LATE).log_weights, scored.log_weights)


@given(scores)
def test_without_a_rate_the_truncated_loss_is_plain(values):
    scored = row(*values)
    assert TruncatedLoss(0.0)(scored, BCE(), LATE) is scored


@given(scores, st.floats(-3, 3))
def test_a_constant_does_not_change_a_smoothed_softmax(values, constant):
    moved = [value + constant for value in values]
    losses = [SmoothedSoftmax(1.0, 0.2)(row(*scores)).labelled.item() for scores in (values, moved)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-9)


@given(st.lists(st.floats(-1, 0.4), min_size=1, max_size=6))
def test_candidates_below_the_margin_cost_nothing(others):
    assert CosineContrastive(0.4, 300.0)(row(0.8, *others)).labelled.item() == pytest.approx(0.2)


def test_presets_hold_their_parts():
    assert t_ce().refiners == (TruncatedLoss(),)
    assert t_ce().objective == BCE(normalise="kept")
    assert r_ce(power=0.1).refiners == (ReweightedLoss(0.1),)
    assert directau(strength=5.0).regularisers == (Uniformity(5.0, similarity="cosine"),)
    assert directau().sampler == Nothing()
    assert ccl(margin=0.9).objective == CosineContrastive(0.9)
    assert bsl(ratio=1.2).objective == BilateralSoftmax(0.1, 1.2)
    assert label_smoothing().objective == SmoothedSoftmax()
    assert label_smoothing(over="catalogue").objective == SmoothedCatalogueSoftmax(0.1, similarity="cosine")
    assert (dns(negatives=8).sampler, dns().objective, dns().refiners) == (Uniform(8), BPR(), (HardestK(1),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TruncatedLoss(1.0), r"rate is a share in \[0, 1\), not 1.0"),
        (lambda: t_ce(rate=0.2, negatives=8), "none would be left; set it below 0.11"),
        (lambda: BilateralSoftmax(0.0), "temperature and ratio must be positive"),
        (lambda: BilateralSoftmax(float("inf")), "must be positive numbers, not inf"),
        (lambda: CosineContrastive(weight=float("inf")), "weight a number of at least 0, not 0.4 and inf"),
        (lambda: SmoothedSoftmax(float("inf")), "temperature must be a positive number"),
        (lambda: SmoothedSoftmax(0.1, 2.0), r"smoothing in \[0, 1\]"),
        (lambda: Uniformity(-1.0), "strength must be a number of at least 0"),
        (lambda: Uniformity(float("nan")), "strength must be a number of at least 0 and scale one above it"),
        (lambda: Uniformity(scale=float("inf")), "scale one above it, not 1.0 and inf"),
        (lambda: dns(negatives=4, kept=8), "kept = 8 of negatives = 4 keeps all: set it lower, or use bpr"),
        (lambda: dns(negatives=4, kept=4), "keeps all"),
    ],
)
def test_refuses_options_without_meaning(make, message):
    with pytest.raises(OptionError, match=message):
        make()
