"""Tables that a verb writes, in the kind of file that its name says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tacit.errors import OptionError

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".csv", ".jsonl")


def check(path: Path | None) -> None:
    """Raise `OptionError` for a file of a kind that cannot be written."""
    if path is not None and path.suffix not in SUFFIXES:
        raise OptionError(f"--out {path}: name a file of {', '.join(SUFFIXES)}")


def write(path: Path, rows: pa.Table) -> None:
    """The rows as the suffix says, one a line where the file is text."""
    import json
    from io import BytesIO

    import pyarrow.csv

    from tacit.storage import write_bytes, write_parquet, write_text

    if path.suffix == ".parquet":
        write_parquet(path, rows)
    elif path.suffix == ".csv":
        sink = BytesIO()
        pyarrow.csv.write_csv(rows, sink)
        write_bytes(path, sink.getvalue())
    else:
        write_text(path, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows.to_pylist()))
