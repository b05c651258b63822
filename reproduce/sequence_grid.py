"""Points of backbones that read sequences and of the schemes that go with them, for `reproduce.defaults`."""

from __future__ import annotations

from typing import Any

from tacit.defaults import Suggested

SETS = ("ml-100k", "lastfm-seq")
# Tried on games too.
WIDER = ("sasrec-softmax", "gru4rec-softmax", "comirec-dr-sampled-softmax", "comirec-sa-remi")
DOTS = {"similarity": "dot", "temperature": 1.0}
SHARED = {**DOTS, "correction": True}
COSINES = {"similarity": "cosine", "temperature": 0.1, "correction": True}
STRENGTHS = {  # of the routing: its variance is far larger where events are shared out among interests
    "comirec-sa": (0.1, 0.6, 3.125),
    "comirec-dr": (0.003, 0.03),
    "mind": (0.003, 0.03),
}


def points() -> dict[str, list[Suggested]]:
    """By pair."""
    return {
        "sasrec-softmax": [
            *(_point(0.001, DOTS, dropout=share, batch=batch) for share in (0.2, 0.5) for batch in (32, 128)),
            _point(0.003, DOTS, dropout=0.5),
            _point(0.001, {"similarity": "cosine", "temperature": 0.1}, dropout=0.5),
        ],
        "gru4rec-softmax": [
            *(_point(rate, DOTS, dropout=share) for rate in (0.001, 0.003) for share in (0.2, 0.5)),
            _point(0.01, DOTS, dropout=0.5),
        ],
        "sasrec-desorec": [
            _point(0.001, {"trust": trust, "balance": balance}, dropout=0.5)
            for trust, balance in ((0.3, 0.7), (0.3, 0.9), (0.7, 0.7))
        ],
        "sasrec-gbce": [
            _point(rate, {"negatives": negatives, "calibration": 0.75}, dropout=0.5, batch=batch)
            for negatives in (64, 256)
            for rate, batch in ((0.001, 128), (0.001, 32), (0.003, 128))
        ]
        + [  # its loss stands still for some epochs before it falls
            _point(
                0.001, {"negatives": 256, "calibration": 0.75}, dropout=share, batch=batch, patience=patience
            )
            for patience, batches in ((25, (32, 128)), (100, (32,)))
            for share in (0.2, 0.5)
            for batch in batches
        ],
        "youtubednn-sampled-softmax": [
            _point(rate, scheme) for rate in (0.001, 0.003) for scheme in (SHARED, COSINES)
        ],
        **{
            f"{backbone}-sampled-softmax": [
                _point(rate, scheme) for rate in (0.001, 0.005) for scheme in (SHARED, COSINES)
            ]
            for backbone in STRENGTHS
        },
        **{
            f"{backbone}-remi": [
                _point(0.005, {"hardness": hardness, "routing": routing}, **_attached(backbone))
                for hardness in (0.1, 1.0)
                for routing in STRENGTHS[backbone]
            ]
            for backbone in STRENGTHS
        },
    }


def sets(pair: str) -> tuple[str, ...]:
    """The sets that choose the default of a pair."""
    return (*SETS, "games") if pair in WIDER else SETS


def _point(
    rate: float, scheme: dict[str, Any], *, batch: int = 128, patience: int = 5, **backbone: Any
) -> Suggested:
    return Suggested("adam", rate, batch, 100, patience, scheme, backbone)


def _attached(backbone: str) -> dict[str, bool]:
    return {} if backbone == "comirec-sa" else {"attached": True}
