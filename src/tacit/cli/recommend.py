"""The verb `tacit recommend`."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tacit.cli import shared
from tacit.cli.output import emit, say, table
from tacit.errors import OptionError, UnknownId

if TYPE_CHECKING:
    from tacit.data.vocabulary import Vocabulary


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
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Items for each.")] = 10,
    allow: Annotated[Path | None, typer.Option(help="File of items, one id a line: no others.")] = None,
    deny: Annotated[Path | None, typer.Option(help="File of items, one id a line: none of these.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Parquet file to write, with columns user, item, score, rank.")
    ] = None,
    json: shared.Json = False,
    threads: shared.Threads = None,
    device: shared.Device = "cpu",
    version: shared.Version = False,
) -> None:
    """The best items for known users, or for somebody known by a history of items.

    What they have seen is left out. Fewer than k items are said aloud.
    """
    if sum(choice is not None for choice in (user, history, users)) != 1:
        raise OptionError("recommend for whom? Give exactly one of --user, --history and --users")
    from tacit.run import load
    from tacit.storage import write_parquet

    shared.use_threads(threads)
    loaded = load(run)
    lists: dict[str, Any] = {
        "allow": None if allow is None else _ids(allow, loaded.item_ids),
        "deny": None if deny is None else _ids(deny, loaded.item_ids),
    }
    if history is not None:
        items = [loaded.item_ids.parse(item) for item in _history(history)]
        answer = loaded.recommend(history=items, k=k, **lists)
    else:
        known = [loaded.user_ids.parse(user)] if user is not None else _ids(Path(str(users)), loaded.user_ids)
        answer = loaded.recommend(known, k=k, **lists)
    for note in answer.notes:
        say(note)
    if out is not None:
        write_parquet(out, answer.to_arrow())
        say(f"{sum(map(len, answer.items))} recommendations for {len(answer.users)} written to {out}")
    if json:
        emit(answer.to_dict() | ({} if out is None else {"out": str(out)}))
    elif out is None:
        table(
            f"{run}: {len(answer.users):,} asked",
            ("user", "rank", "item", "score"),
            [
                ("-" if who is None else str(who), str(rank), str(item), score)
                for who, items, scores in answer
                for rank, (item, score) in enumerate(zip(items, scores, strict=True), 1)
            ],
        )


def _ids(path: Path, vocabulary: Vocabulary) -> list[Any]:
    """One id a line; empty lines are passed over. Raises `OptionError`, and `UnknownId` with its line."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise OptionError(f"{path}: cannot read the ids: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{path}: not UTF-8 at byte {error.start}: save the file as UTF-8") from error
    asked = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not asked:
        raise OptionError(f"{path}: holds no id: write one a line")
    ids = []
    for number, word in asked:
        try:
            ids.append(vocabulary.parse(word))
            vocabulary.row(ids[-1])
        except UnknownId as error:
            raise UnknownId(f"{path}, line {number}: {error}") from error
    return ids


def _history(text: str) -> list[str]:
    """Ids between commas, or a JSON list."""
    if text.lstrip().startswith("["):
        try:
            values = jsonlib.loads(text)
        except ValueError as error:
            raise OptionError(f"--history is not a JSON list: {error}") from error
        found = [str(value) for value in values]
    else:
        found = [item.strip() for item in text.split(",") if item.strip()]
    if not found:
        raise OptionError("--history holds no item: write ids between commas")
    return found
