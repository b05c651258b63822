"""The verb `tacit recommend`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tacit.cli import ids, rows, shared
from tacit.cli.output import emit, say, table
from tacit.errors import OptionError, UnknownId


def recommend(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    user: Annotated[str | None, typer.Option(help="Id of a known user.")] = None,
    history: Annotated[
        str | None,
        typer.Option(
            metavar="ID,ID,...", help="Items of somebody unknown; a JSON list where ids hold commas."
        ),
    ] = None,
    users: Annotated[Path | None, typer.Option(help="File of known users, one id a line.")] = None,
    histories: Annotated[
        Path | None,
        typer.Option(help="Log of events: for each person in it, known or not, by these events alone."),
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="With --histories: by these after what the run knows of them.")
    ] = False,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Items for each.")] = 10,
    allow: Annotated[Path | None, typer.Option(help="File of items, one id a line: no others.")] = None,
    deny: Annotated[Path | None, typer.Option(help="File of items, one id a line: none of these.")] = None,
    categories: Annotated[
        Path | None, typer.Option(help="File with the columns item and category, for --diversity.")
    ] = None,
    diversity: Annotated[
        float, typer.Option(min=0.0, help="Of the score, off for every chosen item of the same category.")
    ] = 0.0,
    seen: Annotated[
        Literal["mask", "keep"], typer.Option(help="keep: recommend what they had before too.")
    ] = "mask",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse files of unknown items, or --users of unknown people, instead of skipping those.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write or replace (.parquet, .csv, .jsonl), with columns user, item, score, rank."
        ),
    ] = None,
    config: shared.ConfigFile = None,
    settings: shared.Settings = None,
    json: shared.Json = False,
    threads: shared.Threads = None,
    device: shared.Device = "cpu",
    version: shared.Version = False,
) -> None:
    """The best items for known users, or for given histories.

    What they have seen is left out, unless it is kept; of people in --histories that is what the log says,
    and with --append what the run knows too. Fewer than k items are said aloud. Items that the run does not
    know, and people of --users, are counted and skipped in files, and refused on the line.
    """
    if sum(choice is not None for choice in (user, history, users, histories)) != 1:
        raise OptionError(
            "recommend for whom? Give exactly one of --user, --history, --users and --histories"
        )
    if append and histories is None:
        raise OptionError("--append goes with --histories: name a log of new events")
    rows.check(out)
    if (categories is None) != (diversity == 0):
        raise OptionError("--categories and --diversity go together: give both, or neither")
    from tacit.cli.config import read
    from tacit.recommend.request import Diversity
    from tacit.run import load

    shared.use_threads(threads)
    sections = ("backbone",) if histories is None else ("data", "backbone")
    chosen = read(config, settings or (), only=sections)
    loaded = load(run, backbone=chosen.own_backbone)
    items, people = loaded.item_ids, loaded.user_ids
    lists: dict[str, Any] = {
        "allow": None if allow is None else ids.from_file(allow, items, strict=strict),
        "deny": None if deny is None else ids.from_file(deny, items, strict=strict, may_be_empty=True),
        "keep_seen": seen == "keep",
    }
    if categories is not None:
        lists["diversity"] = Diversity(diversity, ids.categories(categories))
    if history is not None:
        touched = [items.parse(item) for item in ids.history(history)]
        answer = loaded.recommend(history=touched, k=k, **lists)
    elif histories is not None:
        named = {name: value for name, value in asdict(chosen.data).items() if value is not None}
        log = loaded.read(histories, **named)
        unknown = log.items[log.items >= len(items)]
        if strict and len(unknown):
            first = log.item_ids.decode(unknown[:1])[0]
            raise UnknownId(f"{histories}: item {first} is unknown to the run: remove its events")
        answer = loaded.recommend(histories=log, append=append, k=k, **lists)
    else:
        file = Path(str(users))
        known = [people.parse(user)] if user is not None else ids.from_file(file, people, strict=strict)
        answer = loaded.recommend(known, k=k, **lists)
    for note in answer.notes:
        say(note)
    if out is not None:
        found = answer.to_arrow()
        rows.write(out, found)
        say(f"{len(found):,} recommendations for {len(answer.users):,} written to {out}")
        if json:
            counts = {"users": len(answer.users), "rows": len(found)}
            emit({"out": str(out), **counts, "notes": list(answer.notes)})
    elif json:
        emit(answer.to_dict())
    else:
        table(
            f"{run}: {len(answer.users):,} asked",
            ("user", "rank", "item", "score"),
            [
                ("-" if who is None else str(who), str(rank), str(item), score)
                for who, items, scores in answer
                for rank, (item, score) in enumerate(zip(items, scores, strict=True), 1)
            ],
        )
