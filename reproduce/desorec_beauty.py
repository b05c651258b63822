"""DeSoRec on Amazon Beauty in the protocol of its authors, as on Diginetica: the second set.

python -m reproduce.desorec_beauty [CELL ...]
"""

from __future__ import annotations

from reproduce.cells import chosen_cells
from reproduce.desorec_diginetica import contests

STUDY = "desorec_beauty"

if __name__ == "__main__":
    chosen_cells(contests(STUDY, "beauty"), STUDY)
