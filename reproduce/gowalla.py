"""Gowalla, the split of the LightGCN paper: every model under both protocols of `reproduce.pairs`.

python -m reproduce.gowalla [CELL ...]
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.pairs import Setting, Work, both, neighbours, reference, untouched
from tacit.backbones.lightgcn import LightGCNConfig
from tacit.backbones.mf import MFConfig
from tacit.references.ease import EASE
from tacit.references.graphfilter import GraphFilter
from tacit.references.ials import IALS
from tacit.references.itemknn import ItemKNN
from tacit.schemes.plain import BPRScheme, SampledSoftmaxScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

DATA = "gowalla"
SETTINGS = {
    "mf-bpr-rate-0.1": Setting(
        MFConfig(scale=0.01, biases=True),
        BPRScheme(negatives=32, l2=0.0),
        OptimizerOptions("row-adagrad", 0.1),
        TrainingOptions(epochs=60, batch_size=16384, validate_every=10, metric="recall@20"),
    ),
    "mf-bpr": Setting(
        MFConfig(biases=True),
        BPRScheme(negatives=512, shared=True, l2=0.0),
        OptimizerOptions("row-adagrad", 0.05),
        TrainingOptions(epochs=40, batch_size=4096, validate_every=4, metric="recall@20"),
        start="ials",
    ),
    "mf-bpr-from-noise": Setting(
        MFConfig(scale=0.01, biases=True),
        BPRScheme(negatives=512, shared=True, l2=0.0),
        OptimizerOptions("row-adagrad", 0.05),
        TrainingOptions(epochs=60, batch_size=4096, validate_every=5, metric="recall@20"),
    ),
    "mf-bpr-64-negatives": Setting(
        MFConfig(scale=0.01, biases=True),
        BPRScheme(negatives=64, l2=0.0),
        OptimizerOptions("row-adagrad", 0.05),
        TrainingOptions(epochs=35, batch_size=16384, validate_every=5, metric="recall@20"),
    ),
    "mf-bpr-without-biases": Setting(
        MFConfig(scale=0.01),
        BPRScheme(negatives=16, l2=0.0),
        OptimizerOptions("row-adagrad", 0.05),
        TrainingOptions(epochs=100, batch_size=16384, validate_every=5, metric="recall@20"),
    ),
    "mf-sampled-softmax": Setting(
        MFConfig(biases=True),
        SampledSoftmaxScheme(correction=True),
        OptimizerOptions("row-adagrad", 0.1),
        TrainingOptions(epochs=24, batch_size=2048, validate_every=4, metric="recall@20"),
    ),
    "mf-sampled-softmax-without-biases": Setting(
        MFConfig(),
        SampledSoftmaxScheme(),
        OptimizerOptions("row-adagrad", 0.05),
        TrainingOptions(epochs=40, batch_size=2048, validate_every=2, metric="recall@20"),
    ),
    "lightgcn-bpr-without-l2": Setting(
        LightGCNConfig(),
        BPRScheme(negatives=16, l2=0.0),
        OptimizerOptions("adam", 0.02),
        TrainingOptions(epochs=60, batch_size=32768, validate_every=10, metric="recall@20"),
    ),
    "lightgcn-bpr-4-negatives": Setting(
        LightGCNConfig(),
        BPRScheme(negatives=4),
        OptimizerOptions("adam", 0.03),
        TrainingOptions(epochs=200, batch_size=65536, validate_every=5, metric="recall@20"),
    ),
    "lightgcn-bpr": Setting(
        LightGCNConfig(),
        BPRScheme(negatives=16, l2=5e-5),
        OptimizerOptions("adam", 0.02, 0.985),
        TrainingOptions(epochs=150, batch_size=32768, validate_every=10, metric="recall@20"),
    ),
}


def cells() -> dict[str, Work]:
    """All cells by name, cheap ones first."""
    found: dict[str, Work] = {
        "graph-filter": partial(reference, DATA, GraphFilter()),
        "ials": partial(reference, DATA, IALS()),
        "itemknn-cosine": partial(neighbours, DATA),
        "itemknn": partial(reference, DATA, ItemKNN()),
    }
    for name, setting in SETTINGS.items():
        found |= both(name, DATA, setting)
    found |= untouched(DATA, ("mf", "lightgcn"), ("bpr", "bce", "sampled-softmax", "softmax"))
    found["ease"] = partial(reference, DATA, EASE(80.0))
    return found


if __name__ == "__main__":
    chosen_cells(cells(), "gowalla")
