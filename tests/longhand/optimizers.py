"""Optimisers of one table, row by row. `grads` maps row to gradient; other rows are untouched."""

from __future__ import annotations

import torch
from torch import Tensor


class RowAdagrad:
    def __init__(self, table: Tensor, rate: float, epsilon: float = 1e-10) -> None:
        self.table, self.rate, self.epsilon = table, rate, epsilon
        self.squares = [0.0] * len(table)

    def step(self, grads: dict[int, Tensor]) -> None:
        for row, gradient in grads.items():
            self.squares[row] += float((gradient**2).mean())
            self.table[row] -= self.rate * gradient / (self.squares[row] ** 0.5 + self.epsilon)


class Adam:
    """Moments of touched rows only; `shared`: one second moment per row."""

    def __init__(self, table: Tensor, rate: float, shared: bool) -> None:
        self.table, self.rate, self.shared, self.steps = table, rate, shared, 0
        self.means, self.squares = torch.zeros_like(table), torch.zeros_like(table)

    def step(self, grads: dict[int, Tensor]) -> None:
        self.steps += 1
        for row, gradient in grads.items():
            square = gradient**2
            if self.shared:
                square = square.mean().expand_as(square)
            self.means[row] = 0.9 * self.means[row] + 0.1 * gradient
            self.squares[row] = 0.999 * self.squares[row] + 0.001 * square
            mean = self.means[row] / (1 - 0.9**self.steps)
            spread = (self.squares[row] / (1 - 0.999**self.steps)).sqrt() + 1e-8
            self.table[row] -= self.rate * mean / spread
