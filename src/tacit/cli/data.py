"""The verbs `tacit data simulate`, `describe`, `sessions` and `split`."""

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
SESSION = "session"  # column that `tacit data sessions` adds
SHARE = "Share of the yeses (by time: of all rows; by user and start: of the people)"

app = typer.Typer(help="Simulate, describe, part and split logs of interactions.", no_args_is_help=True)
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
    """Count rows, users, items, repeats and yeses of a log.

    Also the density, the time span, and the spread of yeses per user and per item.
    """
    shared.use_threads(threads)
    found = _read(log, _options(config, settings))
    facts = _facts(found)
    if json:
        emit(facts)
        return
    quantiles = {name: facts.pop(name) for name in ("yeses_per_user", "yeses_per_item")}
    facts.pop("notes")
    span = facts.pop("time_span") or {}
    rows = {**facts, **{f"time {name}": value for name, value in span.items()}}
    table(str(log), ("", ""), [(name.replace("_", " "), value) for name, value in rows.items()])
    shown = [(name.replace("_", " "), *values.values()) for name, values in quantiles.items()]
    table("spread", ("", *quantiles["yeses_per_user"]), shown)


@app.command("sessions")
def sessions(
    log: Log,
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    gap: Annotated[float, typer.Option(help="Seconds: a longer pause begins a new session.")] = 1800.0,
    config: shared.ConfigFile = None,
    settings: shared.Settings = None,
    json: shared.Json = False,
    threads: shared.Threads = None,
    device: shared.Device = "cpu",
    version: shared.Version = False,
) -> None:
    """Part what users did into sessions, by pauses.

    Writes the log with a column `session`. By `--set data.user=session` the other verbs read each session as
    a user of its own.
    """
    import pyarrow as pa

    from tacit.data.sessions import session_numbers
    from tacit.errors import DataError
    from tacit.storage import write_parquet

    shared.use_threads(threads)
    options = _options(config, settings)
    found = _read(log, options)
    whole, _ = _whole(log, options, found)
    if found.times is None:
        raise DataError(
            f"{log} has no times, and a pause is one of time: name their column by --set data.time=COLUMN"
        )
    if SESSION in whole.column_names:
        raise DataError(
            f"{log} has a column {SESSION} already: read it by --set data.user={SESSION}, or rename it"
        )
    numbers = session_numbers(found.users[: len(whole)], found.times[: len(whole)], gap)
    write_parquet(out, whole.append_column(SESSION, pa.array(numbers)))
    counts = {"rows": len(whole), "users": found.n_users, "sessions": int(numbers.max()) + 1}
    if json:
        emit({"out": str(out), "gap": gap, **counts})
    else:
        table(f"{out}: sessions end by {gap:g} s without an event", ("", ""), counts.items())
        say(f"read each session as a user by --set data.user={SESSION}, and split the log by start")


