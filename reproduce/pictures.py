"""Plots of finished cells, as documents show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reproduce.cells import finished
from tacit.charts import line_chart

KINDS = {"ranks": "effective rank", "routing": "share of an interest that hangs on its strongest event"}


def place(kind: str, rest: str) -> str:
    """Where the plot of KIND/STUDY/NAME stands beside its page."""
    return f"figures/{rest.replace('/', '-')}{'' if kind == 'ranks' else '-' + kind}.svg"


def shown_as(kind: str, rest: str) -> str:
    """The line of a document that shows it."""
    return f"![{KINDS[kind].capitalize()} over epochs, {rest.replace('/', ', ')}]({place(kind, rest)})"


def drawn(kind: str, study: str, name: str) -> str:
    """The figure over epochs, of the first seed of each scheme."""
    series = {
        cell["cell"].removesuffix("-seed-0").removeprefix(f"{name}-"): points
        for cell in finished(study)
        if cell["cell"].startswith(name) and cell["cell"].endswith("-seed-0") and (points := _of(kind, cell))
    }
    return line_chart(f"{study}, {name}", "epoch", KINDS[kind], series)


def _of(kind: str, cell: dict[str, Any]) -> Sequence[tuple[float, float]]:
    if kind == "ranks":
        return [(epoch, rank) for epoch, rank in cell.get("effective_rank", [])]
    entries = cell.get("interests", [])
    return [(entry["epoch"], entry["strongest"]) for entry in entries if entry["strongest"] is not None]
