"""External ids and the rows that stand for them."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int, Int32, Int64

from tacit.errors import DataError, UnknownId
from tacit.kernels.ingest import encode_dense

Id = int | str
Kind = Literal["int", "str"]
_NUMBER = re.compile(r"[+-]?\d+")
_HINTS_FROM = 5000
_SINGLY = 100  # ids are looked up one by one where all known ones are this many times as many


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Which external id each row stands for. Ids are int64 or UTF-8 text, distinct, never null.

    Built from data (`of_column`), ids ascend: integers by value, text bytewise; so rows do not depend on the
    order of the log. An extended vocabulary keeps the old rows and appends the new ids.
    Raises `DataError` for ids of another type, null or repeated ids.
    """

    ids: Any

    def __post_init__(self) -> None:
        ids = plain_ids(self.ids)
        if ids.null_count:
            raise DataError(f"a vocabulary holds no null ids; row {_first_null(ids)} is null")
        if len(pc.unique(ids)) != len(ids):
            raise DataError("a vocabulary holds each id once; remove the repeated ones")
        object.__setattr__(self, "ids", ids)

    @staticmethod
    def of_column(column: Any) -> tuple[Vocabulary, Int32[np.ndarray, "n"]]:
        """The vocabulary of a column without nulls, ids ascending, and the row of each entry."""
        column = plain_column(column)
        if pa.types.is_integer(column.type):
            dense = encode_dense(joined(column))
            if dense is not None:
                return _trusted(pa.array(dense[0])), dense[1]
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        column = column.unify_dictionaries()
        values = column.chunk(0).dictionary if column.num_chunks else pa.array([], column.type.value_type)
        codes = joined(pa.chunked_array([chunk.indices for chunk in column.chunks], pa.int32()))
        used = np.flatnonzero(np.bincount(codes, minlength=len(values)))
        values = values.take(pa.array(used))
        order = pc.sort_indices(values)
        rows = np.full(int(codes.max(initial=-1)) + 1, -1, np.int32)
        rows[used[order.to_numpy()]] = np.arange(len(order), dtype=np.int32)
        return _trusted(plain_ids(values.take(order))), rows[codes]

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Vocabulary) and self.ids.equals(other.ids))

    def __hash__(self) -> int:
        return hash((len(self.ids), self.kind))

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} {self.kind} ids)"

    @property
    def kind(self) -> Kind:
        """Whether ids are integers or text."""
        return "int" if pa.types.is_integer(self.ids.type) else "str"

    def encode(self, values: Any) -> Int32[np.ndarray, "n"]:
        """Row of each id (sequence, numpy or Arrow array), -1 where unknown.

        `DataError` where the ids are of another kind than the vocabulary's, or of mixed types.
        """
        if len(values) == 0:
            return np.zeros(0, np.int32)
        wanted = plain_ids(values)
        if wanted.type != self.ids.type:
            raise DataError(
                f"ids are {_called(wanted.type)} here and {_called(self.ids.type)} in the vocabulary; "
                "write both in the same way"
            )
        found = pc.fill_null(pc.index_in(wanted, value_set=self.ids), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int32)

    def decode(self, rows: Int[np.ndarray, "n"] | Sequence[int]) -> Any:
        """External ids of rows: an int64 array, or a list of str. `IndexError` for a row not there."""
        taken = self.ids.take(pa.array(np.asarray(rows, np.int64)))
        return taken.to_numpy() if self.kind == "int" else taken.to_pylist()

    def translated(self, rows: Int32[np.ndarray, "n"], new: Vocabulary) -> Int32[np.ndarray, "n"]:
        """Rows of the same ids in another vocabulary. `DataError` where it lacks one of them."""
        if new == self:
            return rows
        found: np.ndarray[Any, Any] = new.encode(self.ids)[rows]
        if len(found) and int(found.min()) < 0:
            lost = self.decode(rows[[int(found.argmin())]])[0]
            raise DataError(f"id {lost!r} is not in the new vocabulary: extend it first")
        return found

    def row(self, id: Id) -> int:
        """Row of one id. `UnknownId`, with what ids are there, where it is not."""
        if (row := self._find(id)) >= 0:
            return row
        raise UnknownId(f"unknown id {id!r}{self._hint(id)}")

    def rows(self, ids: Sequence[Id]) -> Int64[np.ndarray, "n"]:
        """Row of each id, all of them known. `UnknownId` for the first that is not."""
        if _SINGLY * len(ids) >= len(self):
            with contextlib.suppress(DataError):
                found = self.encode(ids).astype(np.int64)
                if len(found) == 0 or int(found.min()) >= 0:
                    return found
                self.row(ids[int((found < 0).argmax())])
        return np.array([self.row(id) for id in ids], np.int64)

    def __contains__(self, id: Id) -> bool:
        return self._find(id) >= 0

    def parse(self, text: str) -> Id:
        """An id from the command line, by kind. `UnknownId` where ids are integers and this is none."""
        if self.kind == "str":
            return text
        if not _NUMBER.fullmatch(text.strip()):
            raise UnknownId(f"unknown id {text!r}: ids here are integers, such as {self.ids[0]}")
        return int(text)

    def extended(self, new_ids: Vocabulary | Any) -> Vocabulary:
        """With unknown ids appended, ascending; old rows keep their numbers. `DataError`: another kind."""
        new = new_ids.ids if isinstance(new_ids, Vocabulary) else new_ids
        if len(new) == 0:
            return self
        more, _ = Vocabulary.of_column(new)
        unknown = self.encode(more.ids) < 0
        if not unknown.any():
            return self
        return _trusted(pa.concat_arrays([self.ids, more.ids.filter(pa.array(unknown))]))

    def to_arrow(self) -> pa.Array:
        """The ids by row: int64 or string."""
        return self.ids

    @staticmethod
    def from_arrow(ids: pa.Array | pa.ChunkedArray) -> Vocabulary:
        """The vocabulary with these ids, in this order."""
        return Vocabulary(ids)

    def buffers(self) -> Iterator[Any]:
        """The bytes that identify it, for hashing."""
        if self.kind == "int":
            yield np.ascontiguousarray(self.ids.to_numpy()).data
        elif len(self):
            _, offsets, text = self.ids.buffers()
            bounds = np.frombuffer(offsets, np.int32)[self.ids.offset : self.ids.offset + len(self) + 1]
            yield np.diff(bounds).data
            yield memoryview(text)[bounds[0] : bounds[-1]]

    @cached_property
    def _sorted_until(self) -> int:
        """Length of the ascending part that `_row_of` searches by halving."""
        if len(self) < 2:
            return len(self)
        drops = pc.less_equal(self.ids[1:], self.ids[:-1]).to_numpy(zero_copy_only=False)
        return int(drops.argmax()) + 1 if drops.any() else len(self)

    def _find(self, id: Id) -> int:
        known = isinstance(id, int | np.integer) if self.kind == "int" else isinstance(id, str)
        return self._row_of(id) if known else -1

    def _row_of(self, id: Id) -> int:
        low, high = 0, self._sorted_until
        while low < high:
            middle = (low + high) // 2
            if self.ids[middle].as_py() < id:
                low = middle + 1
            else:
                high = middle
        if low < self._sorted_until and self.ids[low].as_py() == id:
            return low
        rest = self.ids[self._sorted_until :]
        try:
            at = pc.index(rest, pa.scalar(id, self.ids.type)).as_py()
        except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
            return -1
        return self._sorted_until + at if at >= 0 else -1

    def _hint(self, id: Id) -> str:
        if len(self) == 0:
            return ": the vocabulary is empty"
        if self.kind == "int":
            if isinstance(id, str):
                return f": ids here are integers, such as {self.ids[0]}"
            numbers = self.ids.to_numpy()
            return f"; {len(self):,} ids are known, from {numbers.min()} to {numbers.max()}"
        if not isinstance(id, str):
            return f": ids here are text, such as {self.ids[0].as_py()!r}"
        first = id[:1].encode(errors="ignore").decode()
        alike = pc.starts_with(self.ids, first, ignore_case=True)
        near = difflib.get_close_matches(id, self.ids.filter(alike)[:_HINTS_FROM].to_pylist(), 1)
        return f"; did you mean {near[0]!r}?" if near else f"; ids look like {self.ids[0].as_py()!r}"


