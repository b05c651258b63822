"""What the studies on (user, item) pairs share: a setting, its training under two protocols, its figures.

`validated`: a validation part is cut from train and chooses the number of steps; the model is then trained on
the whole of train, and test is read once. `authors-protocol`: trained on the whole of train, the best epoch
chosen *on test* (on 10,000 of its users), as most published figures are; for comparison with those only.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reproduce.cells import dataset
from tacit.api import fit
from tacit.data.interactions import Interactions
from tacit.data.split import Split, split, validation
from tacit.evaluation.evaluate import evaluate
from tacit.presets import BackboneConfig
from tacit.references.itemknn import ItemKNN
from tacit.schemes.scheme import Scheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

LIKED = 4.0  # from this rating on a row is a yes; others are left out
PARTS = ("interactions", "train", "valid", "test")
Work = Callable[[], dict[str, Any]]


class Preset(Protocol):
    """What makes a scheme: one of the presets, or a study's own."""

    def build(self) -> Scheme: ...


@dataclass(frozen=True)
class Setting:
    """What is trained, and how. Names stand for untouched defaults."""

    backbone: BackboneConfig | str
    scheme: Preset | str
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    start: str | None = None


def both(name: str, data: str, setting: Setting) -> dict[str, Work]:
    """Cells of a setting under both protocols."""
    return {
        f"{name}-validated": partial(trained, data, setting, on_test=False),
        f"{name}-authors-protocol": partial(trained, data, setting, on_test=True),
    }


def untouched(data: str, backbones: tuple[str, ...], schemes: tuple[str, ...]) -> dict[str, Work]:
    """Cells where nothing is chosen but the names."""
    return {
        f"{backbone}-{scheme}-defaults": partial(trained, data, Setting(backbone, scheme), on_test=False)
        for backbone, scheme in itertools.product(backbones, schemes)
    }


def trained(data: str, setting: Setting, on_test: bool) -> dict[str, Any]:
    """Fit, and rank every test user once."""
    split = published(data)
    began = time.perf_counter()
    run = fit(
        split.train,
        valid=split.test if on_test else None,
        backbone=setting.backbone,
        scheme=setting.scheme,
        optimizer=setting.optimizer,
        training=replace(setting.training, refit=not on_test),
        start=setting.start,
    )
    chosen = run.config.pop("chosen")
    return {
        "protocol": "authors-protocol" if on_test else "validated",
        "fit_seconds": round(time.perf_counter() - began, 1),
        "epoch": chosen["epoch"],
        **figures(run.recommender, split),
        "curve": [[entry["epoch"], entry["recall@20"], entry["ndcg@20"]] for entry in chosen["history"]],
        "config": run.config,
    }


def reference(data: str, model: Any) -> dict[str, Any]:
    """A model without epochs, fitted on the whole of train."""
    split = published(data)
    began = time.perf_counter()
    fitted = model.fit(split.train)
    seconds = time.perf_counter() - began
    return {"fit_seconds": round(seconds, 1), **figures(fitted, split), "config": asdict(model)}


def neighbours(data: str) -> dict[str, Any]:
    """Plain cosine ItemKNN, k and shrinkage chosen on a validation part."""
    train, valid = validation(published(data).train)
    tried = {}
    for k, shrink in itertools.product((50, 100, 200), (0.0, 10.0, 30.0, 100.0)):
        model = ItemKNN(k=k, shrink=shrink, user_weight=0.0)
        report = evaluate(
            model.fit(train), truth=valid.positives, seen=train.positives, ks=(20,), metrics=["ndcg"]
        )
        tried[model] = report.metrics["ndcg@20"].mean
    best = max(tried, key=lambda model: tried[model] or 0.0)
    on_validation = [[model.k, model.shrink, figure] for model, figure in tried.items()]
    return {**reference(data, best), "validation": on_validation}


def published(data: str) -> Split:
    """The split as its authors published it; their validation part, where there is one, belongs to train."""
    folder = dataset(data)
    parts = [
        pq.read_table(folder / f"{part}.parquet")
        for part in ("train", "valid", "test")
        if (folder / f"{part}.parquet").exists()
    ]
    train, test = pa.concat_tables(parts[:-1]), parts[-1]
    return Split.given(Interactions.read(train), None, Interactions.read(test))


@cache
def by_time(data: str) -> Split:
    """All parts of a log as one, the newest tenth as test; validation is cut from the rest."""
    folder = dataset(data)
    parts = [pq.read_table(path) for path in sorted(folder.glob("*.parquet")) if path.stem in PARTS]
    rows = pa.concat_tables(parts)
    if "rating" in rows.column_names:
        rows = rows.filter(pc.greater_equal(rows["rating"], LIKED)).drop_columns(["rating"])
    whole = Interactions.read(rows)
    return split(whole, by="time", valid=0.0, test=0.1)


def figures(model: Any, split: Split) -> dict[str, Any]:
    """Recall@20 and NDCG@20 over all test users, training items masked."""
    assert split.test is not None
    report = evaluate(
        model,
        truth=split.test.positives,
        seen=split.train.positives,
        ks=(20,),
        metrics=["recall", "ndcg"],
    )
    return {"users": report.users, **{name: asdict(value) for name, value in report.metrics.items()}}
