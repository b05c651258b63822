"""What documents say of results is what the cells hold, and the defaults are the grid's first row."""

from pathlib import Path

import pytest
from reproduce.defaults import grid, ranked
from reproduce.tables import PAGES, rewrite

from tacit.defaults import TABLE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_agree_with_their_cells(page: Path) -> None:
    assert not rewrite(page, write=False), "run python -m reproduce.tables"


@pytest.mark.parametrize("pair", sorted(grid()))
def test_default_is_the_best_finished_point_of_the_grid(pair: str) -> None:
    finished = ranked(pair)
    if not finished:
        pytest.skip("no point of this pair has been tried on all sets yet")
    backbone, _, scheme = pair.partition("-")
    best = next(iter(finished[0][1].values()))["point"]
    chosen = TABLE[backbone, scheme]
    assert {name: getattr(chosen, name) for name in best} == best
