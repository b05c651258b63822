"""Every scorer of pairs of the package, held to its contract."""

from __future__ import annotations

from contracts.pair_scorers import PairScorerContract
from tacit.backbones.neumf import NeuMFConfig


class TestNeuMF(PairScorerContract):
    config = NeuMFConfig(dim=4, hidden=(8, 4))


class TestDeepNeuMF(PairScorerContract):
    config = NeuMFConfig(dim=3, perceptron_dim=5, hidden=(8, 6, 4), dropout=0.0, scale=0.1)
