"""What the command line prints: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

WIDTH_ELSEWHERE = 120


@contextmanager
def speaking() -> Iterator[None]:
    """The library's remarks, one a line, on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("tacit")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def say(message: str) -> None:
    """A remark, through the library's log."""
    logging.getLogger("tacit").info("%s", message)


def emit(value: dict[str, Any]) -> None:
    """One JSON object on standard output; NaN is no JSON and is refused."""
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table for people, first column to the left, others to the right; no head where all are empty."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, highlight=False, width=WIDTH_ELSEWHERE)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=any(columns))
    for position, column in enumerate(columns):
        shown.add_column(column, justify="right" if position else "left")
    for row in rows:
        shown.add_row(*(text(cell) for cell in row))
    with console.capture() as drawn:
        console.print(title, style="bold", markup=False)
        console.print(shown)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()) + "\n")


def text(value: Any) -> str:
    """A cell: four digits for a fraction, thousands apart for a count, a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4f}".replace("-0.0000", "0.0000")
    return str(value)
