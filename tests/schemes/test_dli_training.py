"""DLI in training: it goes on where it was stopped, and on the simulator it finds what it looks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import tacit
from helpers.tiny import checkerboard
from helpers.training import Run, same
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.data.loaders import PairLoader
from tacit.events import StepEnd, Stop
from tacit.schemes.dli import dli
from tacit.schemes.plain import bce
from tacit.schemes.scheme import Scheme
from tacit.training.checkpoint import Checkpointer, newest, restore
from tacit.training.fit import fit
from tacit.training.optimizers import RowAdagrad
from tacit.training.step import Step

DATA = checkerboard()
OPTIONS = {"negatives": 3, "rate": 0.3, "warmup": 1.0, "growth": 2.0}


def run(criterion: str, backbone=None, **options) -> Run:
    return Run(DATA, backbone or MFConfig(dim=4), dli(criterion=criterion, **OPTIONS, **options))


def stop_after(steps: int):
    def callback(event):
        return Stop("enough") if isinstance(event, StepEnd) and event.clock.step + 1 == steps else None

    return callback


@pytest.mark.parametrize("criterion", ["neighbour", "loss", "stable"])
def test_a_stopped_training_goes_on_with_the_same_bits(criterion, tmp_path):
    whole, first, second = (run(criterion) for _ in range(3))
    whole.fit(8)
    first.fit(8, callbacks=[stop_after(13)])
    facts = {"phase": "1-search"}
    Checkpointer(tmp_path, first.step, first.optimizer, first.position, facts=facts, stateful={}).save()
    second.position, _ = restore(newest(tmp_path), second.step, second.optimizer, {}, facts)
    second.fit(8)
    assert same(whole.parameters(), second.parameters())
    remembered = whole.step.parts.state_dict()
    assert same(remembered, second.step.parts.state_dict())
    assert bool(remembered) is (criterion == "stable")


@pytest.mark.parametrize("backbone", [MFConfig(dim=4), GMFConfig(dim=4), LightGCNConfig(dim=4)], ids=repr)
@pytest.mark.parametrize("loss", ["truncate", "reverse"])
@pytest.mark.parametrize("objective", ["bce", "bpr", "sampled-softmax"])
def test_every_form_trains_every_backbone(backbone, loss, objective):
    trained = run("neighbour", backbone, loss=loss, objective=objective)
    before = trained.parameters()
    trained.fit(3)
    after = trained.parameters()
    assert all(value.isfinite().all() for value in after.values())
    assert not any(torch.equal(before[name], after[name]) for name in after)


# ---------------------------------------------------------------------------------- the simulator

EPOCHS = 20


@cache
def simulated() -> tuple[tacit.Interactions, torch.Tensor]:
    """The small built-in log, and which of its silent pairs are liked."""
    simulation = tacit.simulate("small", seed=0)
    log = tacit.Interactions.read(simulation.to_arrow())
    users, items = (np.array(ids.ids) for ids in (log.user_ids, log.item_ids))
    return log, torch.from_numpy(simulation.truth(users).false_negatives[:, items])


@dataclass
class Watch:
    """A refiner that changes nothing and counts what those before it selected in the last epochs."""

    liked: torch.Tensor
    counts: list[list[int]] = field(default_factory=list)
    slot: ClassVar[str] = "refiner"
    needs: ClassVar[frozenset[str]] = frozenset()

    def bind(self, data):
        return self

    def __call__(self, scored, objective, clock):
        if clock.epoch >= EPOCHS - 3:
            selected = (scored.labels[:, 1:] > 0) | (scored.log_weights[:, 1:] < 0)
            liked = self.liked[scored.users[:, None], scored.others]
            both = (selected & liked, selected, liked, torch.ones_like(liked))
            self.counts.append([int(cells.sum()) for cells in both])
        return scored


@cache
def trained(**options: Any) -> dict[str, float]:
    """Precision of the selection, its base rate, and NDCG@10 on liked pairs without a click."""
    log, liked = simulated()
    scheme: Scheme = dli(**options) if options else bce(negatives=4)
    watch = Watch(liked)
    scheme = scheme.with_(watch).bind(log)
    backbone = tacit.MFConfig(dim=16, scale=0.01).build(log, torch.Generator().manual_seed(0))
    loader = PairLoader.of(log, np.flatnonzero(log.yes), 2048, 0)
    step = Step(backbone, scheme)
    fit(step, loader, RowAdagrad(step.parameters(), rate=0.1), epochs=EPOCHS, seed=0)
    hits, selected, true, cells = np.array(watch.counts).sum(0).tolist()
    found = {"base": true / cells, "share": selected / cells, "ndcg": ndcg(step, log, liked)}
    return found | ({"precision": hits / selected} if selected else {})


def ndcg(step: Step, log: tacit.Interactions, liked: torch.Tensor, k: int = 10) -> float:
    vectors = step.backbone.vectors()
    scores = vectors.users @ vectors.items.T
    if vectors.item_bias is not None:
        scores = scores + vectors.item_bias
    for user in range(log.n_users):
        scores[user, log.positives.row(user)] = -torch.inf
    gains = 1 / torch.log2(torch.arange(k) + 2.0)
    ideal = torch.cat([torch.zeros(1), gains.cumsum(0)])[liked.sum(1).clamp(max=k)]
    found = (liked.gather(1, scores.topk(k).indices) * gains).sum(1)
    return float((found[ideal > 0] / ideal[ideal > 0]).mean())


def told(record_property: Any, what: str, found: dict[str, float]) -> None:
    for name, value in found.items():
        record_property(name, value)
        print(f"{what} {name} {value:.4f}")


@pytest.mark.parametrize("loss", ["truncate", "reverse"])
def test_neighbours_find_false_negatives_far_above_their_base_rate(loss, record_property):
    found, plain = trained(loss=loss), trained()
    told(record_property, loss, found | {"ndcg without": plain["ndcg"]})
    assert found["share"] == pytest.approx(0.1, abs=0.005)
    assert found["precision"] > 3 * found["base"]


@pytest.mark.parametrize("loss", ["truncate", "reverse"])
def test_an_independent_witness_ranks_better_than_no_selection(loss):
    assert trained(loss=loss)["ndcg"] > trained()["ndcg"]


def test_the_models_own_judgement_is_precise_and_does_not_rank_better(record_property):
    own = trained(criterion="loss", loss="reverse", mode="full", gate=0.0, rate=0.05)
    told(record_property, "own", own)
    assert own["precision"] > 3 * own["base"]
    assert own["ndcg"] < trained()["ndcg"]
