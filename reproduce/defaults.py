"""Choose the table of defaults on validation parts of several sets: one cell a point of a pair's grid.

    python -m reproduce.defaults [BACKBONE-SCHEME ...]

A point's score is the mean over the sets of its best validation NDCG@20, each divided by the best of the pair
on that set. Test parts of their own, where sets have some, are not read. Gowalla is five times as large as
the others: only the points of `finalists` are tried there, and where a pair has any, the default is one of
them. Pairs without finalists are tried on the two smallest sets, those of `WIDER` on three, those of `SLOW`
on the smallest. Backbones that read sequences have sets of their own (`sequence_grid`), on which no study of
such backbones tests.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any, get_args

from reproduce import sequence_grid
from reproduce.cells import dataset, finished, run_cell
from tacit.api import fit
from tacit.defaults import Suggested
from tacit.presets import BackboneConfig, SchemePreset, by_name
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

FILES = {
    "ml-100k": "interactions",
    "citeulike": "train",
    "yelp-sslrec": "train",
    "gowalla": "train",
    "lastfm-seq": "interactions",
    "games": "interactions",
}
PATIENCE = 5  # what a point's name does not tell
SMALL = ("ml-100k", "citeulike", "yelp-sslrec")
STUDY = "defaults"
WIDER = ("lightgcn-sampled-softmax",)  # tried on all sets but the largest
SLOW = ("gmf-softmax", "lightgcn-softmax")  # tried on the smallest set alone


def name_of(point: Suggested) -> str:
    """The options of a point in a file's name."""
    decay = {"decay": point.decay} if point.decay != 1 else {}
    patient = {"patience": point.patience} if point.patience > PATIENCE else {}
    options = {
        "rate": point.rate,
        **decay,
        "batch": point.batch_size,
        **patient,
        **point.scheme,
        **point.backbone,
    }
    return "_".join(f"{name}-{shown(value)}" for name, value in options.items())


def shown(value: Any) -> str:
    """A value in a name or a table."""
    return value if isinstance(value, str) else f"{value:g}"


def parted(pair: str) -> tuple[str, str]:
    """Backbone and scheme of a pair; either may have a dash in its name."""
    backbones = (member.use for member in get_args(BackboneConfig))
    backbone = max((name for name in backbones if pair.startswith(f"{name}-")), key=len)
    return backbone, pair.removeprefix(f"{backbone}-")


def grid() -> dict[str, list[Suggested]]:
    """Points by pair: wide for MF under BPR and sampled softmax; for their kin what did well there."""
    return {
        "mf-bpr": [
            *(_sampled(r, n, 16, l2) for r in (0.05, 0.1) for n in (4096, 16384) for l2 in (0.0, 0.01)),
            _biased(0.05, 16384, 16, 0.003),
            _biased(0.1, 4096, 16, 0.01),
            *(_shared(0.05, l2) for l2 in (0.0, 0.003, 0.01, 0.03, 0.1)),
            *(_spread(0.05, l2) for l2 in (0.07, 0.1, 0.15, 0.3)),
        ],
        "mf-bce": [_sampled(0.1, 4096, 8, l2) for l2 in (0.001, 0.003, 0.01)],
        "mf-sampled-softmax": [
            *(_softmax(r, t) for r in (0.05, 0.1, 0.2) for t in (0.1, 0.15)),
            _softmax(0.1, 0.2),
            *(_biased_softmax(0.1, t) for t in (0.1, 0.15, 0.2)),
            *(_slow_biased_softmax(0.1, t) for t in (0.1, 0.12)),
        ],
        "mf-softmax": [_softmax(0.1, 0.15)],
        "gmf-bpr": [_sampled(0.1, 4096, 16, 0.01), _spread(0.05, 0.1)],
        "gmf-bce": [_sampled(0.1, 4096, 8, l2) for l2 in (0.003, 0.01)],
        "gmf-sampled-softmax": [_softmax(0.1, 0.15)],
        "gmf-softmax": [_softmax(0.1, 0.15)],
        "lightgcn-bpr": [
            *(_graph(0.03, n, 4, 1e-4) for n in (8192, 32768)),
            _graph(0.02, 32768, 16, 5e-5, 0.985),
            *(_graph(r, n, 16, 5e-5, 0.985) for r, n in ((0.01, 8192), (0.02, 8192), (0.02, 4096))),
        ],
        "lightgcn-bce": [_graph(0.03, 32768, 4, 1e-4)],
        "lightgcn-sampled-softmax": [
            *(_graph_softmax(0.01, 2048, t) for t in (0.1, 0.15)),
            *(_graph_softmax(0.02, 8192, t) for t in (0.1, 0.12)),
        ],
        "lightgcn-softmax": [_graph_softmax(0.01, 2048, 0.15)],
        **sequence_grid.points(),
    }


