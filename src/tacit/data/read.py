"""From a file or a frame to `Interactions`: columns found, ids encoded, yes and no decided, said aloud."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tacit.data.columns import CANONICAL, ROLES, Cells, find_columns, resolve_threshold
from tacit.data.interactions import Interactions
from tacit.data.sources import Source, open_source
from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError

_DECIMAL = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_log = logging.getLogger("tacit")


def read(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    position: str | None = None,
    rating: str | None = None,
    label: str | None = None,
    weight: str | None = None,
    shown: str | None = None,
    threshold: float | None = None,
    impressions: str | Path | None = None,
    vocabulary: tuple[Vocabulary, Vocabulary] | None = None,
    collapse: bool = True,
    part: bool = False,
) -> Interactions:
    """A log from Parquet, CSV or TSV, JSON lines, an Arrow table or a pandas or Polars frame.

    `user` to `shown` name the columns; those left out are guessed from the names in sight. Times become Unix
    seconds. Ratings: from `threshold` on a row is a yes, below it an explicit no; None: see
    `tacit.data.columns.resolve_threshold`. `label` 1 is a yes, 0 an explicit no; `shown` 1 an impression
    without action, unless a label says yes. `impressions`: a file of more of these. `vocabulary`: users' and
    items' ids whose rows stay, new ones appended. `collapse`: one row for each pair, a yes before a no, then
    the earliest. `part`: the file is a test, validation or history file, and may hold one user or item only.

    What was decided is logged, with the file's name, and kept in `notes`. Raises `DataError` that names file,
    column and row.
    """
    given = dict(zip(ROLES, (user, item, time, position, rating, label, weight, shown), strict=True))
    opened = open_source(source)
    log, found = _columns(opened, given, threshold, vocabulary)
    if impressions is not None:
        log = _with_impressions(log, impressions, found)
    if collapse:
        log = log.collapsed()
    if vocabulary is None and not part:
        for what, ids in (("user", log.user_ids), ("item", log.item_ids)):
            if len(ids) < 2:
                raise DataError(
                    f"{opened.label}: one {what} only; nothing can be learnt from it, give a log of several"
                )
    for note in log.notes:
        _log.info("%s: %s", opened.label, note)
    return log


def table_of(source: Any) -> pa.Table:
    """All rows and columns of a source, in its order; the rows that `read(..., collapse=False)` numbers.

    Text files: a column of plain decimal numbers is one of numbers, any other stays text. Errors as `read`.
    """
    opened = open_source(source)
    table = opened.load(None, ())
    if not opened.text:
        return table
    return pa.table({name: _typed(table.column(name)) for name in table.column_names})


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for pattern, kind in ((CANONICAL, pa.int64()), (_DECIMAL, pa.float64())):
        if pc.all(pc.match_substring_regex(column, pattern)).as_py():
            with suppress(pa.ArrowInvalid):
                return column.cast(kind)
    return column


def _columns(
    source: Source,
    given: Mapping[str, str | None],
    threshold: float | None,
    vocabulary: tuple[Vocabulary, Vocabulary] | None,
) -> tuple[Interactions, dict[str, str]]:
    """The rows of a source as they stand, and which column played which role."""
    found, notes = find_columns(source, given)
    table = source.load(list(found.values()), [found["user"], found["item"]])
    if table.num_rows == 0:
        raise DataError(f"{source.label}: holds no rows; give a file with at least one")
    cells = {role: Cells(source, name, table.column(name)) for role, name in found.items()}
    del table
    encoded: dict[str, tuple[Vocabulary, Any]] = {}
    for index, role in enumerate(("user", "item")):
        keep_text = vocabulary is not None and vocabulary[index].kind == "str"
        encoded[role] = Vocabulary.of_column(cells.pop(role).ids(keep_text))
    (user_ids, users), (item_ids, items) = encoded["user"], encoded["item"]
    columns: dict[str, Any] = {"users": users, "items": items}
    if "time" in cells:
        columns["times"], unit = cells.pop("time").seconds()
        notes.append(f"times in {found['time']} are {unit}")
    if "position" in cells:
        columns["positions"] = cells["position"].whole()
    if "weight" in cells:
        columns["weights"] = cells["weight"].floats()
    columns |= _opinions(cells, given, threshold, notes)
    log = Interactions(user_ids=user_ids, item_ids=item_ids, notes=tuple(notes), **columns)
    if vocabulary is None:
        return log, found
    ids = []
    for role, old, new in (("user", vocabulary[0], user_ids), ("item", vocabulary[1], item_ids)):
        try:
            ids.append(old.extended(new))
        except DataError as error:
            raise DataError(f"{source.label}, column {found[role]!r}: {error}") from None
    return log.with_vocabulary(*ids), found


def _opinions(
    cells: Mapping[str, Cells], given: Mapping[str, str | None], threshold: float | None, notes: list[str]
) -> dict[str, Any]:
    """Ratings, labels and impressions, and what they make of a row."""
    columns: dict[str, Any] = {}
    if "rating" in cells:
        columns["ratings"] = cells["rating"].floats()
        columns["threshold"], said = resolve_threshold(columns["ratings"], threshold)
        notes.append(said)
        if (low := columns["ratings"] < columns["threshold"]).any():
            columns["labels"] = (~low).astype(np.float32)
    if (flags := _flags("label", cells, given, notes)) is not None:
        columns["labels"] = flags.astype(np.float32)
    if (flags := _flags("shown", cells, given, notes)) is not None:
        said_yes = columns["labels"] == 1 if "labels" in columns else np.zeros(len(flags), bool)
        columns["shown"] = flags & ~said_yes
    return columns


def _flags(
    role: str, cells: Mapping[str, Cells], given: Mapping[str, str | None], notes: list[str]
) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """A column of zeros and ones; one that was only guessed and holds more is left alone."""
    if role not in cells:
        return None
    flags = cells[role].flags()
    if flags is None and given[role] is not None:
        raise cells[role].wrong("holds more than 0 and 1; give a column of zeros and ones")
    if flags is None:
        notes.append(f"column {cells[role].name} holds more than 0 and 1: not read as {role}")
    return flags


def alike(source: Source, found: Mapping[str, str]) -> dict[str, str | None]:
    """The log's columns by role where a file of impressions has them too; the others are to be guessed."""
    return {role: name if name in source.names else None for role, name in found.items()}


def _with_impressions(log: Interactions, path: str | Path, found: Mapping[str, str]) -> Interactions:
    """The log and the rows of a file of impressions behind it."""
    source = open_source(path)
    known = log.user_ids, log.item_ids
    more, _ = _columns(source, alike(source, found) | {"rating": None, "label": None}, None, known)
    if log.times is not None and more.times is None:
        raise DataError(f"{source.label}: no column of times, which the log has; add it, or name it alike")
    silent = replace(
        more,
        labels=None,
        shown=np.ones(len(more), bool),
        ratings=None if log.ratings is None else np.full(len(more), np.nan, np.float32),
        positions=more.positions
        if log.positions is None or more.positions is not None
        else np.zeros(len(more), np.int64),
    )
    whole = log.with_vocabulary(more.user_ids, more.item_ids).concat(silent)
    return replace(whole, notes=(*log.notes, f"{len(more):,} impressions from {source.label}"))
