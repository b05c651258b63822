"""IDL and IG on MovieLens-1M as far as its split is published: labelled rows ranked among themselves.

    python -m reproduce.inverse_ml1m [CELL ...]

The ratings of the authors' train part are not published with their split, those of the other parts are.
So four fifths of the validation part train, with labels (rating above 2: yes), one fifth chooses the
point and the epoch by AUC, and the test part is as published; the train part's pairs lend `impressions`
to the variant that labels what a user was shown. That is a quarter of the labels that the authors had,
and the same task.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reproduce.cells import chosen_cells, dataset
from reproduce.composed import LabelledOnly
from reproduce.labelled import Labelled, Rows, parted, rows_of
from reproduce.pairs import Preset, Setting, Work
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import GMFConfig, MFConfig
from tacit.backbones.neumf import NeuMFConfig
from tacit.data.interactions import Interactions
from tacit.data.split import Split
from tacit.presets import BackboneConfig, IDLIGScheme
from tacit.schemes.dli import DLIScheme
from tacit.schemes.idl import IDLScheme
from tacit.schemes.plain import BCEScheme
from tacit.schemes.rivals.adt import RCEScheme, TCEScheme
from tacit.training.optimizers import Name, OptimizerOptions
from tacit.training.options import TrainingOptions

STUDY = "inverse_ml1m"
YES = 2.0  # above it a rating is a yes
RANKED = 100  # users that validation ranks the catalogue for, once; here labelled rows choose
DIM = 32
RATES = (0.001, 0.005)
STEPS: dict[str, Name] = {"idl-ig-explore": "sign"}  # the authors make a new Adam for every step
BACKBONES: dict[str, BackboneConfig] = {
    "gmf": GMFConfig(dim=DIM, scale=0.01),
    "mf": MFConfig(dim=DIM, scale=0.01),
    "lightgcn": LightGCNConfig(dim=DIM),
    "neumf": NeuMFConfig(dim=DIM, perceptron_dim=4 * DIM, hidden=(128, 64, 32), dropout=0.0),
}


def schemes() -> dict[str, Preset]:
    """The base first; one unlabelled candidate a pair, as in the authors' code, and no L2."""
    found: dict[str, Preset] = {
        "bce": BCEScheme(negatives=1, l2=0.0),
        "labelled-only": LabelledOnly(),
        "t-ce": TCEScheme(),
        "r-ce": RCEScheme(),
        "idl-authors": IDLScheme(prior=0.5, warmup=0.0, negatives=1, l2=0.0),
        "idl": IDLScheme(negatives=1, l2=0.0),
        "idl-impressions": IDLScheme(prior=0.5, warmup=0.0, draw="impressions", negatives=1, l2=0.0),
        "idl-ig-explore": IDLIGScheme(
            prior=0.5,
            warmup=0.0,
            decide="probe",
            rule="explore",
            loops=True,
            judge="labelled",
            negatives=1,
            l2=0.0,
        ),
        "idl-ig": IDLIGScheme(judge="labelled", negatives=1, l2=0.0),
        "idl-ig-prior-half": IDLIGScheme(prior=0.5, warmup=0.0, judge="labelled", negatives=1, l2=0.0),
    }
    for loss in ("truncate", "reverse"):
        for criterion in ("loss", "neighbour"):
            found[f"dli-{loss}-{criterion}"] = DLIScheme(loss=loss, criterion=criterion, negatives=1, l2=0.0)
    return found


@cache
def tables() -> tuple[pa.Table, pa.Table]:
    """Labelled rows: those that train, and a fifth that chooses."""
    return parted(pq.read_table(dataset("ml-1m-idl") / "valid.parquet"))


@cache
def split() -> Split:
    """Labels and impressions to train on; the labels that choose."""
    kept, choosing = (_flagged(table, shown=False) for table in tables())
    shown = pq.read_table(dataset("ml-1m-idl") / "train.parquet")
    log = pa.concat_tables([kept, _flagged(shown, shown=True)])
    few = choosing.filter(pc.is_in(choosing["user"], pc.unique(choosing["user"])[:RANKED]))
    train, valid = (Interactions.read(table, label="label", shown="shown") for table in (log, few))
    return Split.given(train, valid, None)


def rows() -> tuple[Rows, Rows]:
    """Labelled rows for choosing, and those of the test."""
    test = pq.read_table(dataset("ml-1m-idl") / "test.parquet")
    return rows_of(tables()[1], YES), rows_of(test, YES)


def _flagged(table: pa.Table, *, shown: bool) -> pa.Table:
    yes = (
        pc.greater(table["rating"], YES) if "rating" in table.column_names else pa.array([False] * len(table))
    )
    columns = {"user": table["user"], "item": table["item"], "label": pc.cast(yes, pa.float32())}
    return pa.table({**columns, "shown": pa.array([shown] * len(table))})


def cells() -> dict[str, Work]:
    """Four backbones with three seeds."""
    training = TrainingOptions(batch_size=1024, patience=1000, validate_every=1000, refit=False)
    found: dict[str, Work] = {}
    for name, backbone in BACKBONES.items():
        points: dict[str, Sequence[Setting]] = {
            scheme: [
                Setting(backbone, preset, OptimizerOptions(STEPS.get(scheme, "adam"), rate), training)
                for rate in RATES
            ]
            for scheme, preset in schemes().items()
        }
        found |= Labelled(STUDY, name, split, points, range(3), chosen_by="auc", rows=rows).cells()
    return found


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
