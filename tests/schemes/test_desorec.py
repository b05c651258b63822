"""DeSoRec: worked examples D1 to D5 and D9 of the specification, a dense twin, limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.tiny import batch_of, scored_of, seeded
from longhand import desorec as longhand
from tacit.data.softlabels import SoftLabels
from tacit.errors import DataError, OptionError, SchemeError
from tacit.kernels import catalogue
from tacit.parts.objectives import BCE, CatalogueSoftmax, SampledSoftmax
from tacit.parts.samplers import Uniform
from tacit.schemes.desorec import Decoupled, SoftCandidates
from tacit.schemes.directspec import DirectSpec
from tacit.schemes.dli import DLI
from tacit.schemes.idl import IDL
from tacit.schemes.ig import InverseGradient
from tacit.schemes.remi import InterestAware
from tacit.schemes.scheme import Scheme
from tacit.scoring import LocalItems, score
from tacit.types import Encoded

FIRST = ([2, 1, 0.5, -1, 0], 0, [0.6, 0.25, 0.15, 0, 0])
SECOND = ([0.1, -0.2, 0.3, 1.5, 0], 3, [0, 0.2, 0, 0.8, 0])


def of(values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, expected, atol=1e-6):
    torch.testing.assert_close(found.double(), of(expected), rtol=0, atol=atol)


def labels_of(rows):
    """Soft labels of examples 0, 1, ...: (target, dense label) each."""
    others = [[(j, q) for j, q in enumerate(label) if q > 0 and j != target] for target, label in rows]
    indptr = np.cumsum([0, *(len(row) for row in others)]).astype(np.int64)
    flat = [pair for row in others for pair in row]
    return SoftLabels(
        np.array([target for target, _ in rows], np.int32),
        indptr,
        np.array([j for j, _ in flat], np.int32),
        np.array([q for _, q in flat], np.float32),
    )


def scored(rows, *, table=None):
    """The whole way: queries and items whose products are the given scores."""
    scores = [row[0] for row in rows]
    targets = [row[1] for row in rows]
    queries = torch.eye(len(rows), dtype=torch.float64)
    table = of(scores).T.contiguous().requires_grad_() if table is None else table
    batch = batch_of([0] * len(rows), targets)
    candidates = SoftCandidates(labels_of([row[1:] for row in rows]))(batch, seeded())
    found = score(Encoded(queries[:, None], LocalItems(table)), candidates, batch, Decoupled())
    return found, table


def losses(rows, trust, balance):
    found, table = scored(rows)
    return Decoupled(trust, balance)(found).labelled, table


@pytest.mark.parametrize(
    ("trust", "balance", "expected"),
    [
        (0.3, 0.7, 0.505146),
        (0.0, 0.5, 0.423471),
        (0.5, 0.5, 0.448814),
        (1.0, 0.5, 0.474158),
        (1.0, 1.0, 0.675811),
        (1.0, 0.0, 0.272504),
        (0.0, 1.0, 0.574438),
    ],
)
def test_values_of_the_worked_example(trust, balance, expected):
    """D1 and D2."""
    close(losses([FIRST], trust, balance)[0][0], expected)


def test_the_divergence_falls_into_the_two_terms():
    """D1 and (1): with all trust, and weights 1 to 1 - q_t, less the entropy of the binary label."""
    confident, others = (losses([FIRST], 1.0, balance)[0].item() for balance in (1.0, 0.0))
    entropy = -0.6 * np.log(0.6) - 0.4 * np.log(0.4)
    assert confident - entropy == pytest.approx(0.002799, abs=1e-6)
    assert confident - entropy + 0.4 * others == pytest.approx(0.111801, abs=1e-6)


def test_what_the_kernel_supplies_in_the_worked_example():
    """D1."""
    found, _ = scored([FIRST])
    close(found.log_rest[0], 1.746567)
    close(found.scores[0, 0] - found.log_rest[0], 0.253433)


def test_gradient_of_the_worked_example():
    """D2."""
    found, table = losses([FIRST], 0.3, 0.7)
    found.sum().backward()
    close(table.grad[:, 0], [-0.221885, 0.059869, 0.037537, 0.033478, 0.091002])


def test_two_rows_of_the_worked_example():
    """D3."""
    found, _ = losses([FIRST, SECOND], 0.3, 0.7)
    close(found[1], 0.966517)
    close(found.mean(), 0.735832)


def test_a_row_without_support_in_the_worked_example():
    """D4."""
    found, table = losses([(FIRST[0], 0, [1, 0, 0, 0, 0])], 0.3, 0.7)
    close(found[0], 0.402107)
    found.sum().backward()
    close(table.grad[:, 0], [-0.305885, 0.144987, 0.087939, 0.019622, 0.053338])


@pytest.mark.parametrize(
    ("own", "loss", "gradient"),
    [
        (-800.0, 477.832904, [-0.595, -0.099423, 0.099032, 0.595391]),
        (800.0, 84.147580, [0.105, -0.162444, -0.072278, 0.129722]),
    ],
)
def test_extreme_scores_of_the_worked_example(own, loss, gradient):
    """D5."""
    found, table = losses([([own, 0, 1, 2], 0, [0.5, 0.3, 0.2, 0])], 0.3, 0.7)
    close(found[0], loss, atol=1e-5)
    found.sum().backward()
    close(table.grad[:, 0], gradient)


@pytest.mark.parametrize("own", [-800.0, 800.0])
def test_extreme_scores_are_finite_in_single_precision(own):
    """D5."""
    table = torch.tensor([[own], [0], [1], [2]], requires_grad=True)
    candidates = SoftCandidates(labels_of([(0, [0.5, 0.3, 0.2, 0])]))(batch_of([0], [0]), seeded())
    objective = Decoupled(0.3, 0.7)
    found = score(Encoded(torch.ones(1, 1, 1), LocalItems(table)), candidates, batch_of([0], [0]), objective)
    loss = objective(found).labelled.sum()
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert table.grad.isfinite().all()


SHARES = st.one_of(st.just(0.0), st.floats(0.01, 1))
LABELS = st.lists(SHARES, min_size=4, max_size=4)
SCORES = st.lists(st.floats(-5, 5), min_size=4, max_size=4)


@given(SCORES, st.integers(0, 3), LABELS, st.floats(0, 1), st.floats(0, 1))
def test_equals_its_longhand_twin(scores, target, raw, trust, balance):
    raw[target] += 0.5
    label = [float(np.float32(value / sum(raw))) for value in raw]
    label[target] = 1 - sum(value for j, value in enumerate(label) if j != target)
    found, _ = losses([(scores, target, label)], trust, balance)
    assert float(found[0].detach()) == pytest.approx(
        longhand.loss(scores, target, label, trust, balance), rel=1e-6, abs=1e-6
    )


@pytest.mark.parametrize("block", [1, 2, 5])
def test_in_blocks_it_is_what_it_is_at_once(monkeypatch, block):
    """D9, to 1e-12: a block may hold the target alone."""
    whole, table = losses([FIRST, SECOND], 0.3, 0.7)
    whole.sum().backward()
    monkeypatch.setattr(catalogue, "BLOCK", block)
    monkeypatch.setattr(catalogue, "TILE", 1)
    monkeypatch.setattr(catalogue, "DENSE_LIMIT", 0)
    blocked, other = losses([FIRST, SECOND], 0.3, 0.7)
    blocked.sum().backward()
    torch.testing.assert_close(blocked, whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(other.grad, table.grad, rtol=0, atol=1e-12)


def test_without_trust_and_others_it_is_the_softmax_of_the_catalogue():
    found, _ = scored([FIRST, SECOND])
    torch.testing.assert_close(Decoupled(0.0, 1.0)(found).labelled, CatalogueSoftmax()(found).labelled)


def test_gradients_agree_with_finite_differences():
    rest = torch.randn(3, generator=seeded(), dtype=torch.float64)
    labels = of([[1, 0.2, 0.1], [1, 0, 0], [1, 0, 0.5]])

    def loss(scores, log_rest):
        return Decoupled(0.4, 0.6)(scored_of(scores, labels=labels, log_rest=log_rest)).labelled

    scores = torch.randn(3, 3, generator=seeded(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(loss, (scores.requires_grad_(), rest.requires_grad_()))


def test_examples_that_came_later_have_no_support():
    labels = labels_of([(0, FIRST[2])])
    items, shares, counts = labels.of(np.array([0, 9]), np.array([0, 3]))
    assert counts.tolist() == [2, 0]
    assert items.tolist() == [[1, 2], [3, 3]]
    np.testing.assert_allclose(shares, [[0.25, 0.15], [0, 0]])


def test_labels_of_another_log_are_refused_with_the_mend():
    with pytest.raises(DataError, match=r"belong to another log.*make them anew"):
        labels_of([(0, FIRST[2])]).of(np.array([0]), np.array([2]))


def test_the_report_of_labels():
    report = labels_of([(0, FIRST[2]), (3, SECOND[2]), (1, [0, 1, 0, 0, 0])]).report()
    assert report["examples"] == 3
    assert report["without_support"] == pytest.approx(1 / 3)
    assert report["mass_on_target"] == pytest.approx((0.6 + 0.8 + 1) / 3)
    entropies = [-sum(q * np.log(q) for q in row if q) for row in ([0.6, 0.25, 0.15], [0.2, 0.8], [1])]
    assert report["entropy"] == pytest.approx(sum(entropies) / 3, abs=1e-6)
    assert report["items"] == pytest.approx(1.0)


@pytest.mark.parametrize("part", [DLI(), IDL(), InterestAware(), DirectSpec()])
def test_what_does_not_go_with_it_is_refused_with_the_mend(part):
    scheme = Scheme(SoftCandidates(labels_of([FIRST[1:]])), Decoupled())
    with pytest.raises(SchemeError, match=r"use|drop"):
        scheme.with_(part)


@pytest.mark.parametrize("objective", [CatalogueSoftmax(), SampledSoftmax(correction=False), BCE()])
def test_soft_labels_that_nothing_learns_from_are_refused_with_the_mend(objective):
    with pytest.raises(SchemeError, match=r"bring soft labels.*use the objective Decoupled"):
        Scheme(SoftCandidates(), objective)


def test_inverse_gradients_need_a_loss_that_can_be_split():
    with pytest.raises(SchemeError, match="use bce"):
        Scheme(SoftCandidates(), Decoupled()).with_(InverseGradient())


def test_soft_labels_need_a_sampler_that_gives_some():
    with pytest.raises(SchemeError, match="candidates of Uniform have none: use the scheme desorec"):
        Scheme(Uniform(2), Decoupled())


@pytest.mark.parametrize("options", [{"trust": 1.5}, {"balance": -0.1}, {"temperature": 0.0}])
def test_refuses_options_out_of_range(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        Decoupled(**options)
