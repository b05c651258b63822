"""Where tables come from: files and frames, alike in what they offer, with errors that name the place.

Each source has a `label` for messages; `text`, whether cells are text whose types are still to be found; the
`names` of its columns; `load(columns, ids)`, these columns (None: all) with ids as compact as it allows; and
`place(row)`, what to call a row in a message. What cannot be opened or read raises `DataError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tacit.data.text import Delimited, JsonLines, first_line
from tacit.errors import DataError

READABLE = ".parquet, .csv, .tsv, .jsonl or .ndjson; text also as .gz or .zst"


def open_source(source: Any) -> Source:
    """A path, an Arrow table, or a frame with the Arrow C stream interface (pandas, Polars, ...); a source
    that is open stays as it is.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, str | Path):
        return _file(Path(source))
    if isinstance(source, pa.Table):
        return Frame(source)
    if hasattr(source, "__arrow_c_stream__"):
        try:
            return Frame(pa.RecordBatchReader.from_stream(source).read_all())
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"frame: a column holds mixed types ({first_line(error)}); give each column one type"
            ) from None
    raise DataError(f"cannot read a {type(source).__name__}: give a path, an Arrow table or a data frame")


def _file(path: Path) -> Source:
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name one file in it")
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty; give a file with a header and rows")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in (".gz", ".zst")
    suffix = suffixes[-2] if packed and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    if suffix in (".parquet", ".pq") and not packed:
        return Parquet(path)
    if suffix in (".csv", ".tsv"):
        return Delimited(path)
    if suffix in (".jsonl", ".ndjson"):
        return JsonLines(path)
    raise DataError(f"{path}: unknown kind of file; name it {READABLE}")


@dataclass(frozen=True, eq=False)
class Frame:
    """A table in memory."""

    table: pa.Table
    label: str = "frame"
    text: bool = False

    @property
    def names(self) -> list[str]:
        return list(self.table.column_names)

    def load(self, columns: Sequence[str] | None, ids: Sequence[str]) -> pa.Table:
        return self.table if columns is None else self.table.select(columns)

    def place(self, row: int) -> str:
        return f"row {row}"


@dataclass(frozen=True, eq=False)
class Parquet:
    """A Parquet file; text ids come as dictionaries, straight from the pages."""

    path: Path
    text: bool = False

    @property
    def label(self) -> str:
        return str(self.path)

    @cached_property
    def schema(self) -> pa.Schema:
        return self._tried(lambda: pq.read_schema(self.path))

    @property
    def names(self) -> list[str]:
        return list(self.schema.names)

    def load(self, columns: Sequence[str] | None, ids: Sequence[str]) -> pa.Table:
        coded = [name for name in ids if not pa.types.is_integer(self.schema.field(name).type)]
        return self._tried(lambda: pq.ParquetFile(self.path, read_dictionary=coded).read(columns))

    def place(self, row: int) -> str:
        return f"row {row}"

    def _tried(self, attempt: Any) -> Any:
        try:
            return attempt()
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(
                f"{self.label}: not a whole Parquet file ({first_line(error)}); copy or write it again"
            ) from None


Source = Frame | Parquet | Delimited | JsonLines
