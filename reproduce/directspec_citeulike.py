"""DirectSpec+ on CiteULike: in its authors' setting, and beside rivals that are tuned as much as it is.

    python -m reproduce.directspec_citeulike [CELL ...]

The authors' setting has fixed epochs, users drawn uniformly and plain SGD; `curve` reads the test part at
fixed epochs, `best` at the best of these, as the authors' protocol does. Their epoch leaves its last, short
batch out, ours has it: one step in 649. In the contests every scheme has four points on each backbone.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from typing import Any

from reproduce.cells import chosen_cells
from reproduce.contest import Contest
from reproduce.pairs import Preset, Setting, Work, published
from tacit.api import fit
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MFConfig
from tacit.evaluation.evaluate import evaluate
from tacit.schemes.directspec import DirectSpecPlusScheme, DirectSpecScheme
from tacit.schemes.plain import BPRScheme, SampledSoftmaxScheme
from tacit.schemes.rivals.directau import DirectAUScheme
from tacit.spectra import SpectrumTrace
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

DATA = "citeulike"
STUDY = "directspec_citeulike"
SETTINGS = {  # epochs, how often they are read, scheme, decay of the rate
    "plus": (300, 30, DirectSpecPlusScheme(alpha=1.0, temperature=3.0, shrink=0.03), 0.9995),
    "plus-two-temperatures": (
        *(100, 50),
        DirectSpecPlusScheme(alpha=1.0, temperature=3.0, gap=0.5, shrink=0.03),
        0.9999,
    ),
}


def cells() -> dict[str, Work]:
    """The authors' settings with five seeds, seed by seed, then both contests."""
    own = {
        f"{name}-seed-{seed}": partial(authors, *setting, seed)
        for seed in range(5)
        for name, setting in SETTINGS.items()
    }
    split = partial(published, DATA)
    mf = Contest(STUDY, "mf", split, on_mf(), seeds=range(5))
    lightgcn = Contest(STUDY, "lightgcn", split, on_lightgcn(), seeds=range(3))
    return {**own, **mf.cells(), **lightgcn.cells()}


def on_mf(*, wide: bool = False) -> dict[str, list[Setting]]:
    """Four points of each scheme on MF; `wide`: six, and DirectSpec. BPR is with biases and without."""
    long = TrainingOptions(epochs=150, batch_size=1024, patience=5, validate_every=3)
    adagrad = TrainingOptions(epochs=150, batch_size=2048, patience=5, validate_every=3)
    bpr: list[tuple[MFConfig, BPRScheme]] = [
        (MFConfig(scale=0.01), BPRScheme(negatives=16, l2=0.003)),
        *(
            (MFConfig(scale=0.01, biases=True), BPRScheme(negatives=512, shared=True, l2=l2, l2_spread=True))
            for l2 in (0.07, 0.1, 0.15, *((0.25, 0.4) if wide else ()))
        ),
    ]
    softmax = [
        SampledSoftmaxScheme(draw="in-batch", temperature=temperature, correction=correction)
        for temperature, correction in [
            *((0.1, False), (0.15, False), (0.2, False), (0.15, True)),
            *(((0.1, True), (0.2, True)) if wide else ()),
        ]
    ]
    slow: dict[str, list[Preset]] = {
        "directau": [DirectAUScheme(strength=strength) for strength in (0.5, 1.0, 2.0)],
        "directspec-plus": [DirectSpecPlusScheme(alpha=alpha) for alpha in (0.6, 0.8, 1.0)],
    }
    more: dict[str, list[Preset]] = {name: [] for name in slow}
    if wide:
        slow["directspec"] = [DirectSpecScheme(alpha=alpha) for alpha in (0.6, 0.8, 1.0)]
        more = {
            "directau": [DirectAUScheme(strength=strength) for strength in (0.05, 0.2)],
            "directspec-plus": [DirectSpecPlusScheme(alpha=1.0, temperature=t) for t in (2.0, 3.0)],
            "directspec": [DirectSpecScheme(alpha=1.0, iterations=n) for n in (2, 4)],
        }
    return {
        "bpr": [Setting(*point, OptimizerOptions("row-adagrad", 0.05), adagrad) for point in bpr],
        "in-batch-softmax": [
            Setting(MFConfig(), preset, OptimizerOptions("row-adagrad", 0.1), adagrad) for preset in softmax
        ],
        **{
            name: [
                Setting(MFConfig(scale="xavier"), preset, OptimizerOptions("adam", rate), long)
                for preset, rate in [
                    *((preset, 0.003) for preset in presets),
                    (presets[1], 0.001),
                    *((preset, 0.003) for preset in more[name]),
                ]
            ]
            for name, presets in slow.items()
        },
    }


def on_lightgcn() -> dict[str, list[Setting]]:
    """Four points of each scheme on LightGCN-3, in batches of 4,096 because every step propagates."""
    training = TrainingOptions(epochs=100, batch_size=4096, patience=5, validate_every=2)
    schemes: dict[str, list[Preset]] = {
        "bpr": [BPRScheme(negatives=16, l2=l2) for l2 in (0.0, 5e-5, 5e-4)],
        "in-batch-softmax": [
            SampledSoftmaxScheme(draw="in-batch", temperature=temperature) for temperature in (0.1, 0.15, 0.2)
        ],
        "directau": [DirectAUScheme(strength=strength) for strength in (0.5, 1.0, 2.0)],
        "directspec-plus": [DirectSpecPlusScheme(alpha=alpha) for alpha in (0.6, 0.8, 1.0)],
    }
    return {
        name: [
            Setting(LightGCNConfig(), preset, OptimizerOptions("adam", rate), training)
            for preset, rate in [*((preset, 0.01) for preset in presets), (presets[1], 0.003)]
        ]
        for name, presets in schemes.items()
    }


def authors(epochs: int, every: int, scheme: DirectSpecPlusScheme, decay: float, seed: int) -> dict[str, Any]:
    """Train for all epochs; standard figures at some of them, the authors' too at the best of these."""
    split = published(DATA)
    assert split.test is not None
    trace = SpectrumTrace(split.train.positives, every=every)
    began = time.perf_counter()
    run = fit(
        split.train,
        valid=split.test,
        backbone=MFConfig(scale="xavier"),
        scheme=scheme,
        optimizer=OptimizerOptions("sgd", 180.0, decay),
        training=TrainingOptions(
            epochs=epochs, batch_size=256, patience=1000, validate_every=every, refit=False, draw="users"
        ),
        seed=seed,
        callbacks=[trace],
    )
    chosen = run.config.pop("chosen")
    judged = partial(evaluate, run.recommender, truth=split.test.positives, seen=split.train.positives)
    standard = judged(ks=(10, 20), metrics=["recall", "ndcg", "recall_min"])
    theirs = judged(ks=(10,), metrics=["directspec_recall", "directspec_ndcg"])
    return {
        "fit_seconds": round(time.perf_counter() - began, 1),
        "curve": [[entry["epoch"], entry["recall@20"], entry["ndcg@20"]] for entry in chosen["history"]],
        "best": {
            "epoch": chosen["epoch"],
            **{name: asdict(value) for name, value in (standard.metrics | theirs.metrics).items()},
        },
        "effective_rank": [
            [entry["epoch"], entry["spectrum"]["both"]["raw"]["effective_rank"]] for entry in trace.entries
        ],
        "config": run.config,
    }


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
