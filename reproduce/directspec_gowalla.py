"""DirectSpec+ and its rivals on Gowalla: MF, our defaults untouched, one seed.

python -m reproduce.directspec_gowalla [CELL ...]
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.contest import Contest
from reproduce.pairs import Setting, Work, published

STUDY = "directspec_gowalla"
SCHEMES = ("bpr", "sampled-softmax", "directau", "directspec-plus")


def cells() -> dict[str, Work]:
    """Every scheme as it is."""
    schemes = {scheme: [Setting("mf", scheme)] for scheme in SCHEMES}
    return Contest(STUDY, "mf", partial(published, "gowalla"), schemes, seeds=range(1)).cells()


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
