"""Every scheme with every part on every backbone: what is legal trains, the rest is refused with a mend."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from helpers.tiny import random_data
from helpers.training import Run, loader_of, same
from tacit.backbones.comirec import ComiRecDRConfig, ComiRecSAConfig
from tacit.backbones.gru4rec import GRU4RecConfig
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.backbones.mind import MINDConfig
from tacit.backbones.neumf import NeuMFConfig
from tacit.backbones.sasrec import SASRecConfig
from tacit.backbones.youtubednn import YouTubeDNNConfig
from tacit.cli.names import AlsoPart, SchemeChoice, members
from tacit.data.softlabels import SoftLabels
from tacit.errors import SchemeError
from tacit.parts.miners import HardestK
from tacit.parts.regularisers import EmbeddingNorm
from tacit.presets import IDLIGScheme
from tacit.schemes.desorec import Decoupled, SoftCandidates
from tacit.schemes.directspec import DirectSpec
from tacit.schemes.dli import DLI, DLIScheme
from tacit.schemes.idl import IDL, IDLScheme
from tacit.schemes.ig import InverseGradient
from tacit.schemes.plain import BCEScheme, BPRScheme, SampledSoftmaxScheme
from tacit.schemes.remi import InterestAware, REMIScheme, RoutingVariance
from tacit.schemes.rivals.adt import ReweightedLoss, TruncatedLoss
from tacit.schemes.rivals.directau import Uniformity
from tacit.schemes.rivals.dns import DNSScheme
from tacit.schemes.rivals.gbce import GBCEScheme
from tacit.schemes.scheme import Scheme

DATA = random_data(0)
OPTIMIZERS = ("row-adagrad", "row-adam", "lazy-adam", "adam", "sgd", "sign")
BACKBONES = {"mf": MFConfig(dim=8), "gmf": GMFConfig(dim=8), "lightgcn": LightGCNConfig(dim=8)}
ROUTED = {
    "comirec-sa": ComiRecSAConfig(dim=8, length=4, interests=2),
    "comirec-dr": ComiRecDRConfig(dim=8, length=4, interests=2, attached=True),
    "mind": MINDConfig(dim=8, length=4, interests=2, attached=True),
}
SEQUENCES = {
    "sasrec": SASRecConfig(dim=8, length=4, blocks=1),
    "gru4rec": GRU4RecConfig(dim=8, length=4, hidden=8),
    "youtubednn": YouTubeDNNConfig(dim=8, length=4),
    **ROUTED,
}


@dataclass(frozen=True)
class Softly:
    """DeSoRec with labels for these data, some without support."""

    def build(self) -> Scheme:
        """The scheme."""
        counts = np.arange(len(DATA.users)) % 3
        indptr = np.concatenate([[0], counts.cumsum()]).astype(np.int64)
        items = np.concatenate([(DATA.items[row] + 1 + np.arange(n)) % 20 for row, n in enumerate(counts)])
        labels = SoftLabels(DATA.items, indptr, items.astype(np.int32), np.full(len(items), 0.2, np.float32))
        return Scheme(SoftCandidates(labels), Decoupled())


SCHEMES: dict[str, Any] = {name: preset() for name, preset in members(SchemeChoice).items()} | {
    "dli-bpr": DLIScheme(objective="bpr"),
    "dli-softmax": DLIScheme(objective="sampled-softmax"),
    "dli-reverse": DLIScheme(loss="reverse"),
    "remi": REMIScheme(routing=0.0, negatives=8),
    "desorec": Softly(),
    "gbce": GBCEScheme(negatives=8),
    "remi-catalogue": REMIScheme(routing=0.0, draw="catalogue"),
}
FORMS: dict[str, Any] = {
    "graph-filter": DLIScheme(criterion="graph-filter"),
    "stable": DLIScheme(criterion="stable", pool=8, warmup=0.0),
    "latent": DLIScheme(latent=0.3, best=2),
    "impressions": IDLScheme(draw="impressions", warmup=0.0),
    "judged by impressions": IDLIGScheme(draw="impressions", warmup=0.0),
    "popularity, corrected": SampledSoftmaxScheme(negatives=4, draw="popularity", correction=True),
}
PARTS: dict[str, Any] = {
    "alone": None,
    "directspec": DirectSpec(),
    "dli": DLI(),
    "dli-reverse": DLI("reverse"),
    "dli-own": DLI(criterion="loss"),
    "idl": IDL(warmup=0.0),
    "ig": InverseGradient(),
    "ig-probe": InverseGradient("probe"),
    "hardest": HardestK(2),
    "truncated-loss": TruncatedLoss(growth=0.0),
    "reweighted-loss": ReweightedLoss(),
    "uniformity": Uniformity(),
    "embedding-norm": EmbeddingNorm(),
    "second-norm": EmbeddingNorm(name="second"),
    "interest-aware": InterestAware(),
}
BY_CANDIDATE = {"idl", "ig", "ig-probe", "truncated-loss", "reweighted-loss"}  # ask for a loss of each
OF_VECTORS = {"directspec", "uniformity", "embedding-norm", "second-norm"}
PAIRWISE = {"bpr", "dns", "dli-bpr"}
LISTWISE = {
    "sampled-softmax",
    "softmax",
    "dli-softmax",
    "ccl",
    "bsl",
    "label-smoothing",
    "remi",
    "desorec",
    "remi-catalogue",
}
POSITIVE = {"directspec", "directspec-plus", "directau"}
UNSAMPLED = POSITIVE | {"softmax", "desorec", "remi-catalogue"}
TWICE = {
    *itertools.product(("dli", "dli-bpr", "dli-softmax", "dli-reverse"), ("dli", "dli-reverse", "dli-own")),
    *itertools.product(("idl", "idl-ig"), ("idl",)),
    *(("dns", "hardest"), ("t-ce", "truncated-loss"), ("r-ce", "reweighted-loss")),
    ("remi", "interest-aware"),
}
NORMED = {"bpr", "bce", "dns", "dli", "dli-bpr", "dli-softmax", "dli-reverse", "idl", "idl-ig"}
REFUSED = (
    {(scheme, part) for scheme in PAIRWISE | LISTWISE | POSITIVE for part in BY_CANDIDATE}
    | {(scheme, part) for scheme in UNSAMPLED for part in ("dli", "dli-reverse", "dli-own", "hardest")}
    | {(scheme, "dli-reverse") for scheme in ("ccl", "bsl", "label-smoothing")}
    | {(scheme, "interest-aware") for scheme in SCHEMES if scheme not in ("sampled-softmax", "dli-softmax")}
    | {
        ("dns", "dli-own"),
        ("softmax", "directspec"),
        ("desorec", "directspec"),
        ("remi-catalogue", "directspec"),
        ("directau", "uniformity"),
    }
    | {("idl-ig", "ig"), ("idl-ig", "ig-probe")}
    | TWICE
    | {(scheme, "embedding-norm") for scheme in NORMED}
)
CELLS = sorted(itertools.product(SCHEMES, PARTS))
WITHOUT_VECTORS: dict[str, Any] = {  # for a backbone that scores pairs
    "bpr": BPRScheme(l2=0.0),
    "bce": BCEScheme(l2=0.0),
    "sampled-softmax": SampledSoftmaxScheme(negatives=4, shared=False, similarity="dot", temperature=1.0),
    "dns": DNSScheme(l2=0.0),
    "dli": DLIScheme(l2=0.0),
    "idl": IDLScheme(l2=0.0),
    "idl-ig": IDLIGScheme(l2=0.0),
    "t-ce": SCHEMES["t-ce"],
    "r-ce": SCHEMES["r-ce"],
    "gbce": SCHEMES["gbce"],
}


def composed(preset: Any, part: Any) -> Any:
    return preset.build() if part is None else preset.build().with_(part)


def train(backbone: Any, scheme: Any, optimizer: str) -> None:
    run = Run(DATA, backbone, scheme, optimizer=optimizer, rate=0.01)
    before = run.parameters()
    meta = loader_of(DATA, backbone, seed=1) if scheme.update.needs_meta else None
    run.fit(2, meta_loader=meta)
    after = run.parameters()
    assert all(value.isfinite().all() for value in after.values())
    assert not same(before, after)


def test_every_part_that_a_configuration_may_add_is_among_them():
    among = {type(part) for part in PARTS.values() if part is not None}
    assert set(members(AlsoPart).values()) == among | {RoutingVariance}


@pytest.mark.parametrize(("scheme", "part"), [cell for cell in CELLS if cell not in REFUSED])
def test_a_legal_cell_trains_on_every_backbone_with_every_optimiser(scheme, part):
    for backbone, optimizer in itertools.product(BACKBONES.values(), OPTIMIZERS):
        train(backbone, composed(SCHEMES[scheme], PARTS[part]), optimizer)


@pytest.mark.parametrize(("scheme", "part"), [cell for cell in CELLS if cell not in REFUSED])
def test_a_legal_cell_trains_on_every_backbone_that_reads_sequences(scheme, part):
    for backbone in SEQUENCES.values():
        train(backbone, composed(SCHEMES[scheme], PARTS[part]), "adam")


@pytest.mark.parametrize("backbone", SEQUENCES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("scheme", ["bpr", "softmax", "remi", "idl-ig"])
def test_every_optimiser_trains_what_reads_sequences(scheme, optimizer, backbone):
    train(SEQUENCES[backbone], SCHEMES[scheme].build(), optimizer)


@pytest.mark.parametrize("backbone", ROUTED)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_trains_with_routing_regularisation(scheme, backbone):
    train(ROUTED[backbone], SCHEMES[scheme].build().with_(RoutingVariance()), "adam")


@pytest.mark.parametrize("backbone", ["mf", "lightgcn", "sasrec", "gru4rec", "youtubednn"])
def test_routing_regularisation_is_refused_without_routing(backbone):
    with pytest.raises(SchemeError, match=r"needs routing weights.*: use "):
        train((BACKBONES | SEQUENCES)[backbone], SCHEMES["bpr"].build().with_(RoutingVariance()), "adam")


@pytest.mark.parametrize("optimizer", ["row-adagrad", "adam"])
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("scheme", FORMS)
def test_every_form_of_a_scheme_trains_on_every_backbone(scheme, backbone, optimizer):
    train(BACKBONES[backbone], FORMS[scheme].build(), optimizer)


@pytest.mark.parametrize(("scheme", "part"), sorted(REFUSED))
def test_an_illegal_cell_is_refused_in_one_sentence_with_the_mend(scheme, part):
    with pytest.raises(SchemeError, match=r"^[^\n]+: [^\n]*(use|drop|leave|replace)[^\n]*$"):
        composed(SCHEMES[scheme], PARTS[part])


@pytest.mark.parametrize(
    ("scheme", "part"),
    [
        (scheme, part)
        for scheme in sorted(WITHOUT_VECTORS)
        for part in PARTS
        if part not in OF_VECTORS and (scheme, part) not in REFUSED
    ],
)
def test_a_legal_cell_trains_on_a_backbone_that_scores_pairs(scheme, part):
    for optimizer in OPTIMIZERS:
        train(NeuMFConfig(dim=8), composed(WITHOUT_VECTORS[scheme], PARTS[part]), optimizer)


@pytest.mark.parametrize(
    ("scheme", "part"),
    [
        *((scheme, "alone") for scheme in sorted(POSITIVE | {"softmax", "ccl", "bsl", "label-smoothing"})),
        *itertools.product(sorted(WITHOUT_VECTORS), sorted(OF_VECTORS)),
    ],
)
def test_what_needs_vectors_is_refused_on_a_backbone_that_scores_pairs(scheme, part):
    preset = WITHOUT_VECTORS.get(scheme, SCHEMES[scheme])
    with pytest.raises(SchemeError, match=r"needs vectors, and NeuMF scores pairs without any: use"):
        train(NeuMFConfig(dim=8), composed(preset, PARTS[part]), "adam")
