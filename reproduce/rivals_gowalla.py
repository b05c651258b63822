"""Losses of cosines on Gowalla: BSL and SimpleX's CCL, each on MF.

    python -m reproduce.rivals_gowalla [CELL ...]

BSL has the biases and the temperature of our default, which is sampled softmax (its figures are in
`reproduce.directspec_gowalla`), once with the ratio of its authors (1.22), once without. CCL has its authors'
candidates, weight and margin (2,000, 250, .9) but our optimiser and batch. One seed and as few points: who is
ahead here is not settled.
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.contest import Contest
from reproduce.pairs import Setting, Work, published
from tacit.backbones.mf import MFConfig
from tacit.schemes.rivals.contrastive import BSLScheme, CCLScheme
from tacit.training.optimizers import OptimizerOptions
from tacit.training.options import TrainingOptions

STUDY = "rivals_gowalla"


def cells() -> dict[str, Work]:
    """The points of BSL, then the best of each."""
    optimizer = OptimizerOptions("row-adagrad", 0.1)
    training = TrainingOptions(epochs=60, batch_size=2048, patience=3)
    biased = MFConfig(biases=True, bias_rate=0.1)
    bsl = [BSLScheme(temperature=0.12, ratio=ratio) for ratio in (1.0, 1.22)]
    ccl = CCLScheme(negatives=2000, margin=0.9, weight=250.0)
    schemes = {
        "bsl": [Setting(biased, preset, optimizer, training) for preset in bsl],
        "ccl": [Setting(MFConfig(), ccl, optimizer, training)],
    }
    return Contest(STUDY, "mf", partial(published, "gowalla"), schemes, seeds=range(1)).cells()


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
