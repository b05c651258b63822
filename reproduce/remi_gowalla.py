"""REMI on check-ins at new places, on ComiRec-SA.

python -m reproduce.remi_gowalla [CELL ...]
"""

from reproduce.cells import chosen_cells
from reproduce.routed import contests

STUDY = "remi_gowalla"

if __name__ == "__main__":
    chosen_cells(contests(STUDY, "gowalla-checkins", length=40, epochs=10), STUDY)