@app.command("split")
def split(
    log: Log,
    out: Annotated[Path, typer.Option(help="Folder for train, valid and test files and split.json.")],
    by: Annotated[
        Literal["time", "last", "random", "user", "start"] | None,
        typer.Option(
            help="time: one cut for all (default where there are times); last: each user's last; "
            "random: of each user's; user: whole users held out; start: those who began last, for sessions."
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
    in train. Of the file data.impressions train_impressions.parquet keeps what goes with train.
    """
    import numpy as np

    from tacit.data.audit import audit
    from tacit.data.columns import ROLES
    from tacit.data.shown import with_train
    from tacit.data.split import Split, split_rows
    from tacit.data.splitfiles import IMPRESSIONS, write

    shared.use_threads(threads)
    _refuse_held(out, "split.json", "a split")
    options = _options(config, settings)
    read = _read(log, options)
    table_of_log, columns = _whole(log, options, read)
    found, shown = (read.select(rows) for rows in np.split(np.arange(len(read)), [len(table_of_log)]))
    rows, kind, notes = split_rows(found, by, valid=valid, test=test, n=n, seed=seed)
    parts = {name: found.select(chosen) for name, chosen in rows.items()}
    kept = None
    if (file := options["impressions"]) is not None:
        keep, why = with_train(shown, parts, kind)
        kept = _shown(Path(file), columns, shown).filter(keep)
        parts["train"] = parts["train"].concat(shown.select(keep))
        notes = (*notes, f"{len(kept):,} of {len(keep):,} impressions go with train: {why}")
    report = audit(Split(**parts, kind=kind, notes=notes))
    named = {role: options[role] for role in ROLES if options[role] is not None}
    write(table_of_log, rows, kind, notes, out, kept if kept else None, named)
    for note in (*notes, *report.findings()):
        say(note)
    if kept is not None:
        given = f"give them to fit by --set data.impressions={out / IMPRESSIONS}.parquet"
        say(given if len(kept) else "no impressions are left for fit")
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
    _refuse_held(out, "manifest.json", "a simulated log")
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


def _refuse_held(folder: Path, file: str, what: str) -> None:
    """Raise `OptionError` where a folder holds what would be replaced."""
    from tacit.errors import OptionError

    if (folder / file).exists():
        raise OptionError(f"{folder} holds {what} already: name another folder, or remove it")


def _options(config: Path | None, settings: list[str] | None) -> dict[str, Any]:
    from tacit.cli.config import read

    return asdict(read(config, settings or (), only=("data",)).data)


def _read(log: Path, options: dict[str, Any]) -> Interactions:
    """The log with all its rows, columns as the options or their names say."""
    from tacit.data.interactions import Interactions

    return Interactions.read(log, **options, collapse=False)


def _whole(log: Path, options: dict[str, Any], found: Interactions) -> tuple[pa.Table, dict[str, str]]:
    """Every column of the file, row by row as `found` begins, and the column of each role."""
    from tacit.data.columns import ROLES, find_columns
    from tacit.data.sources import open_source

    columns, _ = find_columns(open_source(log), {role: options[role] for role in ROLES})
    return _table(log, columns, found), columns


def _shown(file: Path, columns: dict[str, str], shown: Interactions) -> pa.Table:
    """The same of a file of impressions, whose columns are called as the log's are or guessed."""
    from tacit.data.columns import find_columns
    from tacit.data.read import alike
    from tacit.data.sources import open_source

    source = open_source(file)
    return _table(file, find_columns(source, alike(source, columns))[0], shown)


def _table(file: Path, columns: dict[str, str], found: Interactions) -> pa.Table:
    """Every column of a file; ids of a text file as they were understood."""
    import pyarrow as pa

    from tacit.data.read import table_of
    from tacit.data.sources import open_source

    whole = table_of(file)
    if not open_source(file).text:
        return whole
    for name, ids, rows in (("user", found.user_ids, found.users), ("item", found.item_ids, found.items)):
        place = whole.column_names.index(columns[name])
        taken = ids.to_arrow().take(pa.array(rows[: len(whole)]))
        whole = whole.set_column(place, columns[name], taken)
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
        "distinct_impressions": len(log.impressions.indices),
        "users": log.n_users,
        "items": log.n_items,
        "distinct_pairs": len(log.pairs.indices),
        "repeated_rows": len(log) - len(log.pairs.indices),
        "density": pairs / max(log.n_users * log.n_items, 1),
        "time_span": None if log.times is None else _span(int(log.times.min()), int(log.times.max())),
        "yeses_per_user": {f"{q:.0%}": int(np.quantile(users, q, method="nearest")) for q in QUANTILES},
        "yeses_per_item": {f"{q:.0%}": int(np.quantile(items, q, method="nearest")) for q in QUANTILES},
        "notes": list(log.notes),
    }


def _span(first: int, last: int) -> dict[str, Any]:
    from datetime import UTC, datetime

    shown = [datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S") for moment in (first, last)]
    return {"from": shown[0], "to": shown[1], "days": round((last - first) / DAY, 2)}
