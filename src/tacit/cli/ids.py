"""Ids that come as files or on the line: read by the run's vocabulary, unknown ones skipped or refused."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacit.cli.output import say
from tacit.errors import OptionError, UnknownId

if TYPE_CHECKING:
    from tacit.data.vocabulary import Vocabulary

Id = int | str
NAMED = 3


def from_file(path: Path, vocabulary: Vocabulary, *, strict: bool, may_be_empty: bool = False) -> list[Id]:
    """The known ids of a file of one id a line; empty lines are passed over.

    Unknown ids are counted aloud and skipped. Raises `UnknownId`, with the line, for the first one where
    `strict` or where no id is known (unless the list `may_be_empty`), and `OptionError` for a file that
    cannot be read.
    """
    asked, known, unknown = _words(path), list[Id](), list[tuple[int, str]]()
    for number, word in asked:
        with suppress(UnknownId):
            id = vocabulary.parse(word)
            if id in vocabulary:
                known.append(id)
                continue
        unknown.append((number, word))
    if unknown and (strict or not (known or may_be_empty)):
        number, word = unknown[0]
        try:
            vocabulary.row(vocabulary.parse(word))
        except UnknownId as error:
            rest = "" if known else f" (none of its {len(asked):,} ids is known to the run)"
            raise UnknownId(f"{path}, line {number}: {error}{rest}") from error
    if unknown:
        first = ", ".join(f"{word} (line {number})" for number, word in unknown[:NAMED])
        more = ", ..." if len(unknown) > NAMED else ""
        count = f"{len(unknown):,} of {len(asked):,}"
        say(f"{path}: {count} ids are unknown to the run and skipped: {first}{more}")
    return known


def _words(path: Path) -> list[tuple[int, str]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise OptionError(f"{path}: cannot read the ids: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{path}: no text: write a text file in UTF-8, one id a line") from error
    asked = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not asked:
        raise OptionError(f"{path}: holds no id: write one a line")
    return asked


def history(text: str) -> list[str]:
    """Ids between commas, or a JSON list; an empty list, `[]`, is somebody new."""
    if text.lstrip().startswith("["):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise OptionError(f"--history is not a JSON list: {error}") from error
        return [str(value) for value in values]
    found = [item.strip() for item in text.split(",") if item.strip()]
    if not found:
        raise OptionError("--history holds no item: write ids between commas, or [] for somebody new")
    return found


def categories(path: Path) -> dict[Any, Any]:
    """The category of each item, from the columns item and category of a file.

    Raises `DataError` where a column is missing or an item has two categories.
    """
    from tacit.data.read import table_of
    from tacit.errors import DataError

    table = table_of(path)
    missing = [name for name in ("item", "category") if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: no column {' and no column '.join(missing)}: it needs item and category")
    found: dict[Any, Any] = {}
    for item, category in zip(table["item"].to_pylist(), table["category"].to_pylist(), strict=True):
        if found.setdefault(item, category) != category:
            raise DataError(f"{path}: item {item} has the categories {found[item]} and {category}: keep one")
    return found
