from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers.tiny import batch_from, batch_of, random_data, scored_of, seeded, tiny
from helpers.training import Run, same
from longhand import inverse
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MF, MFConfig
from tacit.errors import OptionError, SchemeError
from tacit.kernels.gradients import inner
from tacit.kernels.rows import Rows
from tacit.parts.objectives import BCE, BPR, CatalogueSoftmax, SampledSoftmax
from tacit.parts.samplers import Nothing, Uniform
from tacit.parts.updates import Descent, displaced
from tacit.schemes.idl import IDL, idl
from tacit.schemes.ig import InverseGradient
from tacit.schemes.plain import bce
from tacit.schemes.scheme import Scheme
from tacit.scoring import TableItems
from tacit.training.step import Step, StepLoss
from tacit.types import Candidates, Clock, Encoded, StepEnd, Terms

CLOCK = Clock(0, 1, 0, 1)
AUTHORS = IDL(prior=0.5, warmup=0.0)
DOT = InverseGradient(warmup=0.0)
PROBE = InverseGradient("probe", warmup=0.0)
PLAIN_PROBE = InverseGradient("probe", "identity", eta=0.5, warmup=0.0)
EXPLORE = replace(PLAIN_PROBE, rule="explore")
DATA = random_data(0, pairs=70)
EXACT: dict[str, Any] = {"rtol": 0, "atol": 1e-6}

ROWS = [[1.0, 0.5], [0.2, -1.0]]  # of the unlabelled pairs; logits are rows times theta
THETA = [0.5, -0.2]
FIRST, SECOND = [1.0, 0.0], [0.0, 1.0]
META = {
    "A": ([FIRST, SECOND], [1.0, 0.0]),
    "B": ([FIRST, SECOND], [0.0, 1.0]),
    "C": ([FIRST, FIRST, SECOND, SECOND], [1.0, 0.0, 1.0, 0.0]),
}
# M direct, stay and inverse; s; <g_M, g_U>; theta after (15) with g_L = 0 and g_L = g_M; after (16); g_M
TABLE: dict[str, tuple[Any, ...]] = {
    "A": (
        (0.524676, 0.536108, 0.547816), 1, 0.023139,
        (0.509360, -0.202430), (0.528237, -0.224938), (0.565132, -0.234509), (-0.188770, 0.225083),
    ),
    "B": (
        (0.904152, 0.886108, 0.868340), -1, -0.035813,
        (0.490640, -0.197570), (0.459517, -0.170078), (0.422628, -0.160508), (0.311230, -0.274917),
    ),
    "C": (
        (0.714414, 0.711108, 0.708078), -1, -0.006337,
        (0.490640, -0.197570), (0.484517, -0.195078), (0.447628, -0.185508), (0.061230, -0.024917),
    ),
}  # fmt: skip
EITHER = pytest.mark.parametrize("rule", [DOT, PLAIN_PROBE], ids=["dot", "probe"])
CASES = pytest.mark.parametrize("case", TABLE)


