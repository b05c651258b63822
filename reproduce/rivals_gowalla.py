"""Losses of cosines on Gowalla: BSL, SimpleX's CCL and smoothed labels on MF, beside our default.

    python -m reproduce.rivals_gowalla [CELL ...]

The default is sampled softmax corrected for popularity, untouched. BSL and smoothed labels have its biases
and temperatures around its own, BSL also its authors' best (.08, 1.22); CCL has its authors' candidates,
weight and margin (2,000, 250, .9) and a lower margin, but our optimiser and batch. One seed, four points of
BSL, two of the others: who is ahead here is not settled.
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.contest import Contest
from reproduce.pairs import Setting, Work, published
from tacit.backbones.mf import MFConfig
from tacit.schemes.rivals.contrastive import BSLScheme, CCLScheme
from tacit.schemes.rivals.smoothing import SmoothedScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

STUDY = "rivals_gowalla"


def cells() -> dict[str, Work]:
    """The points of each, then their best."""
    optimizer = OptimizerOptions("row-adagrad", 0.1)
    training = TrainingOptions(epochs=60, batch_size=2048, patience=3)
    biased = MFConfig(biases=True, bias_rate=0.1)
    bsl = [
        BSLScheme(temperature=t, ratio=r) for t, r in ((0.08, 1.22), (0.1, 1.0), (0.12, 1.0), (0.12, 1.22))
    ]
    ccl = [CCLScheme(negatives=2000, margin=margin, weight=250.0) for margin in (0.8, 0.9)]
    smoothed = [SmoothedScheme(temperature=t, smoothing=0.1) for t in (0.1, 0.12)]
    schemes = {
        "sampled-softmax": [Setting("mf", "sampled-softmax")],
        "bsl": [Setting(biased, preset, optimizer, training) for preset in bsl],
        "ccl": [Setting(MFConfig(), preset, optimizer, training) for preset in ccl],
        "label-smoothing": [Setting(biased, preset, optimizer, training) for preset in smoothed],
    }
    return Contest(STUDY, "mf", partial(published, "gowalla"), schemes, seeds=range(1)).cells()


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
