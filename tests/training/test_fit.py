from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from helpers.tiny import checkerboard, missing, random_data
from helpers.training import Run, same
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.errors import Diverged, OptionError
from tacit.events import EpochEnd, FitEnd, StepEnd, Stop
from tacit.kernels.denormals import flushed
from tacit.parts.objectives import BCE
from tacit.parts.samplers import Uniform
from tacit.parts.schedules import Exponential
from tacit.schemes.plain import bce, bpr, sampled_softmax, softmax
from tacit.schemes.scheme import Scheme
from tacit.training.fit import Position

BACKBONES = {
    "mf": MFConfig(dim=8),
    "biased-mf": MFConfig(dim=8, biases=True),
    "gmf": GMFConfig(dim=8),
    "lightgcn": LightGCNConfig(dim=8, layers=2),
}
SCHEMES = {
    "bpr": bpr(negatives=2),
    "bce": bce(),
    "sampled-softmax": sampled_softmax(negatives=8, l2=1e-4),
    "shared": sampled_softmax(negatives=8, shared=True),
    "in-batch": sampled_softmax(draw="in-batch"),
    "popular": bpr(negatives=4, draw="popularity"),
    "softmax": softmax(l2=1e-4),
}
OPTIMIZERS = ["row-adagrad", "row-adam", "lazy-adam", "adam"]
DATA = random_data(0, pairs=70)


def small(scheme: str = "bpr", backbone: str = "mf", **options) -> Run:
    return Run(DATA, BACKBONES[backbone], SCHEMES[scheme], batch_size=16, **options)


class Heard:
    """A callback that remembers, and stops at a step or epoch."""

    def __init__(self, stop_step: int | None = None, stop_epoch: int | None = None) -> None:
        self.events, self.stop_step, self.stop_epoch = [], stop_step, stop_epoch

    def __call__(self, event):
        self.events.append(event)
        if isinstance(event, StepEnd) and event.clock.step == self.stop_step:
            return Stop("enough steps")
        if isinstance(event, EpochEnd) and event.clock.epoch == self.stop_epoch:
            return Stop("enough epochs")
        return None

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_checkerboard_is_learned(scheme, backbone):
    data = checkerboard()
    dense = backbone == "lightgcn"
    run = Run(
        data,
        BACKBONES[backbone],
        SCHEMES[scheme],
        optimizer="adam" if dense else "row-adagrad",
        rate=0.05 if dense else 0.3,
    )
    run.fit(25)
    vectors = run.step.backbone.vectors()
    scores = vectors.users @ vectors.items.T
    if vectors.item_bias is not None:
        scores = scores + vectors.item_bias
    right = 0
    for user in range(data.n_users):
        scores[user, torch.from_numpy(data.positives.row(user)).long()] = -torch.inf
        right += int(scores[user].argmax()) == missing(user)
    assert right >= 0.9 * data.n_users


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_seed_gives_the_same_bits(optimizer):
    runs = [small(optimizer=optimizer, rate=0.05) for _ in range(2)]
    for index, run in enumerate(runs):
        torch.manual_seed(index)
        run.fit(3)
    assert same(runs[0].parameters(), runs[1].parameters())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("backbone", ["mf", "lightgcn"])
def test_every_scheme_repeats_bit_for_bit(scheme, backbone):
    runs = [small(scheme, backbone) for _ in range(2)]
    for run in runs:
        run.fit(2)
    assert same(runs[0].parameters(), runs[1].parameters())


def test_another_seed_gives_another_run():
    runs = [small(seed=seed) for seed in (0, 1)]
    runs[1].step.load_state_dict(runs[0].step.state_dict())
    for run in runs:
        run.fit(1)
    assert not same(runs[0].parameters(), runs[1].parameters())


def test_training_leaves_the_global_generator():
    state = torch.random.get_rng_state()
    small().fit(1)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("interruption", [0, 3, 4, 7])