def double(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


class Linear:
    """Closures of the real parts on logits X theta: L_U (5) of `rows`, M (13) of `meta`, `labelled` pairs."""

    def __init__(self, meta, *, rows=ROWS, theta=THETA, labelled=None, annotate=AUTHORS) -> None:
        self.theta = torch.nn.Parameter(double(theta))
        self.rows, self.metas, self.labelled, self.annotate = rows, meta, labelled, annotate

    def supervised(self, pairs: tuple[Any, Any]) -> torch.Tensor:
        x = double(pairs[0]) @ self.theta
        seen = torch.ones(len(x), 1, dtype=torch.bool)
        scored = scored_of(x[:, None], labels=double(pairs[1])[:, None], observed=seen)
        return BCE()(scored).labelled / len(x)

    def unlabelled(self) -> torch.Tensor:
        x = double(self.rows) @ self.theta
        scored = scored_of(
            x[:, None], labels=torch.zeros(len(x), 1).double(), observed=torch.zeros(len(x), 1).bool()
        )
        return BCE()(self.annotate(scored, BCE(), CLOCK)).unlabelled / len(x)

    def loss(self) -> Terms:
        rows = {} if self.labelled is None else {"labelled": self.supervised(self.labelled)}
        return Terms(rows | {"unlabelled": self.unlabelled()}, {})

    def meta(self) -> Terms:
        return Terms({"labelled": self.supervised(self.metas)}, {})

    def step(self, rule: InverseGradient, rate: float = 0.1, optimizer: Any = None) -> Terms:
        optimizer = optimizer or torch.optim.SGD([self.theta], lr=rate)
        return rule(self.loss, self.meta, CLOCK, [self.theta], optimizer)

    def gradient(self, value: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(value.sum(), self.theta)[0]


def decided(terms: Terms) -> int:
    notes = {name: float(value) for name, value in terms.notes.items()}
    return round(notes["direct"] - notes["inverse"])


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
    assert float(mixed.theta[0]) > 0.5 > float(mixed.theta[1])
    assert not torch.equal(opposed.theta.detach(), before)


def test_a_group_is_probed_along_the_mean_of_its_own_rows():
    meta, rows, theta = ([FIRST, SECOND], [0.0, 0.0]), [[1.0, 0.0], [0.0, 1.0]], [1.2, 0.9]
    alone = [Linear(meta, rows=[row], theta=theta) for row in rows]
    expected = [decided(one.step(replace(PLAIN_PROBE, eta=8.0))) for one in alone]
    terms = Linear(meta, rows=rows, theta=theta).step(replace(PLAIN_PROBE, eta=8.0, groups=2))
    assert float(terms.notes["inverse"]) == expected.count(-1) / 2


# ------------------------------------------------------------------------ through the real step


class OneUser:
    """The problem A of the table as a batch of an MF of one user: two labelled and two unlabelled pairs."""

    def __init__(self, case: str) -> None:
        data = tiny([(0, 0), (0, 1)], 1, 4)
        backbone = MFConfig(dim=2).build(data, seeded()).double()
        with torch.no_grad():
            backbone.user_table.copy_(double([THETA]))
            backbone.item_table.copy_(double([FIRST, SECOND, *ROWS]))
        backbone.item_table.requires_grad_(False)
        scheme = Scheme(Uniform(1), BCE(), refiners=(AUTHORS,)).bind(data)
        self.table = backbone.user_table
        rows, labels = META[case]
        targets = [0 if row == FIRST else 1 for row in rows]
        batch = batch_of([0] * len(rows), targets, labels)
        batch = replace(batch, labels=batch.labels.double(), weights=batch.weights.double())
        others = torch.tensor([[2], [3]] * (len(rows) // 2))
        candidates = Candidates(batch.targets, others, torch.zeros(others.shape).double())
        step = Step(backbone, scheme)
        self.loss = StepLoss(step, batch, candidates, CLOCK)
        self.meta = StepLoss(step, batch, candidates, CLOCK, plain=True)

    def step(self, rule: InverseGradient, rate: float) -> Terms:
        optimizer = torch.optim.SGD([self.table], lr=rate)
        return replace(rule, _noes=True)(self.loss, self.meta, CLOCK, [self.table], optimizer)


@EITHER
@CASES
def test_a_batch_that_is_half_unlabelled_is_decided_and_stepped_as_the_table(case, rule):
    problem = OneUser(case)
    terms = problem.step(rule, 0.2)
    assert decided(terms) == TABLE[case][1]
    assert float(terms.notes["meta"]) == pytest.approx(TABLE[case][0][1], abs=1e-6)
    torch.testing.assert_close(problem.table.detach()[0], double(TABLE[case][4]), **EXACT)


@CASES
def test_the_authors_rule_through_the_step_is_that_of_the_table(case):
    problem = OneUser(case)
    problem.step(EXPLORE, 0.1)
    torch.testing.assert_close(problem.table.detach()[0], double(TABLE[case][5]), **EXACT)


def scheme_of(update: Any, data: Any = DATA) -> Scheme:
    scheme = idl(prior=0.5, warmup=0.0, negatives=2)
    return scheme if update is None else scheme.with_(update)


def run_of(update: Any, config: Any = None, **options: Any) -> Run:
    return Run(DATA, config or MFConfig(dim=4, scale=0.5), scheme_of(update), batch_size=16, **options)


def meta_loader(size: int = 24) -> Any:
    return Run(DATA, MFConfig(dim=4), bce(), batch_size=size, seed=5).loader


class Heard:
    def __init__(self) -> None:
        self.terms: list[dict[str, float]] = []

    def __call__(self, event: Any) -> None:
        if isinstance(event, StepEnd):
            self.terms.append(event.terms)


def losses(run: Run) -> tuple[StepLoss, StepLoss]:
    """Loss and meta loss of a first step, each of its own batch."""
    step, sampler = run.step, run.step.scheme.sampler
    batch, meta = batch_from(DATA, 20), next(meta_loader().epoch(0))
    return (
        StepLoss(step, batch, sampler(batch, seeded(1)), CLOCK),
        StepLoss(step, meta, sampler(meta, seeded(2)), CLOCK, plain=True),
    )


def applied(run: Run, rule: Any, meta: Callable[[], Terms] | None = None) -> Terms:
    loss, other = losses(run)
    return rule.bind(DATA)(loss, meta or other, CLOCK, list(run.step.parameters()), run.optimizer)


@pytest.mark.parametrize("rule", [DOT, replace(DOT, groups=3), PROBE], ids=repr)
def test_direct_everywhere_is_descent(rule):
    runs = [run_of(None, optimizer="adam", rate=0.01) for _ in range(2)]
    for run in runs:
        run.step.double()
    rule = replace(rule, eta=1e-6) if rule.decide == "probe" else rule
    loss, _ = losses(runs[0])

    def agrees() -> Terms:
        return Terms({"labelled": loss().rows["unlabelled"]}, {})

    terms = applied(runs[0], rule, agrees)
    assert float(terms.notes["direct"]) == 1.0
    applied(runs[1], Descent())
    for name, value in runs[0].parameters().items():
        torch.testing.assert_close(value, runs[1].parameters()[name], rtol=1e-9, atol=1e-12)


def test_inverse_turns_the_unlabelled_term_alone():
    runs = [run_of(None, optimizer="adam", rate=0.01) for _ in range(2)]
    gradients = []
    for run, weight in zip(runs, (None, -1.0), strict=True):
        loss, _ = losses(run)
        run.optimizer = torch.optim.SGD(run.step.parameters(), lr=0.0)
        if weight is None:

            def against(loss: StepLoss = loss) -> Terms:
                return Terms({"labelled": -loss().rows["unlabelled"]}, {})

            assert float(applied(run, DOT, against).notes["inverse"]) == 1.0
        else:
            terms = loss()
            rows = terms.rows["labelled"].sum() + weight * terms.rows["unlabelled"].sum()
            (rows + terms.scalars["l2"]).backward()
        gradients.append([parameter.grad.to_dense() for parameter in run.step.parameters()])
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)


class DenseMF(MF):
    """MF whose gradients are dense: its tables are no leaves when they are looked up."""

    def forward(self, batch):
        return Encoded(Rows(self.user_table * 1, batch.users), TableItems(self.item_table * 1))


class DenseConfig:
    def build(self, data, generator):
        return DenseMF(data.n_users, data.n_items, 4, 0.5, False, False, generator)


@pytest.mark.parametrize(
    "rule",
    [
        DOT,
        replace(DOT, direction="sign"),
        replace(DOT, groups=3),
        PROBE,
        replace(PLAIN_PROBE, groups=2),
        replace(EXPLORE, direction="sign", eta=0.01),
    ],
    ids=repr,
)
def test_sparse_and_dense_gradients_decide_and_step_alike(rule):
    runs = [run_of(rule, config) for config in (MFConfig(dim=4, scale=0.5), DenseConfig())]
    heard = [Heard(), Heard()]
    for run, one in zip(runs, heard, strict=True):
        run.step.double()
        run.optimizer = torch.optim.SGD(run.step.parameters(), lr=0.3)
        run.fit(2, meta_loader=meta_loader(), callbacks=[one])
    for name in ("direct", "stay", "inverse"):
        assert [terms[name] for terms in heard[0].terms] == [terms[name] for terms in heard[1].terms]
    for a, b in zip(*(run.parameters().values() for run in runs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("config", [MFConfig(dim=4, scale=0.5), DenseConfig()], ids=["sparse", "dense"])
@pytest.mark.parametrize("rule", [PROBE, replace(PLAIN_PROBE, groups=3)], ids=repr)
def test_probing_restores_the_parameters_bit_for_bit(config, rule):
    run = run_of(rule, config, optimizer="row-adagrad", rate=0.0)
    before = run.parameters()
    heard = Heard()
    run.fit(2, meta_loader=meta_loader(), callbacks=[heard])
    assert same(run.parameters(), before)
    assert len(heard.terms) == 2 * run.loader.steps


@pytest.mark.parametrize("broken", [2, 3])
def test_an_error_in_a_probe_leaves_the_parameters_as_they_were(broken):
    run = run_of(None)
    before, (_, meta), calls = run.parameters(), losses(run), []

    def failing() -> Terms:
        calls.append(1)
        if len(calls) == broken:
            raise KeyError
        return meta()

    with pytest.raises(KeyError):
        applied(run, PROBE, failing)
    assert same(run.parameters(), before)


class DroppingMF(MF):
    """MF with dropout and a buffer that training moves; it counts its calls by mode."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.dropout, self.norm = torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(self.dim, affine=False)
        self.calls: list[bool] = []

    def forward(self, batch):
        self.calls.append(self.training)
        queries = self.dropout(self.norm(Rows(self.user_table, batch.users).take()))
        return Encoded(queries[:, None], TableItems(self.item_table))


class DroppingConfig:
    def build(self, data, generator):
        return DroppingMF(data.n_users, data.n_items, 4, 0.5, False, False, generator)


@pytest.mark.parametrize(("rule", "judged"), [(DOT, 1), (PROBE, 3), (replace(PROBE, groups=2), 5)], ids=repr)
def test_a_step_trains_in_one_pass_and_judges_without_dropout(rule, judged):
    run = run_of(rule, DroppingConfig())
    run.fit(1, meta_loader=meta_loader(), max_steps=1)
    assert run.step.backbone.calls == [True] + [False] * judged
    assert run.step.backbone.norm.num_batches_tracked == 1


def test_two_looks_at_the_meta_loss_see_the_same_candidates_and_no_dropout():
    _, meta = losses(run_of(None, DroppingConfig()))
    assert torch.equal(meta().total(), meta().total())


def test_judging_leaves_each_module_in_its_mode():
    run = run_of(None, DroppingConfig())
    run.step.backbone.norm.eval()
    _, meta = losses(run)
    meta()
    assert run.step.training
    assert run.step.backbone.dropout.training
    assert not run.step.backbone.norm.training


BIG = random_data(1, n_users=3000, n_items=800, pairs=16384)


def big_decisions(rule: InverseGradient, dtype: torch.dtype, steps: int = 6) -> list[Terms]:
    run = Run(BIG, MFConfig(dim=16, scale=0.3), scheme_of(None), batch_size=16384)
    run.step.to(dtype)
    parameters, found = list(run.step.parameters()), []
    bound, still = rule.bind(BIG), torch.optim.SGD(parameters, lr=0.0)
    for seed in range(steps):
        pieces = []
        for part in (seed, seed + 100):
            batch = next(run.loader.epoch(part))
            batch = replace(batch, labels=batch.labels.to(dtype), weights=batch.weights.to(dtype))
            pieces.append((batch, run.step.scheme.sampler(batch, seeded(part))))
        loss, meta = (StepLoss(run.step, *pair, CLOCK, plain=bool(at)) for at, pair in enumerate(pieces))
        found.append(bound(loss, meta, CLOCK, parameters, still))
    return found


def test_single_and_double_precision_probe_alike_in_large_batches():
    rule = replace(PROBE, eta=1e-3)
    single, exact = (big_decisions(rule, dtype) for dtype in (torch.float32, torch.float64))
    assert [decided(terms) for terms in single] == [decided(terms) for terms in exact]
    assert not any(terms.notes["rounding"] for terms in single)


def test_a_probe_that_drowns_in_rounding_is_noted():
    rule = InverseGradient("probe", "identity", eta=1e-3, warmup=0.0)
    terms = big_decisions(rule, torch.float32, 1)[0]
    assert float(terms.notes["rounding"]) == 1.0


@pytest.mark.parametrize("config", [MFConfig(dim=4), LightGCNConfig(dim=4)], ids=repr)
@pytest.mark.parametrize("rule", [DOT, PROBE], ids=repr)
def test_training_logs_what_was_decided(config, rule):
    run, heard = run_of(rule, config, optimizer="adam", rate=0.01), Heard()
    run.fit(2, meta_loader=meta_loader(), callbacks=[heard])
    for terms in heard.terms:
        assert terms["direct"] + terms["stay"] + terms["inverse"] == 1.0
        assert terms["meta"] > 0
        assert ("rounding" in terms) is (rule.decide == "probe")


@pytest.mark.parametrize("warmup", [1.0, None], ids=repr)
def test_the_warm_up_is_the_ordinary_step_bit_for_bit(warmup):
    data = replace(DATA, no_pairs=[])
    scheme = idl(warmup=0.0, prior=0.5)
    runs = [Run(data, MFConfig(dim=4), s, batch_size=16) for s in
            (scheme, scheme.with_(InverseGradient(warmup=warmup)))]  # fmt: skip
    heard = Heard()
    runs[0].fit(1)
    runs[1].fit(1, meta_loader=meta_loader(), callbacks=[heard])
    assert same(*(run.parameters() for run in runs))
    assert not any("direct" in terms for terms in heard.terms)


def test_with_explicit_noes_there_is_no_warm_up():
    assert InverseGradient().bind(DATA).starts(Clock(0, 9, 0, 10))
    assert not InverseGradient().bind(replace(DATA, no_pairs=[])).starts(Clock(0, 9, 9, 10))


@pytest.mark.parametrize("share", [None, 0.0])
def test_a_batch_without_unlabelled_pairs_takes_the_ordinary_step(share):
    runs = [run_of(None, rate=0.1) for _ in range(2)]
    for run, rule in zip(runs, (DOT, Descent()), strict=True):
        loss, meta = losses(run)

        def labelled(loss: StepLoss = loss) -> Terms:
            terms, rows = loss(), {}
            if share is not None:
                rows = {"unlabelled": terms.rows["unlabelled"] * share}
            kept = None if share is None else torch.tensor(share)
            return Terms({"labelled": terms.rows["labelled"], **rows}, terms.scalars, kept)

        terms = rule.bind(DATA)(labelled, meta, CLOCK, list(run.step.parameters()), run.optimizer)
        assert not terms.notes
    assert same(*(run.parameters() for run in runs))


@pytest.mark.parametrize(("noes", "counts"), [(True, "labelled"), (False, "both")])
def test_the_meta_loss_needs_noes_of_the_log_or_of_the_sampler(noes, counts):
    run = run_of(None)
    _, meta = losses(run)
    seen = meta()
    labelled, unlabelled = seen.rows["labelled"].sum(), seen.rows["unlabelled"].sum()
    share = float(seen.unlabelled_share)
    data = DATA if noes else replace(DATA, no_pairs=[])
    loss, _ = losses(run)
    terms = DOT.bind(data)(loss, meta, CLOCK, list(run.step.parameters()), run.optimizer)
    expected = labelled / (1 - share) if counts == "labelled" else labelled + unlabelled
    assert float(terms.notes["meta"].detach()) == pytest.approx(float(expected.detach()))


def test_it_asks_for_meta_batches():
    with pytest.raises(OptionError, match=r"InverseGradient needs meta batches: set training\.meta above 0"):
        run_of(DOT).fit(1)
    problem = Linear(META["A"])
    optimizer = torch.optim.SGD([problem.theta], lr=0.1)
    with pytest.raises(SchemeError, match=r"set training\.meta above 0"):
        DOT(problem.loss, None, CLOCK, [problem.theta], optimizer)


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
        scheme_of(DOT).clipped(1.0)


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
    ],
)
def test_an_unknown_word_is_refused(name, said):
    part = InverseGradient()
    object.__setattr__(part, name, "other")  # past the checker of types that runs under pytest
    with pytest.raises(OptionError, match=f'{name} is {said}, not "other"'):
        part.__post_init__()
