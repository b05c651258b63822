"""What documents say of results is what the cells hold, and the defaults are the grid's first row."""

from pathlib import Path
from typing import Any

import pytest
from reproduce.cells import finished
from reproduce.defaults import grid, ranked
from reproduce.tables import PAGES, in_force, rewrite

from tacit.defaults import TABLE, Suggested
from tacit.presets import BackboneConfig, SchemePreset, by_name, options_of

UNTOUCHED = [
    cell
    for study in ("gowalla", "citeulike")
    for cell in finished(study)
    if cell["cell"].endswith("-defaults")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_agree_with_their_cells(page: Path) -> None:
    assert not rewrite(page, write=False), "run python -m reproduce.tables"


@pytest.mark.parametrize("pair", sorted(grid()))
def test_default_is_the_best_finished_point_of_the_grid(pair: str) -> None:
    finished = ranked(pair)
    if not finished:
        pytest.skip("no point of this pair has been tried on all sets yet")
    assert in_force(pair, Suggested(**next(iter(finished[0][1].values()))["point"]))


@pytest.mark.parametrize("cell", UNTOUCHED, ids=lambda cell: cell["cell"])
def test_cells_of_untouched_defaults_are_those_of_the_table(cell: dict[str, Any]) -> None:
    recorded = cell["config"]
    names = recorded["backbone"]["use"], recorded["scheme"]["use"]
    table = TABLE[names]
    backbone = by_name(BackboneConfig, names[0], "backbone")(**table.backbone)
    scheme = by_name(SchemePreset, names[1], "scheme")(**table.scheme)
    assert {**options_of(backbone), **recorded["backbone"]} == options_of(backbone)
    assert {**options_of(scheme), **recorded["scheme"]} == options_of(scheme)
    assert recorded["optimizer"]["rate"] == table.rate
