"""Which column holds what, and from its cells to numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Float64, Int64

from tacit.data.sources import Source
from tacit.data.vocabulary import joined, plain_column
from tacit.errors import DataError

ROLES = ("user", "item", "time", "position", "rating", "label", "weight", "shown")
ALL_YES = -1e30  # the threshold of a scale on which every rating is a yes
_SAMPLE, _TRIED = 100_000, 1_000
_CLOCKS = (pa.float64(), pa.timestamp("ns"), pa.timestamp("ns", "UTC"))
LATEST = 7_258_118_400  # 2200-01-01
_UNITS = ((1e11, 1, "seconds"), (1e14, 10**3, "milliseconds"), (1e17, 10**6, "microseconds"))
CANONICAL = r"^(0|-?[1-9][0-9]{0,18})$"

# Names are compared in lower case, without _ - and spaces, and without a type after a colon.
_NAMES = {
    "user": "user userid uid visitor visitorid customer customerid reviewerid session sessionid",
    "item": "item itemid iid movie movieid product productid asin book bookid track trackid song songid "
    "artist artistid business businessid location locationid venueid video videoid article articleid",
    "time": "timestamp time ts datetime date unixreviewtime createdat eventtime timems",
    "position": "position pos rank order",
    "rating": "rating ratings stars overall score value",
    "label": "label target clicked isclick like liked",
    "weight": "weight",
    "shown": "shown impression",
}


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.split(":")[0].lower())


def find_columns(source: Source, given: Mapping[str, str | None]) -> tuple[dict[str, str], list[str]]:
    """Column of each role: as given, else guessed from its name; and one sentence on each guess.

    Raises `DataError` for a name that is not there (naming the nearest), and where no user or item is found.
    """
    names, taken = source.names, {name for name in given.values() if name}
    found: dict[str, str] = {}
    _refuse_absent(source, [name for role in ROLES if (name := given.get(role)) and name not in names])
    for role in ROLES:
        name = given.get(role)
        if name is None:
            known = _NAMES[role].split()
            likely = [n for n in names if _plain(n) in known and n not in taken]
            name = min(likely, key=lambda n: known.index(_plain(n)), default=None)
        if name is not None:
            found[role] = name
            taken.add(name)
    lost = [role for role in ("user", "item") if role not in found]
    if lost:
        flags = " ".join(f"--set data.{role}=..." for role in lost)
        options = ", ".join(f"{role}=..." for role in lost)
        raise DataError(
            f"{source.label}: no column looks like the {' or the '.join(lost)}; name one of "
            f"{', '.join(names)} by {flags}, in Python by data=tacit.DataOptions({options})"
        )
    guessed = [f"{role} = {name}" for role, name in found.items() if given.get(role) is None]
    return found, [f"columns guessed from their names: {', '.join(guessed)}"] if guessed else []


def _refuse_absent(source: Source, absent: list[str]) -> None:
    said = []
    for name in absent:
        near = difflib.get_close_matches(name, source.names, 1, 0.5)
        said.append(f"no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    if said:
        raise DataError(f"{source.label}: {' and '.join(said)}; it has {', '.join(source.names)}")


@dataclass(frozen=True, eq=False)
class Cells:
    """One column of a source, converted on demand; every complaint names file, column and row."""

    source: Source
    name: str
    column: pa.ChunkedArray

    def refuse(self, row: int, what: str) -> DataError:
        """The error for one cell."""
        return DataError(f"{self.source.label}, column {self.name!r}, {self.source.place(row)}: {what}")

    def wrong(self, what: str) -> DataError:
        """The error for the whole column."""
        return DataError(f"{self.source.label}, column {self.name!r}: {what}")

    def ids(self, keep_text: bool = False) -> pa.ChunkedArray:
        """Ids without nulls: integers or (dictionaries of) text; numbers written as text become integers
        where no digit is lost by it and `keep_text` is not asked for."""
        self._full("an id is missing; fill it in or drop the row")
        try:
            column = plain_column(self.column)
        except DataError as error:
            raise self.wrong(str(error)) from None
        if not self.source.text or keep_text or not pa.types.is_dictionary(column.type) or not len(column):
            return column
        column = column.unify_dictionaries()
        values = column.chunk(0).dictionary
        if not pc.all(pc.match_substring_regex(values, CANONICAL)).as_py():
            return column
        try:
            numbers = values.cast(pa.int64())
        except pa.ArrowInvalid:
            return column
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(chunk.indices, numbers) for chunk in column.chunks]
        )

    def numbers(self) -> Float64[np.ndarray, "n"]:
        """Finite numbers."""
        self._full("a number is missing; fill it in or drop the row")
        values = np.asarray(joined(self._numeric()), np.float64)
        self._check(np.isfinite(values), "not a finite number; mend or drop the row")
        return values

    def floats(self) -> Float32[np.ndarray, "n"]:
        """Finite numbers in single precision."""
        return self.numbers().astype(np.float32)

    def whole(self) -> Int64[np.ndarray, "n"]:
        """Whole numbers."""
        self._full("a number is missing; fill it in or drop the row")
        column = self._numeric()
        if pa.types.is_integer(column.type):
            return np.asarray(joined(column), np.int64)
        values = self.numbers()
        self._check(values == np.floor(values), "not a whole number")
        return values.astype(np.int64)

    def flags(self) -> Bool[np.ndarray, "n"] | None:
        """Zeros and ones, or truth values; None where the column holds anything else."""
        if pa.types.is_boolean(self.column.type):
            self._full("a truth value is missing")
            return np.asarray(self.column.to_numpy(), np.bool_)
        try:
            values = self.numbers()
        except DataError:
            return None
        return values == 1 if np.isin(values, (0, 1)).all() else None

    def seconds(self) -> tuple[Int64[np.ndarray, "n"], str]:
        """Unix seconds, fractions cut off, and the unit that the source was taken to use.

        Whole or decimal numbers (seconds, ms, us, ns by the size of their median), timestamps, dates, ISO
        8601 text. Raises `DataError` for times before 1970 or after 2200.
        """
        self._full("a time is missing; fill it in or drop the row")
        column, unit = self._clock(), "timestamps"
        if pa.types.is_temporal(column.type):
            utc = column.cast(pa.timestamp("s", getattr(column.type, "tz", None)), safe=False)
            values = joined(utc.cast(pa.int64()))
        else:
            values = joined(column)
            if values.dtype.kind == "f":
                self._check(np.isfinite(values), "not a finite time; mend or drop the row")
            sample = values[:: len(values) // _SAMPLE + 1]
            middle = abs(float(np.median(sample))) if len(sample) else 0.0
            scale, unit = next(
                ((scale, unit) for limit, scale, unit in _UNITS if middle < limit), (10**9, "nanoseconds")
            )
            values = values if scale == 1 else values // scale
        if len(values) and (values.min() < 0 or values.max() > LATEST):
            self._check(
                (values >= 0) & (values <= LATEST),
                f"the time is before 1970 or after 2200, read as {unit}; mend or drop the row",
            )
        return np.asarray(values, np.int64), unit

    def _clock(self) -> pa.ChunkedArray:
        """Numbers or timestamps."""
        if not _is_text(self.column.type):
            if pa.types.is_temporal(self.column.type):
                return self.column
            return self._numeric()
        for kind in (pa.int64(), *_CLOCKS):
            try:
                return self.column.cast(kind)
            except pa.ArrowInvalid:
                continue
        texts = self.column.to_pylist()
        sample = texts[:: len(texts) // _TRIED + 1]
        usual = max(_CLOCKS, key=lambda kind: sum(_reads_as(text, kind) for text in sample))
        row = next(row for row, text in enumerate(texts) if not _reads_as(text, usual))
        if any(_reads_as(texts[row], kind) for kind in _CLOCKS):
            raise self.refuse(
                row, f"{texts[row]!r} is written in another way than most times; write all alike"
            )
        raise self.refuse(row, f"{texts[row]!r} is no time; write Unix seconds or ISO 8601, all alike")

    def _numeric(self) -> pa.ChunkedArray:
        kind = self.column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return self.column
        if pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
            return self.column.cast(pa.float64())
        if not _is_text(kind):
            raise self.wrong(f"holds {kind}, not numbers")
        for number in (pa.int64(), pa.float64()):
            try:
                return self.column.cast(number)
            except pa.ArrowInvalid:
                continue
        for row, text in enumerate(self.column.to_pylist()):
            try:
                float(text)
            except ValueError:
                raise self.refuse(row, f"{text!r} is no number") from None
        raise self.wrong("holds numbers written in an unusual way; write plain decimals")

    def _full(self, what: str) -> None:
        if self.column.null_count:
            nulls = self.column.is_null().to_numpy()
            raise self.refuse(int(nulls.argmax()), what)

    def _check(self, good: Bool[np.ndarray, "n"], what: str) -> None:
        if not good.all():
            raise self.refuse(int(good.argmin()), what)


def _reads_as(text: str, kind: pa.DataType) -> bool:
    try:
        pa.scalar(text).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view())


def resolve_threshold(ratings: Float32[np.ndarray, "n"], threshold: float | None) -> tuple[float, str]:
    """The rating from which on a row is a yes, and a sentence that says so.

    Untouched: zeros and ones are noes and yeses; within .5 to 5 and up to at least 4 (stars) 4 is a yes; on
    any other scale every row is one.
    """
    if threshold is not None:
        every = threshold <= ALL_YES
        said = "every row is a yes" if every else f"a yes from {threshold:g} on, below it an explicit no"
        return threshold, f"ratings: {said}"
    low, high = (float(ratings.min()), float(ratings.max())) if len(ratings) else (0.0, 0.0)
    if low >= 0 and high <= 1 and bool(np.isin(ratings, (0, 1)).all()):
        return 1.0, "ratings are 0 and 1: 1 is a yes, 0 an explicit no"
    if low >= 0.5 and 4 <= high <= 5:
        return 4.0, "ratings lie on a 1-5 scale: 4 and more is a yes, below it an explicit no"
    return (
        ALL_YES,
        f"ratings from {low:g} to {high:g} are on no 1-5 scale: every row is a yes; or set a threshold",
    )
