"""The table of defaults: what a run does where its user says nothing.

What has been measured for them, and what has not yet, stands in docs/defaults.md. Rows of dli repeat those of
bce, its usual objective: nothing was measured for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tacit.schemes.scheme import Scheme
from tacit.training.optimizers import Name


@dataclass(frozen=True)
class Suggested:
    """Training options and options of scheme and backbone for one pair of them."""

    optimizer: Name
    rate: float
    batch_size: int  # where there are pairs enough, see `fitting_batch`; of sequences where they are read
    epochs: int
    patience: int
    scheme: dict[str, Any] = field(default_factory=dict)
    backbone: dict[str, Any] = field(default_factory=dict)
    decay: float = 1.0  # factor on the rate after each epoch


SMALL = {"scale": 0.01}
SLOW_BIASES = {"biases": True, "bias_rate": 0.1}
SHARP = {"temperature": 0.15}
LABELLED = {"negatives": 8, "l2": 0.003}
NO_VECTORS = {"negatives": 4, "l2": 0.0}
PUBLISHED = Suggested("adam", 0.001, 4096, 100, 5, NO_VECTORS)
PAIRWISE = Suggested(
    "row-adagrad",
    0.05,
    4096,
    150,
    5,
    {"negatives": 512, "shared": True, "l2": 0.1, "l2_spread": True},
    {"scale": 0.01, "biases": True},
)
SEQUENTIAL = Suggested("adam", 0.001, 128, 100, 5)
DOTS = {"similarity": "dot", "temperature": 1.0}
COSINES = {"similarity": "cosine", "temperature": 0.1, "correction": True}
BY_SCHEME = {  # of backbones that read sequences
    "bpr": replace(SEQUENTIAL, scheme=NO_VECTORS),
    "bce": replace(SEQUENTIAL, scheme=NO_VECTORS),
    "idl": replace(SEQUENTIAL, scheme=NO_VECTORS),
    "idl-ig": replace(SEQUENTIAL, scheme=NO_VECTORS),
    "dli": replace(SEQUENTIAL, scheme=NO_VECTORS),
    "sampled-softmax": replace(SEQUENTIAL, scheme={**DOTS, "correction": True}),
    "softmax": replace(SEQUENTIAL, scheme=DOTS),
    "remi": SEQUENTIAL,
    "desorec": SEQUENTIAL,
    "directspec": SEQUENTIAL,
    "directspec-plus": SEQUENTIAL,
}
SEQUENCES = ("sasrec", "gru4rec", "youtubednn", "comirec-sa", "comirec-dr", "mind")
ROUTED_RATE = 0.005  # of comirec-dr: its authors'
RECURRENT_RATE = 0.003  # of gru4rec
SINGLE = ("sasrec", "gru4rec", "youtubednn")
PAIRS = ("mf", "gmf", "lightgcn", "neumf")
ATTACHED, UNROUTED = {"attached": True}, {"routing": 0.0}
TABLE: dict[tuple[str, str], Suggested] = {
    ("mf", "bpr"): PAIRWISE,
    ("mf", "bce"): Suggested("row-adagrad", 0.1, 4096, 150, 5, LABELLED, SMALL),
    ("mf", "idl"): Suggested("row-adagrad", 0.1, 4096, 150, 5, LABELLED, SMALL),
    ("mf", "idl-ig"): Suggested("row-adagrad", 0.1, 4096, 150, 5, LABELLED, SMALL),
    ("mf", "sampled-softmax"): Suggested(
        "row-adagrad", 0.1, 2048, 60, 3, {"temperature": 0.12, "correction": True}, SLOW_BIASES
    ),
    ("mf", "softmax"): Suggested("row-adagrad", 0.1, 2048, 60, 3, SHARP),
    ("mf", "dli"): Suggested("row-adagrad", 0.1, 4096, 150, 5, LABELLED, SMALL),
    ("gmf", "bpr"): PAIRWISE,
    ("gmf", "bce"): Suggested("row-adagrad", 0.1, 4096, 150, 5, LABELLED, SMALL),
    ("gmf", "idl"): Suggested("row-adagrad", 0.1, 4096, 150, 5, LABELLED, SMALL),
    ("gmf", "idl-ig"): Suggested("row-adagrad", 0.1, 4096, 150, 5, LABELLED, SMALL),
    ("gmf", "sampled-softmax"): Suggested("row-adagrad", 0.1, 2048, 60, 3, SHARP),
    ("gmf", "softmax"): Suggested("row-adagrad", 0.1, 2048, 60, 3, SHARP),
    ("gmf", "dli"): Suggested("row-adagrad", 0.1, 4096, 150, 5, LABELLED, SMALL),
    ("lightgcn", "bpr"): Suggested("adam", 0.02, 32768, 300, 5, {"negatives": 16, "l2": 5e-5}, decay=0.985),
    ("lightgcn", "bce"): Suggested("adam", 0.03, 32768, 300, 5, {"negatives": 4, "l2": 1e-4}),
    ("lightgcn", "idl"): Suggested("adam", 0.03, 32768, 300, 5, {"negatives": 4, "l2": 1e-4}),
    ("lightgcn", "idl-ig"): Suggested("adam", 0.03, 32768, 300, 5, {"negatives": 4, "l2": 1e-4}),
    ("lightgcn", "sampled-softmax"): Suggested("adam", 0.01, 2048, 60, 3, SHARP),
    ("lightgcn", "softmax"): Suggested("adam", 0.01, 2048, 60, 3, SHARP),
    ("mf", "directspec"): Suggested("adam", 0.003, 1024, 150, 5),
    ("mf", "directspec-plus"): Suggested("adam", 0.003, 1024, 150, 5),
    ("lightgcn", "directspec"): Suggested("adam", 0.01, 4096, 100, 5),
    ("lightgcn", "directspec-plus"): Suggested("adam", 0.01, 4096, 100, 5),
    ("lightgcn", "dli"): Suggested("adam", 0.03, 32768, 300, 5, {"negatives": 4, "l2": 1e-4}),
    ("gmf", "directspec"): Suggested("adam", 0.003, 1024, 150, 5),
    ("gmf", "directspec-plus"): Suggested("adam", 0.003, 1024, 150, 5),
    ("neumf", "bpr"): PUBLISHED,
    ("neumf", "bce"): PUBLISHED,
    ("neumf", "idl"): PUBLISHED,
    ("neumf", "idl-ig"): PUBLISHED,
    ("neumf", "sampled-softmax"): replace(
        PUBLISHED, scheme={"negatives": 16, "shared": False, "similarity": "dot", "temperature": 1.0}
    ),
    ("neumf", "dli"): PUBLISHED,
    **{(backbone, scheme): row for backbone in SEQUENCES for scheme, row in BY_SCHEME.items()},
    **{("gru4rec", scheme): replace(row, rate=RECURRENT_RATE) for scheme, row in BY_SCHEME.items()},
    **{("comirec-dr", scheme): replace(row, rate=ROUTED_RATE) for scheme, row in BY_SCHEME.items()},
    ("sasrec", "softmax"): replace(SEQUENTIAL, batch_size=32, scheme=DOTS, backbone={"dropout": 0.5}),
    ("sasrec", "gbce"): replace(SEQUENTIAL, batch_size=32, backbone={"dropout": 0.5}),
    ("sasrec", "desorec"): replace(SEQUENTIAL, backbone={"dropout": 0.5}),
    ("youtubednn", "sampled-softmax"): replace(BY_SCHEME["sampled-softmax"], rate=0.003),
    ("comirec-sa", "sampled-softmax"): replace(SEQUENTIAL, scheme=COSINES),
    ("comirec-sa", "remi"): Suggested("adam", 0.005, 128, 100, 5, {"hardness": 1.0, "routing": 0.1}),
    ("comirec-dr", "remi"): Suggested(
        "adam", 0.005, 128, 100, 5, {"hardness": 0.1, "routing": 0.003}, ATTACHED
    ),
    ("mind", "remi"): Suggested("adam", 0.005, 128, 100, 5, {"hardness": 1.0, "routing": 0.03}, ATTACHED),
    **{(backbone, "remi"): replace(SEQUENTIAL, scheme=UNROUTED) for backbone in SINGLE},
    ("gru4rec", "remi"): replace(SEQUENTIAL, rate=RECURRENT_RATE, scheme=UNROUTED),
    **{(backbone, "remi"): Suggested("adam", 0.001, 2048, 60, 3, UNROUTED) for backbone in PAIRS},
    **{(backbone, "desorec"): Suggested("adam", 0.001, 2048, 60, 3) for backbone in PAIRS[:3]},
}
KIN = {  # whose training options a scheme takes where it has no row of its own
    "t-ce": "bce",
    "r-ce": "bce",
    "dns": "bpr",
    "gbce": "bce",
    "ccl": "sampled-softmax",
    "bsl": "sampled-softmax",
    "label-smoothing": "sampled-softmax",
    "directau": "directspec-plus",
}
# By backbone. LightGCN ranks best under bpr on the larger logs; bce is the loss of the paper of NeuMF.
BEST_SCHEME = {"lightgcn": "bpr", "neumf": "bce", "sasrec": "softmax", "gru4rec": "softmax"}
STEPS, SMALLEST = 16, 512  # in an epoch at least; pairs of a batch that is not halved
HANGS_ON = {"shared": "draw", "l2_spread": "l2"}  # options of the table that another one's value explains
FALLBACK = Suggested("adam", 0.001, 4096, 100, 5)

RATES = {
    "row-adagrad": 0.1,
    "row-adam": 0.005,
    "lazy-adam": 0.005,
    "adam": 0.005,
    "sgd": 0.1,
    "sign": 0.001,
}  # of another optimiser


def fitting_batch(size: int, pairs: int) -> int:
    """The table's batch, halved until an epoch has `STEPS` of them, not below `SMALLEST`."""
    while size > SMALLEST and size * STEPS > pairs:
        size //= 2
    return size


def usual_scheme(backbone: str) -> str:
    """The scheme where none is named: sampled softmax ranks best on validation (docs/defaults.md)."""
    return BEST_SCHEME.get(backbone, "sampled-softmax")


def usual_meta(scheme: Scheme) -> float:
    """Share of the training examples that is held out for meta batches: a tenth, where any are needed."""
    return 0.1 if scheme.update.needs_meta else 0.0


def suggested(backbone: str, scheme: str, *, sequences: bool = False) -> Suggested:
    """Defaults of this backbone under this scheme; a cautious fallback for one's own parts.

    `sequences`: the backbone reads them, so that a batch is one of windows.
    """
    if (backbone, scheme) in TABLE:
        return TABLE[backbone, scheme]
    kin = TABLE.get((backbone, KIN.get(scheme, "")), SEQUENTIAL if sequences else FALLBACK)
    scale = {name: value for name, value in kin.backbone.items() if name == "scale"}
    return replace(kin, scheme={}, backbone=scale)


def beneath(table: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the table, those that were said over them; what only made sense with another value goes."""
    kept = {name: value for name, value in table.items() if HANGS_ON.get(name) not in said}
    if said.get("draw") == "in-batch":
        kept.pop("negatives", None)
    return {**kept, **said}
