"""Tacit: recommenders from implicit feedback, without mistaking silence for a no.

Public names are resolved on first use, so that importing the package costs little.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacit.api import evaluate, fit, soft_labels
    from tacit.backbones.comirec import ComiRecDRConfig, ComiRecSAConfig
    from tacit.backbones.gru4rec import GRU4RecConfig
    from tacit.backbones.lightgcn import LightGCNConfig
    from tacit.backbones.mf import GMFConfig, MFConfig
    from tacit.backbones.mind import MINDConfig
    from tacit.backbones.neumf import NeuMFConfig
    from tacit.backbones.sasrec import SASRecConfig
    from tacit.backbones.youtubednn import YouTubeDNNConfig
    from tacit.data.interactions import Interactions
    from tacit.data.split import Split, split
    from tacit.data.synthetic import simulate
    from tacit.evaluation.compare import compare
    from tacit.gathering import DataOptions
    from tacit.parts.propagation import Propagation
    from tacit.presets import idl_ig
    from tacit.recommend.request import Diversity
    from tacit.run import Run, load
    from tacit.schemes.desorec import desorec
    from tacit.schemes.directspec import directspec, directspec_plus
    from tacit.schemes.dli import dli
    from tacit.schemes.idl import idl
    from tacit.schemes.plain import bce, bpr, sampled_softmax, softmax
    from tacit.schemes.remi import remi
    from tacit.schemes.rivals.adt import r_ce, t_ce
    from tacit.schemes.rivals.contrastive import bsl, ccl
    from tacit.schemes.rivals.directau import directau
    from tacit.schemes.rivals.dns import dns
    from tacit.schemes.rivals.gbce import gbce
    from tacit.schemes.rivals.smoothing import label_smoothing
    from tacit.schemes.scheme import Scheme
    from tacit.training.optimizers import OptimizerOptions
    from tacit.training.options import TrainingOptions

_HOME = {
    "ComiRecDRConfig": "tacit.backbones.comirec",
    "ComiRecSAConfig": "tacit.backbones.comirec",
    "DataOptions": "tacit.gathering",
    "Diversity": "tacit.recommend.request",
    "GMFConfig": "tacit.backbones.mf",
    "GRU4RecConfig": "tacit.backbones.gru4rec",
    "Interactions": "tacit.data.interactions",
    "LightGCNConfig": "tacit.backbones.lightgcn",
    "MFConfig": "tacit.backbones.mf",
    "MINDConfig": "tacit.backbones.mind",
    "NeuMFConfig": "tacit.backbones.neumf",
    "OptimizerOptions": "tacit.training.optimizers",
    "Propagation": "tacit.parts.propagation",
    "Run": "tacit.run",
    "SASRecConfig": "tacit.backbones.sasrec",
    "Scheme": "tacit.schemes.scheme",
    "Split": "tacit.data.split",
    "TrainingOptions": "tacit.training.options",
    "YouTubeDNNConfig": "tacit.backbones.youtubednn",
    "bce": "tacit.schemes.plain",
    "bpr": "tacit.schemes.plain",
    "bsl": "tacit.schemes.rivals.contrastive",
    "ccl": "tacit.schemes.rivals.contrastive",
    "compare": "tacit.evaluation.compare",
    "desorec": "tacit.schemes.desorec",
    "directau": "tacit.schemes.rivals.directau",
    "directspec": "tacit.schemes.directspec",
    "directspec_plus": "tacit.schemes.directspec",
    "dli": "tacit.schemes.dli",
    "dns": "tacit.schemes.rivals.dns",
    "evaluate": "tacit.api",
    "fit": "tacit.api",
    "gbce": "tacit.schemes.rivals.gbce",
    "idl": "tacit.schemes.idl",
    "idl_ig": "tacit.presets",
    "label_smoothing": "tacit.schemes.rivals.smoothing",
    "load": "tacit.run",
    "r_ce": "tacit.schemes.rivals.adt",
    "remi": "tacit.schemes.remi",
    "sampled_softmax": "tacit.schemes.plain",
    "simulate": "tacit.data.synthetic",
    "soft_labels": "tacit.api",
    "softmax": "tacit.schemes.plain",
    "split": "tacit.data.split",
    "t_ce": "tacit.schemes.rivals.adt",
}

__version__ = "0.1.0"

__all__ = [
    "ComiRecDRConfig",
    "ComiRecSAConfig",
    "DataOptions",
    "Diversity",
    "GMFConfig",
    "GRU4RecConfig",
    "Interactions",
    "LightGCNConfig",
    "MFConfig",
    "MINDConfig",
    "NeuMFConfig",
    "OptimizerOptions",
    "Propagation",
    "Run",
    "SASRecConfig",
    "Scheme",
    "Split",
    "TrainingOptions",
    "YouTubeDNNConfig",
    "bce",
    "bpr",
    "bsl",
    "ccl",
    "compare",
    "desorec",
    "directau",
    "directspec",
    "directspec_plus",
    "dli",
    "dns",
    "evaluate",
    "fit",
    "gbce",
    "idl",
    "idl_ig",
    "label_smoothing",
    "load",
    "r_ce",
    "remi",
    "sampled_softmax",
    "simulate",
    "soft_labels",
    "softmax",
    "split",
    "t_ce",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tacit' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
