"""DLI in training: it goes on where it was stopped, and on the simulator it finds what it looks for."""

from __future__ import annotations

import pytest
import torch

from helpers.tiny import checkerboard
from helpers.training import Run, same
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.schemes.dli import dli
from tacit.training.checkpoint import Checkpointer, newest, restore
from tacit.types import StepEnd, Stop

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
