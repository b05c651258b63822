"""REMI on Amazon Beauty, on all three backbones of several interests.

python -m reproduce.remi_beauty [CELL ...]
"""

from reproduce.cells import chosen_cells
from reproduce.routed import contests

STUDY = "remi_beauty"

if __name__ == "__main__":
    chosen_cells(
        contests(STUDY, "beauty", length=20, epochs=18, routed={"comirec-dr": 30, "mind": 30}), STUDY
    )
