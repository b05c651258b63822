"""CiteULike, the split of the DirectSpec paper: plain schemes and reference models on it.

python -m reproduce.citeulike [CELL ...]
"""

from __future__ import annotations

from functools import partial

from reproduce.cells import chosen_cells
from reproduce.pairs import Work, reference, untouched
from tacit.references.ease import EASE
from tacit.references.graphfilter import GraphFilter
from tacit.references.ials import IALS
from tacit.references.itemknn import ItemKNN

DATA = "citeulike"


def cells() -> dict[str, Work]:
    """All cells by name."""
    found: dict[str, Work] = {
        "graph-filter": partial(reference, DATA, GraphFilter()),
        "ials": partial(reference, DATA, IALS()),
        "itemknn": partial(reference, DATA, ItemKNN()),
        "ease": partial(reference, DATA, EASE()),
    }
    schemes = ("bpr", "bce", "sampled-softmax", "softmax")
    return found | untouched(DATA, ("mf", "gmf", "lightgcn"), schemes)


if __name__ == "__main__":
    chosen_cells(cells(), "citeulike")