def finalists() -> dict[str, list[Suggested]]:
    """Points by pair that are tried on Gowalla too."""
    return {
        "mf-bpr": [
            _sampled(0.1, 4096, 16, 0.01),
            *(_shared(0.05, l2) for l2 in (0.003, 0.01, 0.03)),
            *(_spread(0.05, l2) for l2 in (0.07, 0.1, 0.15, 0.3)),
        ],
        "mf-sampled-softmax": [
            *(_slow_biased_softmax(0.1, t) for t in (0.12, 0.1)),
            *(_biased_softmax(0.1, t) for t in (0.15, 0.1)),
            _softmax(0.1, 0.15),
        ],
        "lightgcn-bpr": [_graph(0.02, 32768, 16, 5e-5, 0.985)],
    }


def _sampled(rate: float, batch: int, negatives: int, l2: float) -> Suggested:
    return Suggested("row-adagrad", rate, batch, 150, 5, {"negatives": negatives, "l2": l2}, {"scale": 0.01})


def _biased(rate: float, batch: int, negatives: int, l2: float) -> Suggested:
    point = _sampled(rate, batch, negatives, l2)
    return replace(point, backbone={**point.backbone, "biases": True})


def _shared(rate: float, l2: float) -> Suggested:
    point = _biased(rate, 4096, 512, l2)
    return replace(point, scheme={**point.scheme, "shared": True})


def _spread(rate: float, l2: float) -> Suggested:
    point = _shared(rate, l2)
    return replace(point, scheme={**point.scheme, "l2_spread": True})


def _softmax(rate: float, temperature: float) -> Suggested:
    return Suggested("row-adagrad", rate, 2048, 60, 3, {"temperature": temperature})


def _biased_softmax(rate: float, temperature: float) -> Suggested:
    point = _softmax(rate, temperature)
    return replace(point, scheme={**point.scheme, "correction": True}, backbone={"biases": True})


def _slow_biased_softmax(rate: float, temperature: float) -> Suggested:
    point = _biased_softmax(rate, temperature)
    return replace(point, backbone={"biases": True, "bias_rate": 0.1})


def _graph(rate: float, batch: int, negatives: int, l2: float, decay: float = 1.0) -> Suggested:
    return Suggested("adam", rate, batch, 300, 5, {"negatives": negatives, "l2": l2}, decay=decay)


def _graph_softmax(rate: float, batch: int, temperature: float) -> Suggested:
    return Suggested("adam", rate, batch, 60, 3, {"temperature": temperature})


def validated(data: str, backbone: str, scheme: str, point: Suggested) -> dict[str, Any]:
    """Best validation figures of one fit."""
    began = time.perf_counter()
    run = fit(
        dataset(data) / f"{FILES[data]}.parquet",
        backbone=by_name(BackboneConfig, backbone, "backbone")(**point.backbone),
        scheme=by_name(SchemePreset, scheme, "scheme")(**point.scheme),
        optimizer=OptimizerOptions(point.optimizer, point.rate, point.decay),
        training=TrainingOptions(point.epochs, point.batch_size, point.patience, refit=False),
    )
    chosen = run.config["chosen"]
    best = next(entry for entry in chosen["history"] if entry["epoch"] == chosen["epoch"])
    return {
        "data": data,
        "pair": [backbone, scheme],
        "point": {**vars(point)},
        "fit_seconds": round(time.perf_counter() - began, 1),
        "epoch": chosen["epoch"],
        "recall@20": best["recall@20"],
        "ndcg@20": best["ndcg@20"],
    }


def sets(pair: str) -> tuple[str, ...]:
    """The sets that choose this pair's default."""
    if pair in sequence_grid.points():
        return sequence_grid.sets(pair)
    if pair in finalists():
        return (*SMALL, "gowalla")
    if pair in WIDER:
        return SMALL
    return ("ml-100k",) if pair in SLOW else ("ml-100k", "citeulike")


def ranked(pair: str) -> list[tuple[float, dict[str, dict[str, Any]]]]:
    """Score and cells by set of every point tried on all sets of the pair, the best first."""
    found = tried(pair)
    complete = [cells for cells in found if set(cells) >= set(sets(pair))]
    best = {data: max((cells[data]["ndcg@20"] for cells in complete), default=1.0) for data in sets(pair)}
    scores = [sum(cells[data]["ndcg@20"] / best[data] for data in best) / len(best) for cells in complete]
    return sorted(zip(scores, complete, strict=True), key=lambda pair: -pair[0])


def tried(pair: str) -> list[dict[str, dict[str, Any]]]:
    """Cells by set of every point with a finished cell."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in finished(f"{STUDY}/{pair}"):
        found.setdefault(name_of(Suggested(**cell["point"])), {})[cell["data"]] = cell
    return list(found.values())


def main() -> None:
    """Run the missing cells of the named pairs, all without a name."""
    logging.disable(logging.WARNING)
    points = grid()
    for pair in sys.argv[1:] or points:
        backbone, scheme = parted(pair)
        last = finalists().get(pair, [])
        small = [data for data in sets(pair) if data != "gowalla"]
        wanted = [*itertools.product(small, points[pair]), *(("gowalla", point) for point in last)]
        for data, point in wanted:
            work = partial(validated, data, backbone, scheme, point)
            run_cell(f"{STUDY}/{pair}", f"{data}_{name_of(point)}", work, command=f"defaults {pair}")


if __name__ == "__main__":
    main()
