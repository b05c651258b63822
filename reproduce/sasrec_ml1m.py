"""SASRec with the softmax of the catalogue on MovieLens-1M: everybody's last film among all of them.

    python -m reproduce.sasrec_ml1m [CELL ...]

The published parts: validation is the last film but one of 512 people and chooses the epoch; the file lacks
that event of everybody else, so that most test histories have a hole just before the test. The authors of
these parts rank with that event in the history, so figures are given for the file as it is, and with the hole
filled from a second copy of the log. Petrov and Macdonald (RecSys 2023) name NDCG@10 of .1726 for gSASRec and
.1259 for SASRec, with dropout .5 and one head; dropout here is .2 and the heads are two.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import tacit
from reproduce.cells import chosen_cells, dataset
from reproduce.contest import VALUES
from reproduce.ml1m_hole import missing
from reproduce.pairs import Preset, Setting, Work
from tacit.backbones.sasrec import SASRecConfig
from tacit.schemes.plain import SoftmaxScheme
from tacit.schemes.rivals.gbce import GBCEScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

DATA, STUDY = "ml-1m-ordered", "sasrec_ml1m"
TRAINING = TrainingOptions(epochs=60, batch_size=32, patience=6, validate_every=2, metric="ndcg@10")
SASREC = SASRecConfig(dim=64, length=200)


def cells() -> dict[str, Work]:
    """Softmax of the catalogue with three seeds, and gBCE."""
    adam = OptimizerOptions("adam", 0.001)
    schemes: dict[str, tuple[Preset, int]] = {
        "softmax": (SoftmaxScheme(similarity="dot", temperature=1.0), 3),
        "gbce": (GBCEScheme(), 1),
    }
    return {
        f"{name}-seed-{seed}": partial(
            trained, f"{name}-seed-{seed}", Setting(SASREC, scheme, adam, TRAINING), seed
        )
        for name, (scheme, seeds) in schemes.items()
        for seed in range(seeds)
    }


def published() -> dict[str, pa.Table]:
    """The four files."""
    names = ("train", "valid_context", "valid", "test")
    return {name: pq.read_table(dataset(DATA) / f"{name}.parquet") for name in names}


def trained(name: str, setting: Setting, seed: int) -> dict[str, Any]:
    """Trained on train, the best epoch by validation; test ranked by either history."""
    parts = published()
    later = pa.concat_tables([parts["valid_context"], parts["valid"]])
    histories = {"": later, " filled": pa.concat_tables([later, missing(parts)])}
    out = VALUES / STUDY / "runs" / name
    began = time.perf_counter()
    run = tacit.fit(
        parts["train"],
        valid=parts["valid"],
        valid_history=parts["valid_context"],
        backbone=setting.backbone,
        scheme=setting.scheme,
        optimizer=setting.optimizer,
        training=replace(setting.training, refit=False),
        seed=seed,
        out=out,
        resume=out.exists(),
    )
    seconds = round(time.perf_counter() - began, 1)
    chosen = run.config.pop("chosen")
    reports = {
        which: tacit.evaluate(
            run,
            parts["test"],
            history=history,
            ks=(10, 20),
            metrics=["recall", "ndcg", "mrr"],
            references=False,
        ).report
        for which, history in histories.items()
    }
    return {
        "seed": seed,
        "fit_seconds": seconds,
        "users": reports[""].users,
        **{
            f"{metric}{which}": asdict(value)
            for which, report in reports.items()
            for metric, value in report.metrics.items()
        },
        "epoch": chosen["epoch"],
        "curve": [[entry["epoch"], entry["ndcg@10"]] for entry in chosen["history"]],
        "config": run.config,
    }


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
