"""Every backbone of sequences with nothing said but its name, on Amazon Beauty: everybody's last event.

    python -m reproduce.untouched_beauty [CELL ...]

`fit` holds out the last event but one to choose the epoch and trains anew on everything before the last, with
the scheme and options of the table of defaults. Beside them matrix factorisation, which reads no order, and
references without epochs.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from typing import Any

import tacit
from reproduce.cells import chosen_cells
from reproduce.ordered import leave_two_out
from reproduce.pairs import Work, figures
from tacit.data.split import Split
from tacit.references.itemknn import ItemKNN
from tacit.references.popular import Popular

DATA, STUDY = "beauty", "untouched_beauty"
BACKBONES = ("sasrec", "gru4rec", "youtubednn", "comirec-sa", "comirec-dr", "mind", "mf")
REFERENCES = {"itemknn": ItemKNN(), "popular": Popular()}


def cells() -> dict[str, Work]:
    """One of each backbone and reference."""
    return {
        **{backbone: partial(untouched, backbone) for backbone in BACKBONES},
        **{name: partial(reference, model) for name, model in REFERENCES.items()},
    }


def last_out() -> Split:
    """All events but everybody's last, and these."""
    both = leave_two_out(DATA)
    assert both.valid is not None
    return Split(both.train.concat(both.valid), None, both.test)


def untouched(backbone: str) -> dict[str, Any]:
    """`fit` with the name alone, test read once."""
    parts = last_out()
    began = time.perf_counter()
    run = tacit.fit(parts.train, backbone=backbone, seed=0)
    seconds = round(time.perf_counter() - began, 1)
    found = tacit.evaluate(run, parts.test, ks=(20,), metrics=["recall", "ndcg"], references=False).report
    chosen = run.config.pop("chosen")
    return {
        "fit_seconds": seconds,
        "users": found.users,
        **{name: asdict(value) for name, value in found.metrics.items()},
        "epoch": chosen["epoch"],
        "config": run.config,
    }


def reference(model: Any) -> dict[str, Any]:
    """A model without epochs, as it is."""
    parts = last_out()
    began = time.perf_counter()
    fitted = model.fit(parts.train)
    seconds = round(time.perf_counter() - began, 1)
    return {"fit_seconds": seconds, **figures(fitted, parts), "config": asdict(model)}


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