def _trusted(ids: pa.Array) -> Vocabulary:
    """A vocabulary of ids known to be plain, distinct and without nulls."""
    made = object.__new__(Vocabulary)
    object.__setattr__(made, "ids", ids)
    return made


def plain_ids(values: Any) -> pa.Array:
    """One Arrow array of int64 or string; nulls are kept. `DataError` for other or mixed types."""
    column = plain_column(values)
    kind = pa.int64() if pa.types.is_integer(column.type) else pa.string()
    if column.type != kind:
        column = column.cast(kind)
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def plain_column(values: Any) -> pa.ChunkedArray:
    """A chunked array of integers as they are, string, or dictionary of string; nulls are kept.

    `DataError` for ids that are neither integers nor text, mixed types, and integers beyond int64.
    """
    try:
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            values = pa.array(values if isinstance(values, np.ndarray) else list(values))
        column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
        kind = column.type
        if pa.types.is_dictionary(kind):
            inner = kind.value_type
            return column.cast(pa.dictionary(pa.int32(), pa.string()) if _is_text(inner) else inner)
        if _is_text(kind):
            return column if kind == pa.string() else column.cast(pa.string())
        if pa.types.is_integer(kind):
            return column if kind != pa.uint64() else column.cast(pa.int64())
    except UnicodeEncodeError as error:
        raise DataError(f"ids hold text that is not Unicode: {error.object!r}; write them in UTF-8") from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DataError(
            f"ids are of mixed types or beyond 64 bits ({_one_line(error)}); make all integers or all text"
        ) from None
    raise DataError(f"ids are {kind}; make them integers or text")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view())


def _called(kind: pa.DataType) -> str:
    return "integers" if pa.types.is_integer(kind) else "text"


def joined(column: pa.ChunkedArray) -> Any:
    """A numeric column without nulls as one numpy array; a view where it is one chunk."""
    if column.num_chunks == 1:
        return column.chunk(0).to_numpy()
    return column.to_numpy()


def _first_null(ids: pa.Array) -> int:
    return int(np.flatnonzero(ids.is_null().to_numpy(zero_copy_only=False))[0])


def _one_line(error: BaseException) -> str:
    return str(error).splitlines()[0].strip()[:160]
