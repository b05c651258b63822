"""What every callback promises: it watches, and may only ask to stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from helpers.tiny import random_data
from helpers.training import Run, same
from tacit.backbones.mf import MFConfig
from tacit.events import Callback, Stop
from tacit.schemes.plain import bpr
from tacit.training.callbacks import Stateful


class CallbackContract:
    """`make` gives a fresh callback that may write into a folder; `stateful` where checkpoints carry it."""

    stateful: ClassVar[bool] = False

    def make(self, folder: Path) -> Any:
        raise NotImplementedError

    def run(self) -> Run:
        return Run(random_data(0), MFConfig(dim=4), bpr(), batch_size=16)

    @pytest.fixture
    def callback(self, tmp_path):
        made = self.make(tmp_path)
        yield made
        getattr(made, "close", lambda: None)()

    def test_keeps_its_protocol(self, callback):
        assert isinstance(callback, Callback)
        assert isinstance(callback, Stateful) is self.stateful

    def test_answers_nothing_or_stop(self, callback):
        answers: list[Any] = []
        self.run().fit(3, callbacks=[lambda event: answers.append(callback(event))])
        assert answers
        assert all(answer is None or isinstance(answer, Stop) for answer in answers)

    def test_changes_no_parameter(self, callback):
        alone, watched = self.run(), self.run()
        alone.fit(3)
        watched.fit(3, callbacks=[lambda event: callback(event) and None])
        assert same(alone.parameters(), watched.parameters())

    def test_draws_nothing_from_the_global_generator(self, callback):
        state = torch.random.get_rng_state()
        self.run().fit(1, callbacks=[callback])
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_its_state_comes_back_through_json(self, callback, tmp_path):
        if not self.stateful:
            return
        self.run().fit(2, callbacks=[callback])
        tensors, values = callback.state()
        other = self.make(tmp_path)
        other.restore(tensors, json.loads(json.dumps(values)))
        again, back = other.state()
        getattr(other, "close", lambda: None)()
        assert back == values
        assert same(again, tensors)
