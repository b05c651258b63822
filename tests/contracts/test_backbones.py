"""Every backbone of the package, held to its contract."""

from __future__ import annotations

from contracts.backbones import BackboneContract
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig


class TestMF(BackboneContract):
    config = MFConfig(dim=4)


class TestBiasedMF(BackboneContract):
    config = MFConfig(dim=4, biases=True)


class TestGMF(BackboneContract):
    config = GMFConfig(dim=4)


class TestBiasedGMF(BackboneContract):
    config = GMFConfig(dim=4, biases=True)


class TestLightGCN(BackboneContract):
    config = LightGCNConfig(dim=4)
    folds = True


class TestLightGCNOfOneLayer(BackboneContract):
    config = LightGCNConfig(dim=4, layers=1)
    folds = True
