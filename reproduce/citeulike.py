"""CiteULike, the split of the DirectSpec paper: plain schemes and reference models on it.

python -m reproduce.citeulike [CELL ...]
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.pairs import Setting, Work, both, reference, untouched
from tacit.backbones.mf import MFConfig
from tacit.references.ease import EASE
from tacit.references.graphfilter import GraphFilter
from tacit.references.ials import IALS
from tacit.references.itemknn import ItemKNN
from tacit.schemes.plain import BPRScheme, SampledSoftmaxScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

DATA = "citeulike"
SETTINGS = {
    "mf-sampled-softmax": Setting(
        MFConfig(),
        SampledSoftmaxScheme(temperature=0.15),
        OptimizerOptions("row-adagrad", 0.1),
        TrainingOptions(epochs=60, batch_size=2048, patience=3),
    ),
    "mf-bpr-16-negatives": Setting(
        MFConfig(scale=0.01),
        BPRScheme(negatives=16, l2=0.01),
        OptimizerOptions("row-adagrad", 0.1),
        TrainingOptions(epochs=150, batch_size=4096, patience=5),
    ),
}


def cells() -> dict[str, Work]:
    """All cells by name."""
    found: dict[str, Work] = {
        "graph-filter": partial(reference, DATA, GraphFilter()),
        "ials": partial(reference, DATA, IALS()),
        "itemknn": partial(reference, DATA, ItemKNN()),
        "ease": partial(reference, DATA, EASE()),
    }
    for name, setting in SETTINGS.items():
        found |= both(name, DATA, setting)
    schemes = ("bpr", "bce", "sampled-softmax", "softmax")
    return found | untouched(DATA, ("mf", "gmf", "lightgcn"), schemes)


if __name__ == "__main__":
    chosen_cells(cells(), "citeulike")
