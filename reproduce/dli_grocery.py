"""DLI, IDL and their rivals on Grocery, split by time.

python -m reproduce.dli_grocery [CELL ...]
"""

from __future__ import annotations

from reproduce.cells import chosen_cells
from reproduce.denoising import contests
from reproduce.pairs import Work, by_time
from tacit.data.split import Split

STUDY = "dli_grocery"


def cells() -> dict[str, Work]:
    """Three backbones."""
    return contests(STUDY, split)


def split() -> Split:
    """The newest tenth is the test part."""
    return by_time("grocery")


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
