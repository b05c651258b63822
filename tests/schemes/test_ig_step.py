"""IG in the real step: shares of a batch, sparse gradients, precision, dropout, what the log hears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from helpers.inverse import (
    AUTHORS,
    CASES,
    CLOCK,
    DOT,
    EITHER,
    EXACT,
    EXPLORE,
    FIRST,
    META,
    PLAIN_PROBE,
    PROBE,
    ROWS,
    SECOND,
    TABLE,
    THETA,
    Linear,
    decided,
    double,
)
from helpers.tiny import batch_from, batch_of, random_data, seeded, tiny
from helpers.training import Run, same
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MF, MFConfig
from tacit.errors import OptionError, SchemeError
from tacit.events import StepEnd
from tacit.kernels.rows import Rows
from tacit.parts.objectives import BCE
from tacit.parts.samplers import Uniform
from tacit.parts.updates import Descent
from tacit.schemes.idl import idl
from tacit.schemes.ig import InverseGradient
from tacit.schemes.plain import bce
from tacit.schemes.scheme import Scheme
from tacit.scoring import TableItems
from tacit.training.step import Step, StepLoss
from tacit.types import Candidates, Clock, Encoded, Terms

DATA = random_data(0, pairs=70)


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
        return replace(rule, judge="labelled")(self.loss, self.meta, CLOCK, [self.table], optimizer)


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


@pytest.mark.parametrize("warmup", [1.0, 7.5])
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


def test_the_defaults_wait_an_epoch():
    assert not InverseGradient().starts(Clock(0, 9, 9, 10))
    assert InverseGradient().starts(Clock(1, 9, 10, 10))


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


@pytest.mark.parametrize("judge", ["sampled", "labelled"])
def test_the_meta_loss_is_a_mean_with_sampled_noes_or_of_labelled_pairs_alone(judge):
    run = run_of(None)
    _, meta = losses(run)
    seen = meta()
    labelled, unlabelled = (seen.rows[name].detach().sum() for name in ("labelled", "unlabelled"))
    expected = labelled + unlabelled if judge == "sampled" else labelled / (1 - seen.unlabelled_share)
    terms = applied(run, replace(DOT, judge=judge))
    torch.testing.assert_close(terms.notes["meta"], expected)


def test_labelled_pairs_alone_judge_only_where_some_are_noes():
    rule = replace(DOT, judge="labelled")
    assert rule.bind(DATA) is rule
    with pytest.raises(OptionError, match=r'judge = "labelled" needs explicit noes, .*; use "sampled"'):
        rule.bind(replace(DATA, no_pairs=[]))


def test_it_asks_for_meta_batches():
    with pytest.raises(OptionError, match=r"InverseGradient needs meta batches: set training\.meta above 0"):
        run_of(DOT).fit(1)
    problem = Linear(META["A"])
    optimizer = torch.optim.SGD([problem.theta], lr=0.1)
    with pytest.raises(SchemeError, match=r"set training\.meta above 0"):
        DOT(problem.loss, None, CLOCK, [problem.theta], optimizer)
