"""Every backbone of sequences, held to its contract."""

from __future__ import annotations

from contracts.sequence_backbones import SequenceBackboneContract
from tacit.backbones.gru4rec import GRU4RecConfig
from tacit.backbones.sasrec import SASRecConfig


class TestSASRec(SequenceBackboneContract):
    config = SASRecConfig(dim=4, length=5)


class TestSASRecPostNorm(SequenceBackboneContract):
    config = SASRecConfig(dim=4, length=5, norm="post", activation="relu")


class TestSASRecOfLastPositions(SequenceBackboneContract):
    config = SASRecConfig(dim=4, length=5, queries="last")


class TestGRU4Rec(SequenceBackboneContract):
    config = GRU4RecConfig(dim=4, length=5, hidden=6)


class TestGRU4RecOfLastPositionsUntied(SequenceBackboneContract):
    config = GRU4RecConfig(dim=4, length=5, hidden=6, layers=2, bias=False, tied=False, queries="last")
