"""What a step of a softmax over large catalogues takes, beside the dense implementation: time and memory.

    python -m benchmarks.catalogues

256 queries of d 128 and their gradients, those of the item table too (N x d, as dense Adam wants it);
DeSoRec with 100 labelled items a query. Every line runs in a process of its own; memory is what the steps add
at their peak to what was held before them, the table's gradient included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.overheads import held, peak_from_here
from benchmarks.places import table
from tacit.parts.objectives import CatalogueSoftmax
from tacit.protocols import Objective
from tacit.schemes.desorec import Decoupled
from tacit.scoring import TableItems, score
from tacit.types import Batch, Candidates, Encoded

QUERIES, DIM, LABELLED = 256, 128, 100
CATALOGUES = (43_229, 200_000, 1_000_000)
STEPS = 5
UNITS = {"seconds": "seconds", "mib": "MiB added"}


def ours(
    loss: str, queries: Tensor, items: Tensor, targets: Tensor, others: Tensor, labels: Tensor
) -> Tensor:
    """The mean loss as a step of Tacit computes it."""
    count = len(targets)
    everyone = torch.arange(count)
    batch = Batch(everyone, everyone, targets, torch.ones(count), torch.ones(count))
    objective: Objective = CatalogueSoftmax() if loss == "softmax" else Decoupled()
    if loss == "softmax":
        others, labels = others[:, :0], labels[:, :0]
    candidates = Candidates(targets, others, torch.zeros(others.shape), labels=labels)
    encoded = Encoded(queries[:, None], TableItems(items))
    return objective(score(encoded, candidates, batch, objective)).labelled.mean()


def dense(
    loss: str, queries: Tensor, items: Tensor, targets: Tensor, others: Tensor, labels: Tensor
) -> Tensor:
    """The same with a matrix of all scores, and one of all labels, in plain torch."""
    scores = queries @ items.T
    if loss == "softmax":
        return cross_entropy(scores, targets)
    trust, balance = Decoupled.trust, Decoupled.balance
    shares = torch.zeros_like(scores).scatter_(1, others, labels / labels.sum(1, keepdim=True))
    sure = scores.log_softmax(1).gather(1, targets[:, None])[:, 0]
    unsure = torch.log1p(-sure.exp().clamp(max=1 - 1e-7))
    confident = 1 - trust * labels.sum(1)
    rest = scores.scatter(1, targets[:, None], -torch.inf).log_softmax(1).clamp(min=-1e4)
    floor = (shares * shares.clamp(min=1e-12).log()).sum(1)
    others_term = floor - (shares * rest).sum(1)
    target_term = -confident * sure - (1 - confident) * unsure
    return (balance * target_term + (1 - balance) * others_term).mean()


def measured(way: str, loss: str, n_items: int) -> dict[str, float]:
    """Median seconds of a step and MiB at the peak, after one step on a small catalogue."""
    chance = torch.Generator().manual_seed(0)
    work = {"ours": ours, "dense": dense}[way]

    def step(items: Tensor) -> float:
        queries = torch.randn(QUERIES, DIM, generator=chance).mul_(0.1).requires_grad_()
        targets, others = drawn(len(items))
        labels = torch.full(others.shape, 0.5 / LABELLED)
        items.grad = None
        began = time.perf_counter()
        work(loss, queries, items, targets, others, labels).backward()
        return time.perf_counter() - began

    def drawn(count: int) -> tuple[Tensor, Tensor]:
        targets = torch.randint(count, (QUERIES,), generator=chance)
        steps = torch.arange(1, LABELLED + 1)
        return targets, (targets[:, None] + steps) % count

    step(torch.randn(1_000, DIM, generator=chance).requires_grad_())
    items = torch.randn(n_items, DIM, generator=chance).mul_(0.1).requires_grad_()
    before = peak_from_here()
    seconds = median(step(items) for _ in range(STEPS))
    return {"seconds": seconds, "mib": held("VmHWM") - before}


def main() -> None:
    """The table; with arguments, one line of it as JSON."""
    if sys.argv[1:]:
        way, loss, n_items = sys.argv[1:]
        print(json.dumps(measured(way, loss, int(n_items))))
        return
    rows: list[dict[str, Any]] = []
    for loss in ("softmax", "desorec"):
        for n_items in CATALOGUES:
            found = {way: _apart(way, loss, n_items) for way in ("ours", "dense")}
            rows.append(
                {
                    "loss": loss,
                    "items": f"{n_items:,}",
                    **{f"{way}, {unit}": found[way][key] for key, unit in UNITS.items() for way in found},
                    "table's gradient, MiB": n_items * DIM * 4 / 2**20,
                    "one matrix, MiB": n_items * QUERIES * 4 / 2**20,
                }
            )
    table(f"A step of {QUERIES} queries, d {DIM}", rows)


def _apart(way: str, loss: str, n_items: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.catalogues", way, loss, str(n_items)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
