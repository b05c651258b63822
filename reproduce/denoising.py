"""What the studies of false negatives share: binary cross-entropy, its rivals, DLI and IDL on one log.

The log is split by time and ranked over the whole catalogue. There are two points: two strengths of L2, the
schemes' own options being those of their presets. On ml-100k each scheme has its better one, on the other
logs all have that of plain cross-entropy, which may flatter it. `random` drops as many candidates as DLI by
neighbours does, whoever they are: what is not better than this owes nothing to its choice. The paper of DLI
has no number to reproduce (docs/methods/dli.md). What judges itself selects in full after fifteen epochs,
so every scheme has the patience to come there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from reproduce.contest import Contest
from reproduce.pairs import Preset, Setting, Work
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.data.split import Split
from tacit.parts.criteria import Name, Neighbour
from tacit.parts.pool import Pool
from tacit.presets import BackboneConfig, IDLIGScheme
from tacit.protocols import Objective
from tacit.schemes.dli import DLI, DLIScheme
from tacit.schemes.idl import IDLScheme
from tacit.schemes.plain import BCEScheme
from tacit.schemes.rivals.adt import RCEScheme, TCEScheme
from tacit.schemes.scheme import Scheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions
from tacit.types import Scored, TrainingData

NEGATIVES = 8
DROPPED = 0.1  # of the cells that one candidate a pair would make, as its authors have it
SEEDS = range(3)
PATIENCE = 20
Loss = Literal["truncate", "reverse"]
BY_NEIGHBOURS = ("dli-truncate-neighbour", "dli-reverse-neighbour")
BY_CHANCE = ("dli-truncate-random", "dli-reverse-random")
BACKBONES: dict[str, tuple[BackboneConfig, OptimizerOptions, int, tuple[float, float]]] = {
    "mf": (MFConfig(scale=0.01), OptimizerOptions("row-adagrad", 0.1), 4096, (0.003, 0.01)),
    "gmf": (GMFConfig(scale=0.01), OptimizerOptions("row-adagrad", 0.1), 4096, (0.003, 0.01)),
    "lightgcn": (LightGCNConfig(), OptimizerOptions("adam", 0.02), 4096, (5e-5, 5e-4)),
}


@dataclass(frozen=True)
class Shuffled:
    """What neighbours say, dealt anew to the candidates of the batch: as many are selected, but by chance."""

    witness: Neighbour = field(default_factory=Neighbour)
    own: ClassVar[bool] = False

    def bind(self, data: TrainingData) -> Self:
        """With the neighbours of these data."""
        return replace(self, witness=self.witness.bind(data))

    def __call__(self, scored: Scored, objective: Objective) -> Tensor:
        said = self.witness(scored, objective)
        key = (scored.users[:, None] * 2_654_435_761 + scored.others * 40_503) % 1_000_003
        values = torch.empty_like(said).flatten()
        values[key.flatten().argsort(stable=True)] = said.flatten()
        return values.view(said.shape)


@dataclass(frozen=True)
class PooledScheme:
    """Plain binary cross-entropy whose candidates come from the pools of `stable`."""

    l2: float = 0.0

    def build(self) -> Scheme:
        """The scheme of these options."""
        return replace(BCEScheme(l2=self.l2).build(), sampler=Pool(NEGATIVES))


@dataclass(frozen=True)
class RandomScheme:
    """DLI that selects at random, as often as by neighbours."""

    loss: Loss
    l2: float = 0.0

    def build(self) -> Scheme:
        """The scheme of these options."""
        plain = BCEScheme(negatives=NEGATIVES, l2=self.l2).build()
        return plain.with_(DLI(self.loss, Shuffled(), (1.0, 0.5)))


def schemes(l2: float) -> dict[str, Preset]:
    """The base first."""
    shared: dict[str, Any] = {"negatives": NEGATIVES, "l2": l2}
    found: dict[str, Preset] = {
        "bce": BCEScheme(**shared),
        "t-ce": TCEScheme(rate=2 * DROPPED / (1 + NEGATIVES), **shared),
        "r-ce": RCEScheme(**shared),
        "idl": IDLScheme(**shared),
        "idl-ig": IDLIGScheme(**shared),
    }
    losses: tuple[Loss, Loss] = ("truncate", "reverse")
    for loss in losses:
        found[f"dli-{loss}-own-loss"] = DLIScheme(loss=loss, criterion="loss", **shared)
        found[f"dli-{loss}-neighbour"] = DLIScheme(loss=loss, criterion="neighbour", **shared)
        found[f"dli-{loss}-random"] = RandomScheme(loss, l2)
    return found


def more(l2: float) -> dict[str, Preset]:
    """Full mode, and the other criteria; the base first, also on the candidates that `stable` needs."""
    shared: dict[str, Any] = {"negatives": NEGATIVES, "l2": l2}
    found: dict[str, Preset] = {"bce": BCEScheme(**shared), "bce-on-pool": PooledScheme(l2)}
    losses: tuple[Loss, Loss] = ("truncate", "reverse")
    for loss in losses:
        kinds: tuple[Name, Name] = ("loss", "neighbour")
        for criterion in kinds:
            found[f"dli-{loss}-{criterion}-full"] = DLIScheme(
                loss=loss, criterion=criterion, mode="full", **shared
            )
        others: tuple[Name, ...] = ("margin", "stable", "graph-filter")
        for other in others:
            found[f"dli-{loss}-{other}"] = DLIScheme(loss=loss, criterion=other, **shared)
    return found


def contest(
    study: str,
    name: str,
    backbone: str,
    split: Callable[[], Split],
    entries: Callable[[float], dict[str, Preset]] = schemes,
    **options: Any,
) -> dict[str, Work]:
    """Cells of one backbone."""
    config, optimizer, batch, strengths = BACKBONES[backbone]
    training = TrainingOptions(epochs=100, batch_size=batch, patience=PATIENCE)
    points = {
        scheme: [Setting(config, entries(l2)[scheme], optimizer, training) for l2 in strengths]
        for scheme in entries(strengths[0])
    }
    return Contest(study, name, split, points, SEEDS, **options).cells()


def contests(study: str, split: Callable[[], Split], **options: Any) -> dict[str, Work]:
    """Cells of all three backbones, neighbours set beside chance too."""
    found: dict[str, Work] = {}
    for backbone in BACKBONES:
        found |= contest(
            study, backbone, backbone, split, candidates=BY_NEIGHBOURS, rivals=BY_CHANCE, **options
        )
    return found
