"""DirectSpec+ on CiteULike in its authors' setting: fixed epochs, users drawn uniformly, plain SGD.

    python -m reproduce.directspec_citeulike [CELL ...]

The test part is read at fixed epochs and chooses nothing.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from typing import Any

from reproduce.cells import chosen_cells
from reproduce.pairs import Work, published
from tacit.api import fit
from tacit.backbones.mf import MFConfig
from tacit.evaluation.evaluate import evaluate
from tacit.schemes.directspec import DirectSpecPlusScheme
from tacit.spectra import SpectrumTrace
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

DATA = "citeulike"
STUDY = "directspec_citeulike"
EVERY = 30
SETTINGS = {
    "plus": (300, DirectSpecPlusScheme(alpha=1.0, temperature=3.0, shrink=0.03), 0.9995),
    "plus-two-temperatures": (
        120,
        DirectSpecPlusScheme(alpha=1.0, temperature=3.0, gap=0.5, shrink=0.03),
        0.9999,
    ),
}


def cells() -> dict[str, Work]:
    """Every setting with five seeds, seed by seed."""
    return {
        f"{name}-seed-{seed}": partial(authors, *setting, seed)
        for seed in range(5)
        for name, setting in SETTINGS.items()
    }


def authors(epochs: int, scheme: DirectSpecPlusScheme, decay: float, seed: int) -> dict[str, Any]:
    """Train for all epochs; standard figures at every 30th, those of the authors too at the best of them."""
    split = published(DATA)
    assert split.test is not None
    trace = SpectrumTrace(split.train.positives, every=EVERY)
    began = time.perf_counter()
    run = fit(
        split.train,
        valid=split.test,
        backbone=MFConfig(scale="xavier"),
        scheme=scheme,
        optimizer=OptimizerOptions("sgd", 180.0, decay),
        training=TrainingOptions(
            epochs=epochs, batch_size=256, patience=1000, validate_every=EVERY, refit=False, draw="users"
        ),
        seed=seed,
        callbacks=[trace],
    )
    chosen = run.config.pop("chosen")
    report = evaluate(
        run.recommender,
        truth=split.test.positives,
        seen=split.train.positives,
        ks=(10, 20),
        metrics=["recall", "ndcg", "recall_min", "directspec_recall", "directspec_ndcg"],
    )
    return {
        "fit_seconds": round(time.perf_counter() - began, 1),
        "curve": [[entry["epoch"], entry["recall@20"], entry["ndcg@20"]] for entry in chosen["history"]],
        "best": {"epoch": chosen["epoch"], **{name: asdict(value) for name, value in report.metrics.items()}},
        "effective_rank": [
            [entry["epoch"], entry["spectrum"]["both"]["raw"]["effective_rank"]] for entry in trace.entries
        ],
        "config": run.config,
    }


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
