"""REMI on purchases of Android apps, on ComiRec-SA.

python -m reproduce.remi_apps [CELL ...]
"""

from reproduce.cells import chosen_cells
from reproduce.routed import contests

STUDY = "remi_apps"

if __name__ == "__main__":
    chosen_cells(contests(STUDY, "apps", length=20, epochs=5), STUDY)
