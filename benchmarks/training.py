"""Training speed on Gowalla, beside RecBole, implicit and LightFM in the same run.

    python -m benchmarks.training

Pairs are training interactions with one negative each. Run it on a quiet machine with two threads and
OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from benchmarks.places import dataset, peer, table
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MFConfig
from tacit.data.interactions import Interactions
from tacit.data.loaders import PairLoader
from tacit.data.split import Split
from tacit.evaluation.evaluate import evaluate
from tacit.events import EpochEnd, FitEnd, StepEnd
from tacit.presets import BackboneConfig
from tacit.recommend.foldin import ridge
from tacit.recommend.recommender import VectorRecommender
from tacit.references.graphfilter import GraphFilter
from tacit.schemes.plain import BPRScheme, SampledSoftmaxScheme
from tacit.schemes.scheme import Scheme
from tacit.starts import start_values
from tacit.training.fit import Position
from tacit.training.fit import fit as loop
from tacit.training.optimizers import Name, build
from tacit.training.step import Step

GOAL = 0.150


def rate(
    log: Interactions, config: BackboneConfig, scheme: Scheme, optimizer: Name, batch: int, steps: int
) -> float:
    """Pairs per second over `steps` steps, after as many to warm up; a tenth are for meta batches, if any."""
    backbone = config.build(log, torch.Generator().manual_seed(0))
    step = Step(backbone, scheme.bind(log))
    rows = np.flatnonzero(log.yes)
    held = np.arange(len(rows)) % 10 == 0 if scheme.update.needs_meta else np.zeros(len(rows), bool)
    loader = PairLoader.of(log, rows[~held], batch, seed=0)
    meta = PairLoader.of(log, rows[held], batch, seed=1) if held.any() else None
    method = build(optimizer, 0.01, step.groups())
    epochs = -(-2 * steps // loader.steps) + 1
    position = Position()
    loop(step, loader, method, epochs=epochs, seed=0, max_steps=steps, position=position, meta_loader=meta)
    pairs: list[int] = []

    def count(event: StepEnd | EpochEnd | FitEnd) -> None:
        if isinstance(event, StepEnd):
            pairs.append(event.pairs)

    started = time.perf_counter()
    loop(
        step,
        loader,
        method,
        epochs=epochs,
        seed=0,
        max_steps=2 * steps,
        position=position,
        callbacks=[count],
        meta_loader=meta,
    )
    return sum(pairs) / (time.perf_counter() - started)


def pairs_per_second(folder: Path) -> None:
    """MF and LightGCN under BPR, beside RecBole."""
    log = Interactions.read(folder / "train.parquet")
    rows: list[dict[str, Any]] = []
    for batch in (4096, 16384, 65536):
        speed = rate(log, MFConfig(scale=0.01), BPRScheme(l2=0.0).build(), "row-adagrad", batch, 100)
        rows.append({"trainer": "Tacit MF BPR", "batch": batch, "M pairs/s": speed / 1e6})
    for batch in (2048, 65536):
        speed = rate(log, LightGCNConfig(), BPRScheme().build(), "adam", batch, 10)
        rows.append({"trainer": "Tacit LightGCN-3 BPR", "batch": batch, "M pairs/s": speed / 1e6})
    for model, options in (("BPR", ["--epochs", "2"]), ("LightGCN", ["--epochs", "2", "--max-steps", "10"])):
        line = peer("recbole", "gowalla", model, *options)
        if line:
            speed = line["pairs_per_s"] / 1e6
            rows.append({"trainer": f"RecBole {model}", "batch": 2048, "M pairs/s": speed})
    table("Training pairs per second, Gowalla, d 64", rows)


def time_to_quality(folder: Path) -> None:
    """Seconds to a Recall@20: reading a Parquet file, starting values, training. Peers: training only."""
    rows = [_ours(folder, start, epochs) for start in (None, "ials") for epochs in (1, 2, 4, 8)]
    rows.append(_filter(folder))
    peers = (
        ("implicit", "ALS", ("--lr", "40"), (2, 5, 10)),  # its driver takes alpha as --lr
        ("recbole", "BPR", (), (10, 30)),
        ("lightfm-next", "WARP", (), (10, 30)),
    )
    for name, model, options, lengths in peers:
        for epochs in lengths:
            line = peer(name, "gowalla", model, "--epochs", str(epochs), *options)
            if line:
                label = f"{name} {model}, {epochs} epochs"
                rows.append(_row(label, line["s_per_epoch"] * line["epochs"], line["recall20"]))
    table(f"Seconds from a file on disk to Recall@20 (goal {GOAL}), Gowalla, d 64", rows)


def _ours(folder: Path, start: str | None, epochs: int) -> dict[str, Any]:
    began = time.perf_counter()
    log = Interactions.read(folder / "train.parquet")
    backbone = MFConfig().build(log, torch.Generator().manual_seed(0))
    start_values(backbone, log, start, None)
    step = Step(backbone, SampledSoftmaxScheme().build().bind(log))
    loader = PairLoader.of(log, np.flatnonzero(log.yes), 2048, seed=0)
    loop(step, loader, build("row-adagrad", 0.1, step.parameters()), epochs=epochs, seed=0)
    seconds = time.perf_counter() - began
    vectors = backbone.vectors()
    users, items = (normalize(table).numpy() for table in (vectors.users, vectors.items))
    model = VectorRecommender(users, items, None, ridge(items))
    label = f"Tacit MF sampled softmax from {start or 'noise'}, {epochs} epochs"
    return _row(label, seconds, _recall(model, log, folder))


def _filter(folder: Path) -> dict[str, Any]:
    began = time.perf_counter()
    log = Interactions.read(folder / "train.parquet")
    model = GraphFilter().fit(log)
    return _row("Tacit graph filter, no training", time.perf_counter() - began, _recall(model, log, folder))


def _recall(model: Any, log: Interactions, folder: Path) -> float:
    test = Split.given(log, None, Interactions.read(folder / "test.parquet")).test
    assert test is not None
    report = evaluate(model, truth=test.positives, seen=log.positives, ks=(20,), metrics=["recall"])
    return report.metrics["recall@20"].mean or 0.0


def _row(label: str, seconds: float, recall: float) -> dict[str, Any]:
    return {"trainer": label, "seconds": seconds, "Recall@20": recall, "goal": recall >= GOAL}


def main() -> None:
    """Both tables."""
    folder = dataset("gowalla")
    if folder is not None:
        pairs_per_second(folder)
        time_to_quality(folder)


if __name__ == "__main__":
    main()
