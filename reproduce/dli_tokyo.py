"""DLI, IDL and their rivals on check-ins of Tokyo, split by time; of a repeated pair the first counts.

python -m reproduce.dli_tokyo [CELL ...]
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.denoising import contests
from reproduce.pairs import Work, by_time

DATA, STUDY = "tokyo-checkins", "dli_tokyo"


def cells() -> dict[str, Work]:
    """Three backbones."""
    return contests(STUDY, partial(by_time, DATA), points_by="bce")


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
