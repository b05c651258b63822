"""Every backbone of sequences, held to its contract."""

from __future__ import annotations

from contracts.sequence_backbones import CausalContract, SequenceBackboneContract
from tacit.backbones.comirec import ComiRecDRConfig, ComiRecSAConfig
from tacit.backbones.gru4rec import GRU4RecConfig
from tacit.backbones.mind import MINDConfig
from tacit.backbones.sasrec import SASRecConfig
from tacit.backbones.youtubednn import YouTubeDNNConfig


class TestSASRec(CausalContract):
    config = SASRecConfig(dim=4, length=5)


class TestSASRecPostNorm(CausalContract):
    config = SASRecConfig(dim=4, length=5, norm="post", activation="relu")


class TestSASRecOfLastPositions(SequenceBackboneContract):
    config = SASRecConfig(dim=4, length=5, queries="last")


class TestSASRecOfNewestPositions(SequenceBackboneContract):
    config = SASRecConfig(dim=4, length=5, queries="newest")


class TestGRU4Rec(CausalContract):
    config = GRU4RecConfig(dim=4, length=5, hidden=6)


class TestGRU4RecOfLastPositionsUntied(SequenceBackboneContract):
    config = GRU4RecConfig(dim=4, length=5, hidden=6, layers=2, bias=False, tied=False, queries="last")


class TestYouTubeDNN(SequenceBackboneContract):
    config = YouTubeDNNConfig(dim=4, length=5)
    chance = False


class TestYouTubeDNNOfAllPositions(CausalContract):
    config = YouTubeDNNConfig(dim=4, length=5, hidden=(6, 3), queries="all")
    chance = False


class TestComiRecSA(SequenceBackboneContract):
    config = ComiRecSAConfig(dim=4, length=5, interests=3)
    chance = False


class TestComiRecSAWithoutPlaces(SequenceBackboneContract):
    config = ComiRecSAConfig(dim=4, length=5, interests=2, positions=False)
    chance = False


class TestComiRecDR(SequenceBackboneContract):
    config = ComiRecDRConfig(dim=4, length=5, interests=3)
    chance = False


class TestComiRecDRAttached(SequenceBackboneContract):
    config = ComiRecDRConfig(dim=4, length=5, interests=2, attached=True, axis="positions")
    chance = False


class TestMIND(SequenceBackboneContract):
    config = MINDConfig(dim=4, length=5, interests=3, adaptive=False, readout="hard")


class TestAdaptiveMIND(SequenceBackboneContract):
    config = MINDConfig(dim=4, length=5, interests=3, readout="hard", relu=True, attached=True)
