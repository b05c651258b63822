"""What everything promises that is built of options and learns: backbones of any kind, scorers of pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from helpers.tiny import Tiny, random_data, seeded


class LearnerContract(ABC):
    """Something built by `config`, of which `answer` asks for scores."""

    config: ClassVar[Any]
    data: ClassVar[Tiny] = random_data(0)

    @abstractmethod
    def answer(self, learner: Any) -> Tensor:
        """Scores of a fixed batch."""

    def build(self, seed: int = 0) -> Any:
        return self.config.build(self.data, seeded(seed)).eval()

    def randomised(self) -> Any:
        learner = self.build()
        with torch.no_grad():
            for index, parameter in enumerate(learner.parameters()):
                parameter.copy_(torch.randn(parameter.shape, generator=seeded(index)))
        return learner

    def test_parameters_are_finite_and_single_precision(self):
        for parameter in self.build().parameters():
            assert parameter.dtype == torch.float32
            assert parameter.isfinite().all()

    def test_the_start_is_a_function_of_the_generator(self):
        first, second, other = (self.build(seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)

    def test_building_leaves_the_global_generator_alone(self):
        state = torch.random.get_rng_state()
        self.build()
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_every_parameter_learns(self):
        learner = self.randomised()
        self.answer(learner).tanh().sum().backward()
        for name, parameter in learner.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.to_dense().abs().sum() > 0, name

    def test_gradients_repeat_bit_for_bit(self):
        runs = []
        for _ in range(2):
            learner = self.randomised()
            self.answer(learner).tanh().sum().backward()
            runs.append([parameter.grad.to_dense() for parameter in learner.parameters()])
        assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))

    def test_its_state_goes_into_another(self):
        first, second = self.randomised(), self.build(9)
        second.load_state_dict(first.state_dict())
        assert torch.equal(self.answer(first), self.answer(second))
