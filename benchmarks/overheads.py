"""What schemes cost beside the plain loss that they change: Gowalla, MF and LightGCN-3, d 64, in one run.

    python -m benchmarks.overheads

DLI, IDL and IG beside binary cross-entropy with as many candidates; DirectSpec+ beside in-batch softmax, ours
in blocks and the dense one in plain torch; the memory that a step of DirectSpec+ adds at its peak.
"""

from __future__ import annotations

import ctypes
import gc
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from benchmarks.places import dataset, table
from benchmarks.training import rate
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MFConfig
from tacit.data.interactions import Interactions
from tacit.data.loaders import PairLoader
from tacit.kernels.rows import Rows
from tacit.parts.objectives import PositiveOnly
from tacit.parts.samplers import Nothing
from tacit.presets import BackboneConfig, idl_ig
from tacit.schemes.directspec import directspec_plus
from tacit.schemes.dli import dli
from tacit.schemes.idl import idl
from tacit.schemes.plain import bce, sampled_softmax
from tacit.schemes.scheme import Scheme
from tacit.training.fit import fit as loop
from tacit.training.optimizers import Name, build
from tacit.training.step import Step
from tacit.types import Batch, Candidates, Encoded, Need, Slot, TrainingData

BACKBONES: dict[str, tuple[BackboneConfig, Name, int]] = {
    "MF": (MFConfig(scale=0.01), "row-adagrad", 40),
    "LightGCN-3": (LightGCNConfig(), "adam", 4),
}
SHARED: dict[str, Any] = {"negatives": 4, "l2": 0.0}
WARM: dict[str, Any] = {"warmup": 0.0, "growth": 0.0}  # so that what is timed selects
JUDGED: dict[str, tuple[Scheme, float]] = {
    "dli, truncate, neighbour": (dli(criterion="neighbour", **WARM, **SHARED), 0.7),
    "dli, reverse, neighbour": (dli(loss="reverse", criterion="neighbour", **WARM, **SHARED), 0.7),
    "dli, truncate, own loss": (dli(criterion="loss", **WARM, **SHARED), 0.7),
    "dli, reverse, own loss": (dli(loss="reverse", criterion="loss", **WARM, **SHARED), 0.7),
    "idl": (idl(warmup=0.0, **SHARED), 0.7),
    "idl-ig": (idl_ig(warmup=0.0, **SHARED), 0.25),
}
BATCH, BALANCED = 16_384, 8_192
LIMIT = 1024.0  # MiB
ROUNDS = 5


@dataclass(frozen=True)
class Dense:
    """In-batch softmax of cosines with a B x B matrix in plain torch: the floor of the comparison."""

    temperature: float = 0.15
    name: str = "dense"
    slot: ClassVar[Slot] = "regulariser"
    needs: ClassVar[frozenset[Need]] = frozenset({"vectors"})

    def bind(self, data: TrainingData) -> Self:
        """Itself."""
        return self

    def __call__(self, encoded: Encoded, batch: Batch, candidates: Candidates) -> torch.Tensor:
        queries = encoded.queries.take() if isinstance(encoded.queries, Rows) else encoded.queries[:, 0]
        items = encoded.items.rows(candidates.read[0])
        logits = normalize(queries, dim=1) @ normalize(items, dim=1).T / self.temperature
        return cross_entropy(logits, torch.arange(len(logits)))


def beside(
    log: Interactions,
    config: BackboneConfig,
    plain: Scheme,
    scheme: Scheme,
    optimizer: Name,
    batch: int,
    steps: int,
) -> tuple[float, float]:
    """Pairs per second of a scheme, and how often those of the plain one.

    Medians of rounds in which they take turns, for others may share the machine.
    """
    rounds = [
        [rate(log, config, one, optimizer, batch, steps) for one in (plain, scheme)] for _ in range(ROUNDS)
    ]
    return median(own for _, own in rounds), median(own / theirs for theirs, own in rounds)


def judged(log: Interactions) -> None:
    """Pairs per second beside plain binary cross-entropy, and the least share that is wanted."""
    for name, (config, optimizer, steps) in BACKBONES.items():
        rows: list[dict[str, Any]] = []
        for label, (scheme, least) in JUDGED.items():
            speed, ratio = beside(log, config, bce(**SHARED), scheme, optimizer, BATCH, steps)
            rows.append({"scheme": label, "M pairs/s": speed / 1e6, "ratio": ratio, "least": least})
        table(f"Beside binary cross-entropy, {name}, batches of {BATCH:,}", rows)


def balanced(log: Interactions) -> None:
    """Times of DirectSpec+ beside both softmaxes, and the most that is wanted."""
    dense = Scheme(Nothing(), PositiveOnly(), regularisers=(Dense(),))
    blocked = sampled_softmax(draw="in-batch", temperature=0.15)
    for name, (config, optimizer, steps) in BACKBONES.items():
        few = max(2, steps // 10)
        rows: list[dict[str, Any]] = []
        for label, scheme, most in (
            ("in-batch softmax, dense", dense, 2),
            ("in-batch softmax, blocked", blocked, 5),
        ):
            speed, ratio = beside(log, config, scheme, directspec_plus(), optimizer, BALANCED, few)
            rows.append(
                {"beside": label, "M pairs/s": speed / 1e6, "times its time": 1 / ratio, "most": most}
            )
        table(f"DirectSpec+ beside in-batch softmax, {name}, batches of {BALANCED:,}", rows)


def memory(log: Interactions) -> None:
    """MiB at the peak of the first steps above those before them, all code being compiled."""
    rows: list[dict[str, Any]] = []
    for name, (config, optimizer, _) in BACKBONES.items():
        step = Step(config.build(log, torch.Generator().manual_seed(0)), directspec_plus().bind(log))
        method = build(optimizer, 0.01, step.groups())
        yes = np.flatnonzero(log.yes)
        small, large = (PairLoader.of(log, yes, batch, seed=0) for batch in (64, BALANCED))
        loop(step, small, method, epochs=1, seed=0, max_steps=1)
        before = peak_from_here()
        loop(step, large, method, epochs=1, seed=0, max_steps=2)
        rows.append({"backbone": name, "MiB added": held("VmHWM") - before, "most": LIMIT})
    table(f"Memory that steps of DirectSpec+ add, batches of {BALANCED:,}", rows)


def peak_from_here() -> float:
    """MiB that are held now; from here on the peak `held("VmHWM")` is counted anew."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return held("VmRSS")


def held(entry: str) -> float:
    """An entry of the process's status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(entry)).split()[1]) / 1024


def main() -> None:
    """Print the tables."""
    folder = dataset("gowalla")
    if folder is None:
        return
    log = Interactions.read(folder / "train.parquet")
    memory(log)
    balanced(log)
    judged(log)


if __name__ == "__main__":
    main()
