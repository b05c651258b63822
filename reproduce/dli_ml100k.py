"""DLI, IDL and their rivals on MovieLens-100k, ratings from 4 on, split by time.

python -m reproduce.dli_ml100k [CELL ...]
"""

from __future__ import annotations

from reproduce.cells import chosen_cells
from reproduce.denoising import contest, contests, more
from reproduce.pairs import Work, by_time
from tacit.data.split import Split

STUDY = "dli_ml100k"


def cells() -> dict[str, Work]:
    """Three backbones; full mode and the other criteria on MF."""
    return {**contests(STUDY, split), **contest(STUDY, "mf-more", "mf", split, more)}


def split() -> Split:
    """The newest tenth is the test part."""
    return by_time("ml-100k")


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
