"""Coat: trained on what people chose to rate, judged on sixteen items that were drawn for them at random.

    python -m reproduce.coat [CELL ...]

Ratings from 4 on are a yes; all else is silence. A fifth of the ratings of train chooses point and epoch
by AUC. The third of the sets of `reproduce.truth`: its designs, halves of users and candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reproduce.cells import chosen_cells, dataset
from reproduce.denoising import schemes
from reproduce.labelled import Labelled, Rows, parted, rows_of
from reproduce.pairs import Setting, Work
from reproduce.truth import CANDIDATES, RIVALS, Half, exposed, references, softmaxes
from tacit.backbones.mf import MFConfig
from tacit.data.interactions import Interactions
from tacit.data.split import Split
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

STUDY = "coat"
ABOVE = 3.5


def cells() -> dict[str, Work]:
    """Every scheme on the development half, the candidates on the other."""
    entries = settings()

    def half(name: Half, schemes: dict[str, Sequence[Any]], **options: Any) -> dict[str, Work]:
        judged = partial(rows, name)
        contest = Labelled(
            STUDY, f"mf-{name}", split, schemes, range(3), chosen_by="auc", rows=judged, epochs=60, **options
        )
        return contest.cells()

    named = {name: entries[name] for name in (*RIVALS, *CANDIDATES)}
    return {
        **half("development", entries),
        **half("confirmation", named, points_of="mf-development", candidates=CANDIDATES, rivals=RIVALS),
    }


def settings() -> dict[str, Sequence[Any]]:
    """Four points a scheme, and the references, which have none."""
    training = TrainingOptions(batch_size=256, patience=1000, validate_every=1000, refit=False)
    found: dict[str, Sequence[Any]] = {}
    for presets in (schemes, exposed):
        for name in presets(0.0):
            found[name] = [
                Setting(MFConfig(dim=16), presets(l2)[name], OptimizerOptions("adam", rate), training)
                for rate in (0.002, 0.005)
                for l2 in (1e-3, 1e-2)
            ]
    for name in softmaxes(1.0):
        found[name] = [
            Setting(MFConfig(dim=16), softmaxes(t)[name], OptimizerOptions("adam", 0.005), training)
            for t in (0.15, 0.3, 0.6, 1.2)
        ]
    return {**found, **references()}


@cache
def tables() -> tuple[pa.Table, pa.Table]:
    """Rated rows: those that train, and a fifth that chooses."""
    return parted(pq.read_table(dataset("coat") / "train.parquet"))


@cache
def split() -> Split:
    """The yeses alone."""
    yeses = (table.filter(pc.greater(table["rating"], ABOVE)).select(["user", "item"]) for table in tables())
    train, valid = (Interactions.read(table) for table in yeses)
    return Split.given(train, valid, None)


def rows(half: Half) -> tuple[Rows, Rows]:
    """Rated rows for choosing, and those of the test of every other user."""
    test = pq.read_table(dataset("coat") / "test.parquet")
    mine = pa.array(test["user"].to_numpy() % 2 == (half == "confirmation"))
    return rows_of(tables()[1], ABOVE), rows_of(test.filter(mine), ABOVE)


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