def test_an_interrupted_run_goes_on_with_the_same_bits(optimizer, interruption):
    whole = small(optimizer=optimizer, rate=0.05)
    whole.fit(3)
    first = small(optimizer=optimizer, rate=0.05)
    assert first.fit(3, callbacks=[Heard(stop_step=interruption)]) == "enough steps"
    second = small(optimizer=optimizer, rate=0.05)
    second.step.load_state_dict(first.step.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.position = Position(**vars(first.position))
    heard = Heard()
    second.fit(3, callbacks=[heard])
    assert same(whole.parameters(), second.parameters())
    assert heard.of(StepEnd)[0].clock.step == interruption + 1


def test_an_interrupted_epoch_reports_the_terms_of_the_whole():
    told = []
    for interruption in (None, 2):
        run, heard = small(), Heard(stop_step=interruption)
        run.fit(1, callbacks=[heard])
        if interruption is not None:
            run.fit(1, callbacks=[heard])
        told.append(heard.of(EpochEnd)[-1].terms)
    assert told[0] == told[1]


def test_terms_of_an_epoch_are_means_over_its_steps():
    run, heard = small(), Heard()
    run.fit(1, callbacks=[heard])
    steps = [event.terms["labelled"] for event in heard.of(StepEnd)]
    assert heard.of(EpochEnd)[0].terms["labelled"] == pytest.approx(sum(steps) / len(steps))


def test_events_come_in_order():
    run, heard = small(), Heard()
    assert run.fit(2, callbacks=[heard]) == "all epochs done"
    kinds = [type(event) for event in heard.events]
    assert kinds == ([StepEnd] * run.loader.steps + [EpochEnd]) * 2 + [FitEnd]
    assert [event.clock.step for event in heard.of(StepEnd)] == list(range(2 * run.loader.steps))


def test_pairs_of_a_step_are_its_examples():
    run, heard = small(), Heard()
    run.fit(1, callbacks=[heard])
    assert sum(event.pairs for event in heard.of(StepEnd)) == len(DATA.users)


def test_pairs_of_an_epoch_are_its_examples():
    run, heard = small(), Heard()
    run.fit(1, callbacks=[heard])
    assert heard.of(EpochEnd)[0].pairs == len(DATA.users)


@pytest.mark.parametrize("limit", [1, 5, 7, 10])
def test_max_steps_bounds_the_steps_in_all(limit):
    run, heard = small(), Heard()
    run.fit(10, max_steps=limit, callbacks=[heard])
    assert run.position.step == len(heard.of(StepEnd)) == limit
    assert len(heard.of(FitEnd)) == 1


def test_a_bounded_run_is_the_beginning_of_the_whole():
    bounded, stopped = small(), small()
    bounded.fit(3, max_steps=7)
    stopped.fit(3, callbacks=[Heard(stop_step=6)])
    assert same(bounded.parameters(), stopped.parameters())


def test_a_callback_may_end_training_after_an_epoch():
    run, heard = small(), Heard(stop_epoch=1)
    assert run.fit(9, callbacks=[heard]) == "enough epochs"
    assert heard.of(FitEnd)[0].reason == "enough epochs"
    assert run.position.epoch == 2


def test_a_stop_after_a_step_is_told_as_the_end_of_training():
    run, heard = small(), Heard(stop_step=3)
    assert run.fit(9, callbacks=[heard]) == "enough steps"
    assert [event.reason for event in heard.of(FitEnd)] == ["enough steps"]
    assert heard.of(FitEnd)[0].clock.step == run.position.step == 4
    assert isinstance(heard.events[-1], FitEnd)
    assert not heard.of(EpochEnd)


def test_every_callback_hears_an_event_that_ends_training():
    first, second = Heard(stop_epoch=0), Heard()
    small().fit(9, callbacks=[first, second])
    assert len(second.of(EpochEnd)) == 1


@pytest.mark.parametrize(("value", "word"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_a_term_that_is_not_finite_stops_training_with_its_name_and_step(value, word):
    class Broken:
        slot, needs, name = "regulariser", frozenset(), "broken"

        def bind(self, data):
            return self

        def __call__(self, encoded, batch, candidates):
            Broken.calls += 1
            return torch.tensor(value if Broken.calls == 4 else 0.0)

    Broken.calls = 0
    run = Run(DATA, MFConfig(dim=4), SCHEMES["bpr"].with_(Broken()), batch_size=16)
    with pytest.raises(Diverged, match=f"the term broken became {word} at step 3 .epoch 0.: lower optimizer"):
        run.fit(2)


@dataclass(frozen=True)
class Meta:
    """Descends on the meta loss only."""

    slot: ClassVar[str] = "update"
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_meta: ClassVar[bool] = True

    def bind(self, data):
        return self

    def __call__(self, loss, meta_loss, clock, parameters, optimizer):
        optimizer.zero_grad()
        terms = meta_loss()
        terms.total().backward()
        optimizer.step()
        return terms


def test_an_update_that_needs_meta_batches_says_so():
    run = Run(DATA, MFConfig(dim=4), SCHEMES["bpr"].with_(Meta()))
    with pytest.raises(OptionError, match=r"Meta needs meta batches: set training\.meta above 0"):
        run.fit(1)


def test_meta_batches_go_round_their_loader():
    run = Run(DATA, MFConfig(dim=4), SCHEMES["bpr"].with_(Meta()), batch_size=16)
    other = Run(DATA, MFConfig(dim=4), SCHEMES["bpr"], batch_size=40)
    heard = Heard()
    run.fit(2, meta_loader=other.loader, callbacks=[heard])
    assert len(heard.of(StepEnd)) == 2 * run.loader.steps


def test_explicit_noes_are_pushed_down():
    import numpy as np

    labels = (np.arange(len(DATA.users)) % 3 > 0).astype(np.float32)
    data = replace(DATA, labels=labels)
    run = Run(data, MFConfig(dim=8), Scheme(Uniform(1), BCE()))
    run.fit(30)
    vectors = run.step.backbone.vectors()
    scores = (vectors.users[data.users.astype(int)] * vectors.items[data.items.astype(int)]).sum(1)
    assert scores[labels == 1].min() > 0 > scores[labels == 0].mean()


@dataclass(frozen=True)
class Overflow:
    """A step after which the loss was finite and the parameters are not."""

    slot: ClassVar[str] = "update"
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_meta: ClassVar[bool] = False

    def bind(self, data):
        return self

    def __call__(self, loss, meta_loss, clock, parameters, optimizer):
        with torch.no_grad():
            terms = loss()
            parameters[0][0] = float("inf")
        return terms


@pytest.mark.parametrize("stop_step", [None, 0])
def test_parameters_that_are_not_finite_stop_training(stop_step):
    data = replace(DATA, users=DATA.users[:16], items=DATA.items[:16])
    run = Run(data, MFConfig(dim=4), SCHEMES["bpr"].with_(Overflow()), batch_size=16)
    heard = Heard(stop_step=stop_step)
    with pytest.raises(Diverged, match=r"the parameter backbone\.user_table holds NaN or infinity"):
        run.fit(2, callbacks=[heard])
    assert not heard.of(EpochEnd) + heard.of(FitEnd)


def test_the_rate_follows_its_schedule():
    run = small()
    run.fit(epochs=3, rate=Exponential(0.1, 0.5))
    assert {group["rate"] for group in run.optimizer.param_groups} == {0.025}


def test_denormal_numbers_are_flushed_while_training_and_no_longer():
    found = []
    small().fit(1, callbacks=[lambda event: found.append(flushed())])
    assert set(found) == {True}
    assert not flushed()
