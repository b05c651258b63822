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

from benchmarks.places import dataset, peer, table
from tacit.api import fit
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MFConfig
from tacit.data.interactions import Interactions
from tacit.data.loaders import PairLoader
from tacit.data.split import Split
from tacit.evaluation.evaluate import evaluate
from tacit.presets import BackboneConfig
from tacit.schemes.plain import BPRScheme, SampledSoftmaxScheme
from tacit.schemes.scheme import Scheme
from tacit.training.fit import Position
from tacit.training.fit import fit as loop
from tacit.training.optimizers import OptimizerOptions, build
from tacit.training.options import TrainingOptions
from tacit.training.step import Step

GOAL = 0.150


def rate(
    log: Interactions, config: BackboneConfig, scheme: Scheme, optimizer: str, batch: int, steps: int
) -> float:
    """Pairs per second over `steps` steps, after as many to warm up."""
    backbone = config.build(log, torch.Generator().manual_seed(0))
    step = Step(backbone, scheme.bind(log))
    loader = PairLoader.of(log, np.flatnonzero(log.yes), batch, seed=0)
    method = build(optimizer, 0.01, step.parameters())
    epochs = -(-2 * steps // loader.steps) + 1
    position = Position()
    loop(step, loader, method, epochs=epochs, seed=0, max_steps=steps, position=position)
    started, before = time.perf_counter(), position.step
    loop(step, loader, method, epochs=epochs, seed=0, max_steps=2 * steps, position=position)
    return (position.step - before) * batch / (time.perf_counter() - started)


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
    """Seconds of training to Recall@20 of at least GOAL, from a Parquet file on disk."""
    started = time.perf_counter()
    log = Interactions.read(folder / "train.parquet")
    reading = time.perf_counter() - started
    test = Split.given(log, None, Interactions.read(folder / "test.parquet"))
    assert test.test is not None
    rows: list[dict[str, Any]] = []
    scheme = SampledSoftmaxScheme(negatives=1024, shared=True, temperature=0.1, correction=False)
    for epochs in (1, 2, 4, 8):
        for start in (None, "ials"):
            began = time.perf_counter()
            run = fit(
                log,
                valid=log.select(np.arange(100)),
                scheme=scheme,
                optimizer=OptimizerOptions("row-adagrad", 0.2),
                training=TrainingOptions(epochs=epochs, batch_size=2048, validate_every=1000),
                start=start,
            )
            seconds = reading + time.perf_counter() - began
            report = evaluate(
                run.recommender,
                truth=test.test.positives,
                seen=test.train.positives,
                ks=(20,),
                metrics=["recall"],
            )
            rows.append(
                {
                    "trainer": f"Tacit MF sampled softmax, start {start or 'noise'}, {epochs} epochs",
                    "seconds": seconds,
                    "Recall@20": report.metrics["recall@20"].mean,
                }
            )
    for name, model, epochs in (("implicit", "ALS", 5), ("recbole", "BPR", 10), ("lightfm-next", "WARP", 20)):
        line = peer(name, "gowalla", model, "--epochs", str(epochs))
        if line:
            rows.append(
                {
                    "trainer": f"{name} {model}, {epochs} epochs",
                    "seconds": line["s_per_epoch"] * line["epochs"],
                    "Recall@20": line["recall20"],
                }
            )
    table(f"Seconds from a file on disk to Recall@20 >= {GOAL}, Gowalla", rows)


def main() -> None:
    """Both tables."""
    folder = dataset("gowalla")
    if folder is not None:
        pairs_per_second(folder)
        time_to_quality(folder)


if __name__ == "__main__":
    main()
