"""The verbs `tacit data simulate`, `describe` and `split`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tacit.cli import shared
from tacit.cli.output import emit, table

if TYPE_CHECKING:
    from tacit.data.interactions import Interactions

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
DAY = 86_400

app = typer.Typer(help="Simulate, describe and split logs of interactions.", no_args_is_help=True)
Log = Annotated[Path, typer.Argument(help="Log of interactions: Parquet, CSV, TSV or JSON lines.")]


@app.command("describe")
def describe(
    log: Log,
    config: shared.ConfigFile = None,
    settings: shared.Settings = None,
    json: shared.Json = False,
    threads: shared.Threads = None,
    version: shared.Version = False,
) -> None:
    """Rows, users, items, density, time span, repeats, and events per user and item of a log."""
    shared.use_threads(threads)
    found = _read(log, config, settings)
    facts = _facts(found)
    if json:
        emit(facts)
        return
    quantiles = {name: facts.pop(name) for name in ("events_per_user", "events_per_item")}
    notes = facts.pop("notes")
    span = facts.pop("time_span") or {}
    rows = {**facts, **{f"time {name}": value for name, value in span.items()}}
    table(str(log), ("", ""), [(name.replace("_", " "), value) for name, value in rows.items()])
    shown = [(name.replace("_", " "), *values.values()) for name, values in quantiles.items()]
    table("spread", ("", *quantiles["events_per_user"]), shown)
    for note in notes:
        typer.echo(note)


@app.command("split")
def split(
    log: Log,
    out: Annotated[Path, typer.Option(help="Folder for train, valid and test files and split.json.")],
    by: Annotated[
        Literal["time", "last", "random", "user"] | None,
        typer.Option(
            help="time: one cut for all (default where there are times); last: each user's last; "
            "random: of each user's; user: whole users held out."
        ),
    ] = None,
    config: shared.ConfigFile = None,
    settings: shared.Settings = None,
    seed: shared.Seed = 0,
    json: shared.Json = False,
    threads: shared.Threads = None,
    version: shared.Version = False,
) -> None:
    """Cut a log into train, valid and test files, all columns kept, and audit them for leaks."""
    shared.use_threads(threads)


@app.command("simulate")
def simulate(
    out: Annotated[Path, typer.Option(help="Folder for the log, the impressions and the truth.")],
    size: Annotated[
        Literal["small", "medium", "large"], typer.Option(help="1 k, 10 k or 50 k users.")
    ] = "small",
    seed: shared.Seed = 0,
    json: shared.Json = False,
    threads: shared.Threads = None,
    version: shared.Version = False,
) -> None:
    """Write the built-in dataset: clicks, impressions, and the truth behind them."""
    shared.use_threads(threads)


def _read(log: Path, config: Path | None, settings: list[str] | None) -> Interactions:
    """The log with all its rows, columns as the options or their names say."""
    from tacit.cli.config import read
    from tacit.data.interactions import Interactions

    options = asdict(read(config, settings or ()).data)
    return Interactions.read(log, **options, collapse=False)


def _facts(log: Interactions) -> dict[str, Any]:
    import numpy as np

    yes = log.positives
    users, items = yes.degrees(), np.bincount(yes.indices, minlength=log.n_items)
    pairs = len(yes.indices)
    return {
        "rows": len(log),
        "yes": log.n_yes,
        "explicit_noes": len(log.noes.indices),
        "impressions": len(log.impressions.indices),
        "users": log.n_users,
        "items": log.n_items,
        "distinct_pairs": len(log.pairs.indices),
        "repeated_rows": len(log) - len(log.pairs.indices),
        "density": pairs / max(log.n_users * log.n_items, 1),
        "time_span": None if log.times is None else _span(int(log.times.min()), int(log.times.max())),
        "events_per_user": {f"{q:.0%}": float(np.quantile(users, q)) for q in QUANTILES},
        "events_per_item": {f"{q:.0%}": float(np.quantile(items, q)) for q in QUANTILES},
        "notes": list(log.notes),
    }


def _span(first: int, last: int) -> dict[str, Any]:
    from datetime import UTC, datetime

    shown = [datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S") for moment in (first, last)]
    return {"from": shown[0], "to": shown[1], "days": round((last - first) / DAY, 2)}
