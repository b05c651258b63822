"""The verbs `tacit data simulate`, `describe` and `split`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tacit.cli import shared
from tacit.cli.output import emit, say, table

if TYPE_CHECKING:
    import pyarrow as pa

    from tacit.data.interactions import Interactions

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
DAY = 86_400
SHARE = "Share of the yeses (by time: of all rows; by user: of the people)"

app = typer.Typer(help="Simulate, describe and split logs of interactions.", no_args_is_help=True)
Log = Annotated[Path, typer.Argument(help="Log of interactions: Parquet, CSV, TSV or JSON lines.")]


@app.command("describe")
def describe(
    log: Log,
    config: shared.ConfigFile = None,
    settings: shared.Settings = None,
    json: shared.Json = False,
    threads: shared.Threads = None,
    device: shared.Device = "cpu",
    version: shared.Version = False,
) -> None:
    """Count rows, users, items, repeats and events of a log.

    Also the density, the time span, and the spread of events per user and per item.
    """
    shared.use_threads(threads)
    found = _read(log, _options(config, settings))
    facts = _facts(found)
    if json:
        emit(facts)
        return
    quantiles = {name: facts.pop(name) for name in ("events_per_user", "events_per_item")}
    facts.pop("notes")
    span = facts.pop("time_span") or {}
    rows = {**facts, **{f"time {name}": value for name, value in span.items()}}
    table(str(log), ("", ""), [(name.replace("_", " "), value) for name, value in rows.items()])
    shown = [(name.replace("_", " "), *values.values()) for name, values in quantiles.items()]
    table("spread", ("", *quantiles["events_per_user"]), shown)


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
    valid: Annotated[float, typer.Option(min=0, max=1, help=f"{SHARE} to choose by.")] = 0.1,
    test: Annotated[float, typer.Option(min=0, max=1, help=f"{SHARE} to test on.")] = 0.1,
    n: Annotated[
        int, typer.Option("--last", min=1, help="last: events of each user in valid and in test.")
    ] = 1,
    config: shared.ConfigFile = None,
    settings: shared.Settings = None,
    seed: shared.Seed = 0,
    json: shared.Json = False,
    threads: shared.Threads = None,
    device: shared.Device = "cpu",
    version: shared.Version = False,
) -> None:
    """Cut a log into train, valid and test files; count leaks.

    All columns are kept. By last and at random only yeses are held out: explicit noes and impressions stay
    in train.
    """
    from tacit.data.audit import audit
    from tacit.data.split import Split, split_rows, write

    shared.use_threads(threads)
    options = _options(config, settings)
    if options.pop("impressions") is not None:
        say("data.impressions is not split: give fit that file as it is")
    found = _read(log, options)
    source = _whole(log, options, found)
    rows, kind, notes = split_rows(found, by, valid=valid, test=test, n=n, seed=seed)
    parts = {name: found.select(chosen) for name, chosen in rows.items()}
    report = audit(Split(**parts, kind=kind, notes=notes))
    write(source, rows, kind, notes, out)
    for note in (*notes, *report.findings()):
        say(note)
    counts = {name: len(chosen) for name, chosen in rows.items()}
    if json:
        emit({"out": str(out), "kind": kind, "notes": list(notes), "rows": counts, "audit": report.to_dict()})
    else:
        table(f"{out}: split by {kind}", ("part", "rows"), counts.items())


@app.command("simulate")
def simulate(
    out: Annotated[Path, typer.Option(help="Folder for the log, the impressions and the truth.")],
    size: Annotated[
        Literal["small", "medium", "large"], typer.Option(help="1 k, 10 k or 50 k users.")
    ] = "small",
    seed: shared.Seed = 0,
    json: shared.Json = False,
    threads: shared.Threads = None,
    device: shared.Device = "cpu",
    version: shared.Version = False,
) -> None:
    """Write the built-in dataset: clicks and the truth behind them."""
    from tacit.data.synthetic import simulate as make

    shared.use_threads(threads)
    simulation = make(size, seed=seed)
    simulation.write(out)
    statistics = asdict(simulation.statistics())
    facts = {**statistics.pop("log"), **statistics}
    if json:
        emit({"out": str(out), "size": size, "seed": seed, "files": _files(out), "statistics": facts})
        return
    spread = "{} - {} - {}".format(*facts.pop("per_user"))
    rows = [(name.replace("_", " "), value) for name, value in facts.items()]
    table(
        f"{size} world, seed {seed}, in {out}", ("", ""), [*rows, ("pairs per user at 5, 50, 95 %", spread)]
    )


def _options(config: Path | None, settings: list[str] | None) -> dict[str, Any]:
    from tacit.cli.config import read

    return asdict(read(config, settings or ()).data)


def _read(log: Path, options: dict[str, Any]) -> Interactions:
    """The log with all its rows, columns as the options or their names say."""
    from tacit.data.interactions import Interactions

    return Interactions.read(log, **options, collapse=False)


def _whole(log: Path, options: dict[str, Any], found: Interactions) -> pa.Table:
    """Every column of the file, row by row as `found`; ids of a text file as they were understood."""
    import pyarrow as pa

    from tacit.data.columns import ROLES, find_columns
    from tacit.data.read import table_of
    from tacit.data.sources import open_source

    source, whole = open_source(log), table_of(log)
    if not source.text:
        return whole
    columns, _ = find_columns(source, {role: options[role] for role in ROLES})
    for name, ids, rows in (("user", found.user_ids, found.users), ("item", found.item_ids, found.items)):
        place = whole.column_names.index(columns[name])
        whole = whole.set_column(place, columns[name], ids.to_arrow().take(pa.array(rows)))
    return whole


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


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
        "events_per_user": {f"{q:.0%}": int(np.quantile(users, q, method="nearest")) for q in QUANTILES},
        "events_per_item": {f"{q:.0%}": int(np.quantile(items, q, method="nearest")) for q in QUANTILES},
        "notes": list(log.notes),
    }


def _span(first: int, last: int) -> dict[str, Any]:
    from datetime import UTC, datetime

    shown = [datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S") for moment in (first, last)]
    return {"from": shown[0], "to": shown[1], "days": round((last - first) / DAY, 2)}
