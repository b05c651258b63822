"""SASRec with the softmax of the catalogue on MovieLens-1M: everybody's last film among all of them.

    python -m reproduce.sasrec_ml1m [CELL ...]

The published parts: validation is the last film but one of 512 people and chooses the epoch; the log lacks
that event of everybody else, so that most test histories have a hole just before the test. Those 512, whose
histories are whole, are looked at by themselves too. `earlier` takes the same parts one event earlier, where
no history has a hole: the last event of train is everybody's test. The repository of Petrov and Macdonald
(RecSys 2023) names NDCG@10 of .1726 for gSASRec and .1259 for SASRec on the test of the whole log, with
dropout .5 and one head; dropout here is .2 and the heads are two, but for `wide`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import tacit
from reproduce.cells import chosen_cells, dataset
from reproduce.contest import VALUES
from reproduce.pairs import Preset, Setting, Work
from tacit.backbones.sasrec import SASRecConfig
from tacit.schemes.plain import SoftmaxScheme
from tacit.schemes.rivals.gbce import GBCEScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

DATA, STUDY = "ml-1m-ordered", "sasrec_ml1m"
TRAINING = TrainingOptions(epochs=60, batch_size=32, patience=6, validate_every=2, metric="ndcg@10")
SMALL = SASRecConfig(dim=64, length=200)


def cells() -> dict[str, Work]:
    """Softmax of the catalogue and gBCE with three seeds, softmax a step earlier, and a wider softmax."""
    softmax: Preset = SoftmaxScheme(similarity="dot", temperature=1.0)
    adam = OptimizerOptions("adam", 0.001)
    settings = {
        "softmax": Setting(SMALL, softmax, adam, TRAINING),
        "earlier": Setting(SMALL, softmax, adam, TRAINING),
        "gbce": Setting(SMALL, GBCEScheme(), adam, TRAINING),
    }
    found = {
        f"{name}-seed-{seed}": partial(
            trained, f"{name}-seed-{seed}", setting, seed, earlier=name == "earlier"
        )
        for name, setting in settings.items()
        for seed in range(3)
    }
    wide = Setting(replace(SMALL, dim=128, heads=1, dropout=0.5), softmax, adam, TRAINING)
    return {**found, "wide-seed-0": partial(trained, "wide-seed-0", wide, 0)}


def published() -> dict[str, pa.Table]:
    """The four files."""
    names = ("train", "valid_context", "valid", "test")
    return {name: pq.read_table(dataset(DATA) / f"{name}.parquet") for name in names}


def one_earlier() -> dict[str, pa.Table]:
    """The same cut of train alone: its last event of everybody is the test."""
    given = published()
    train = given["train"].sort_by([("user", "ascending"), ("position", "ascending")])
    users = train["user"].to_numpy()
    from_end = np.searchsorted(users, users, "right") - 1 - np.arange(len(users))  # 0: everybody's last event
    judged = np.isin(users, given["valid"]["user"].to_numpy())
    places = {
        "train": from_end > np.where(judged, 2, 0),
        "valid_context": judged & (from_end == 2),
        "valid": judged & (from_end == 1),
        "test": from_end == 0,
    }
    return {name: train.filter(pa.array(rows)) for name, rows in places.items()}


def trained(name: str, setting: Setting, seed: int, *, earlier: bool = False) -> dict[str, Any]:
    """Trained on train, the best epoch by validation, test ranked once."""
    parts = one_earlier() if earlier else published()
    later = pa.concat_tables([parts["valid_context"], parts["valid"]])
    people = pc.is_in(parts["test"]["user"], pc.unique(parts["valid"]["user"]))
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
    report, whole = (
        tacit.evaluate(
            run, test, history=later, ks=(10, 20), metrics=["recall", "ndcg", "mrr"], references=False
        ).report
        for test in (parts["test"], parts["test"].filter(people))
    )
    return {
        "seed": seed,
        "fit_seconds": seconds,
        "users": report.users,
        **{metric: asdict(value) for metric, value in report.metrics.items()},
        "whole_histories": {
            "users": whole.users,
            **{metric: asdict(value) for metric, value in whole.metrics.items()},
        },
        "epoch": chosen["epoch"],
        "curve": [[entry["epoch"], entry["ndcg@10"]] for entry in chosen["history"]],
        "config": run.config,
    }


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
