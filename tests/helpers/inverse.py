"""The worked example of IG: linear logits, three meta batches, every figure of its table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from helpers.tiny import scored_of
from tacit.parts.objectives import BCE
from tacit.schemes.idl import IDL
from tacit.schemes.ig import InverseGradient
from tacit.types import Clock, Scored, Terms

CLOCK = Clock(0, 1, 0, 1)
AUTHORS = IDL(prior=0.5, warmup=0.0)
DOT = InverseGradient(warmup=0.0)
PROBE = InverseGradient("probe", warmup=0.0)
PLAIN_PROBE = InverseGradient("probe", "identity", eta=0.5, warmup=0.0)
EXPLORE = replace(PLAIN_PROBE, rule="explore")
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

    def annotated(self) -> Scored:
        x = double(self.rows) @ self.theta
        scored = scored_of(
            x[:, None], labels=torch.zeros(len(x), 1).double(), observed=torch.zeros(len(x), 1).bool()
        )
        return self.annotate(scored, BCE(), CLOCK)

    def unlabelled(self) -> torch.Tensor:
        return BCE()(self.annotated()).unlabelled / len(self.rows)

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
