"""Coat: trained on what people chose to rate, judged on sixteen items that were drawn for them at random.

    python -m reproduce.coat [CELL ...]

Ratings from 4 on are a yes; all else is silence. A fifth of the ratings of train chooses point and epoch
by AUC.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reproduce.cells import chosen_cells, dataset
from reproduce.denoising import schemes
from reproduce.labelled import Labelled, Rows, rows_of
from reproduce.pairs import Preset, Setting, Work
from tacit.backbones.mf import MFConfig
from tacit.data.interactions import Interactions
from tacit.data.split import Split
from tacit.schemes.plain import SampledSoftmaxScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

STUDY = "coat"
ABOVE = 3.5


def cells() -> dict[str, Work]:
    """Two points a scheme, three seeds."""
    optimizer = OptimizerOptions("adam", 0.005)
    training = TrainingOptions(batch_size=256, patience=1000, validate_every=1000, refit=False)
    presets: dict[str, list[Preset]] = {
        name: [schemes(l2)[name] for l2 in (1e-3, 1e-2)] for name in schemes(0.0)
    }
    presets["sampled-softmax"] = [SampledSoftmaxScheme(negatives=64, temperature=t) for t in (0.15, 0.3)]
    points = {
        name: [Setting(MFConfig(dim=16), preset, optimizer, training) for preset in both]
        for name, both in presets.items()
    }
    return Labelled(STUDY, "mf", split, points, range(3), chosen_by="auc", rows=rows, epochs=60).cells()


@cache
def tables() -> tuple[pa.Table, pa.Table]:
    """Rated rows: those that train, and a fifth that chooses."""
    rated = pq.read_table(dataset("coat") / "train.parquet")
    held = pa.array(np.random.default_rng(0).permutation(len(rated)) < len(rated) // 5)
    return rated.filter(pc.invert(held)), rated.filter(held)


@cache
def split() -> Split:
    """The yeses alone."""
    yeses = (table.filter(pc.greater(table["rating"], ABOVE)).select(["user", "item"]) for table in tables())
    train, valid = (Interactions.read(table) for table in yeses)
    return Split.given(train, valid, None)


def rows() -> tuple[Rows, Rows]:
    """Rated rows for choosing, and those of the test."""
    return rows_of(tables()[1], ABOVE), rows_of(pq.read_table(dataset("coat") / "test.parquet"), ABOVE)


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
