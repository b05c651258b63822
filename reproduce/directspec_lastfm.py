"""DirectSpec, DirectSpec+ and their rivals on Last.fm, LightGCN++'s split: three seeds, on MF six points.

python -m reproduce.directspec_lastfm [CELL ...]
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.contest import Contest
from reproduce.directspec_citeulike import on_lightgcn, on_mf
from reproduce.pairs import Work, published

DATA = "lastfm-lightgcnpp"
STUDY = "directspec_lastfm"


def cells() -> dict[str, Work]:
    """Both contests."""
    split = partial(published, DATA)
    mf = Contest(STUDY, "mf", split, on_mf(wide=True), seeds=range(3))
    lightgcn = Contest(STUDY, "lightgcn", split, on_lightgcn(), seeds=range(3))
    return {**mf.cells(), **lightgcn.cells()}


if __name__ == "__main__":
    chosen_cells(cells(), STUDY)
