"""Text sources: CSV, TSV and JSON lines, plain or packed, with errors that name the line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.csv
import pyarrow.json

from tacit.errors import DataError

_HEAD = 1 << 20
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def first_line(error: BaseException) -> str:
    """What a foreign error says, short enough to quote."""
    return str(error).splitlines()[0].strip()[:200]


@dataclass(frozen=True, eq=False)
class Delimited:
    """CSV or TSV with a header line, plain or packed. Ids and cells come as text."""

    path: Path
    text: bool = True

    @property
    def label(self) -> str:
        return str(self.path)

    @cached_property
    def header(self) -> tuple[list[str], str]:
        """Column names and the delimiter."""
        first = _head(self.path).split(b"\n", 1)[0].rstrip(b"\r").removeprefix(b"\xef\xbb\xbf")
        try:
            line = first.decode()
        except UnicodeDecodeError:
            raise _not_utf8(self.path, 1) from None
        tabs = ".tsv" in {suffix.lower() for suffix in self.path.suffixes}
        delimiter = "\t" if tabs else max(",;\t|", key=line.count)
        names = next(csv.reader([line], delimiter=delimiter), [])
        if not any(name.strip() for name in names):
            raise DataError(f"{self.label}: line 1 is empty; begin with a line of column names")
        if all(_NUMBER.fullmatch(name.strip()) for name in names):
            raise DataError(
                f"{self.label}: line 1 holds values, not names; begin with a line of column names"
            )
        return names, delimiter

    @property
    def names(self) -> list[str]:
        return self.header[0]

    def load(self, columns: Sequence[str] | None, ids: Sequence[str]) -> pa.Table:
        names, delimiter = self.header
        coded = pa.dictionary(pa.int32(), pa.string())
        types = dict.fromkeys(columns or names, pa.string()) | dict.fromkeys(ids, coded)
        convert = pa.csv.ConvertOptions(
            column_types=types,
            include_columns=list(columns or names),
            null_values=[""],
            strings_can_be_null=True,
        )
        try:
            return self._parse(delimiter, convert, threads=True)
        except (pa.ArrowInvalid, OSError):
            self._explain(delimiter, convert)

    def place(self, row: int) -> str:
        return f"line {row + 2}"

    def _parse(
        self, delimiter: str, convert: pa.csv.ConvertOptions, threads: bool, bad_row: Any = None
    ) -> pa.Table:
        parse = pa.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=not threads, invalid_row_handler=bad_row
        )
        with _stream(self.path) as stream:
            options = pa.csv.ReadOptions(use_threads=threads)
            return pa.csv.read_csv(stream, options, parse, convert)

    def _explain(self, delimiter: str, convert: pa.csv.ConvertOptions) -> NoReturn:
        """Say what is wrong with a file that could not be parsed."""
        ragged: list[Any] = []

        def note(row: Any) -> str:
            ragged.append(row)
            return "error"

        try:
            self._parse(delimiter, convert, threads=False, bad_row=note)
        except (pa.ArrowInvalid, OSError) as error:
            if ragged:
                raise DataError(
                    f"{self.label}, line {ragged[0].number}: {ragged[0].actual_columns} fields where "
                    f"the header has {ragged[0].expected_columns}; mend the line or quote its text"
                ) from None
            _refuse_bytes(self.path)
            raise DataError(f"{self.label}: cannot be read ({first_line(error)})") from None
        raise DataError(f"{self.label}: a quoted cell holds a line break; write it without")


@dataclass(frozen=True, eq=False)
class JsonLines:
    """One JSON object a line, plain or packed."""

    path: Path
    text: bool = False

    @property
    def label(self) -> str:
        return str(self.path)

    @cached_property
    def table(self) -> pa.Table:
        try:
            with _stream(self.path) as stream:
                return pa.json.read_json(stream)
        except (pa.ArrowInvalid, OSError) as error:
            self._explain(error)

    @property
    def names(self) -> list[str]:
        return list(self.table.column_names)

    def load(self, columns: Sequence[str] | None, ids: Sequence[str]) -> pa.Table:
        return self.table if columns is None else self.table.select(columns)

    def place(self, row: int) -> str:
        return f"line {row + 1}"

    def _explain(self, error: BaseException) -> NoReturn:
        _refuse_bytes(self.path)
        types: dict[str, type] = {}
        with _stream(self.path) as stream:
            lines = stream.read().decode().split("\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if not isinstance(record, dict):
                raise DataError(f"{self.label}, line {number}: not a JSON object; mend the line") from None
            for name, value in record.items():
                kind = float if isinstance(value, float) else type(value)
                if value is not None and types.setdefault(name, kind) is not kind:
                    raise DataError(
                        f"{self.label}, line {number}: column {name!r} is {kind.__name__} here and "
                        f"{types[name].__name__} before: mixed types; write all in one way"
                    ) from None
        raise DataError(f"{self.label}: cannot be read ({first_line(error)})") from None


def _stream(path: Path) -> Any:
    return pa.input_stream(str(path), compression="detect")


def _head(path: Path) -> bytes:
    try:
        with _stream(path) as stream:
            return bytes(stream.read(_HEAD))
    except OSError as error:
        raise DataError(f"{path}: cannot be unpacked ({first_line(error)}); copy or pack it again") from None


def _not_utf8(path: Path, line: int) -> DataError:
    return DataError(f"{path}, line {line}: not UTF-8; save the file as UTF-8")


def _refuse_bytes(path: Path) -> None:
    """Raise where the file cannot be unpacked or a line is not UTF-8."""
    try:
        with _stream(path) as stream:
            lines = bytes(stream.read()).split(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be unpacked ({first_line(error)}); copy or pack it again") from None
    for number, line in enumerate(lines, 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            raise _not_utf8(path, number) from None
