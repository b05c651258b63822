"""Losses of cosines on Gowalla: BSL, SimpleX's CCL and smoothed labels on MF, beside our default.

    python -m reproduce.rivals_gowalla [CELL ...]

The default is sampled softmax corrected for popularity, untouched. CCL and BSL have points around their
authors' (BSL t1 .08 to .3, t2 .8 to 1.32; CCL 2,000 candidates, margin .9, weight 250); one seed.
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.contest import Contest
from reproduce.pairs import Preset, Setting, Work, published
from tacit.backbones.mf import MFConfig
from tacit.schemes.rivals.contrastive import BSLScheme, CCLScheme, SmoothedScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

STUDY = "rivals_gowalla"


def cells() -> dict[str, Work]:
    """The points of each, then their best."""
    presets: dict[str, list[Preset]] = {
        "bsl": [BSLScheme(temperature=t, ratio=r) for t in (0.08, 0.1) for r in (0.9, 1.0, 1.1)],
        "ccl": [CCLScheme(2000, margin, weight) for margin in (0.7, 0.8, 0.9) for weight in (100.0, 250.0)],
        "label-smoothing": [SmoothedScheme(temperature=t, smoothing=0.1) for t in (0.08, 0.1)],
    }
    optimizer = OptimizerOptions("row-adagrad", 0.1)
    training = TrainingOptions(epochs=60, batch_size=2048, patience=3)
    tuned = {
        scheme: [Setting(MFConfig(), preset, optimizer, training) for preset in points]
        for scheme, points in presets.items()
    }
    schemes = {"sampled-softmax": [Setting("mf", "sampled-softmax")], **tuned}
    return Contest(STUDY, "mf", partial(published, "gowalla"), schemes, seeds=range(1)).cells()


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
