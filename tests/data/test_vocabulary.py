import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError, UnknownId

INTS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1)
SMALL = st.lists(st.integers(-50, 50), min_size=1)
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1)


@given(st.one_of(INTS, SMALL, TEXTS))
def test_ids_come_back_from_their_rows(ids: list[int] | list[str]) -> None:
    vocabulary, rows = Vocabulary.of_column(pa.array(ids))
    assert list(vocabulary.decode(rows)) == ids
    assert vocabulary.encode(ids).tolist() == rows.tolist()


@given(st.one_of(INTS, SMALL, TEXTS))
def test_rows_ascend_with_ids_whatever_the_order_of_the_log(ids: list[int] | list[str]) -> None:
    vocabulary, _ = Vocabulary.of_column(pa.array(ids))
    assert vocabulary.to_arrow().to_pylist() == sorted(set(ids))


@given(st.one_of(st.tuples(INTS, SMALL), st.tuples(TEXTS, TEXTS)))
def test_extending_keeps_old_rows(parts: tuple[list, list]) -> None:
    old, _ = Vocabulary.of_column(pa.array(parts[0]))
    new = old.extended(parts[1])
    assert new.to_arrow()[: len(old)].to_pylist() == old.to_arrow().to_pylist()
    assert set(new.to_arrow().to_pylist()) == set(parts[0]) | set(parts[1])
    assert [new.row(id) for id in new.to_arrow().to_pylist()] == list(range(len(new)))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([3, 1, 3], pa.int32()),
        pa.array([3, 1, 3], pa.uint8()),
        pa.chunked_array([[3], [1, 3]]),
        np.array([3, 1, 3]),
        [3, 1, 3],
        pa.array([3, 1, 3]).dictionary_encode(),
    ],
)
def test_integers_of_any_make(values: object) -> None:
    vocabulary, rows = Vocabulary.of_column(values)
    assert vocabulary.kind == "int"
    assert vocabulary.to_arrow() == pa.array([1, 3])
    assert rows.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["b", "a", "b"], pa.string_view()),
        pa.array(["b", "a", "b"], pa.large_string()),
        pa.array(["b", "a", "b"]).dictionary_encode(),
        pa.chunked_array([pa.array(["b"]).dictionary_encode(), pa.array(["a", "b"]).dictionary_encode()]),
        pa.DictionaryArray.from_arrays([2, 0, 2], ["a", "unused", "b"]),
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], object),
    ],
)
def test_text_of_any_make(values: object) -> None:
    vocabulary, rows = Vocabulary.of_column(values)
    assert vocabulary.to_arrow() == pa.array(["a", "b"])
    assert rows.tolist() == [1, 0, 1]


def test_wide_integers_are_not_counted() -> None:
    vocabulary, rows = Vocabulary.of_column(pa.array([2**62, -5, 2**62]))
    assert vocabulary.to_arrow().to_pylist() == [-5, 2**62]
    assert rows.tolist() == [1, 0, 1]


def test_an_empty_column_gives_an_empty_vocabulary() -> None:
    vocabulary, rows = Vocabulary.of_column(pa.array([], pa.string()))
    assert (len(vocabulary), len(rows)) == (0, 0)


def test_unknown_ids_are_minus_one() -> None:
    assert Vocabulary([10, 20]).encode([20, 30]).tolist() == [1, -1]


@pytest.mark.parametrize("values", [["a"], np.array(["a"])])
def test_encoding_the_other_kind_is_refused(values: object) -> None:
    with pytest.raises(DataError, match="ids are text here and integers in the vocabulary"):
        Vocabulary([1]).encode(values)


def test_mixed_ids_are_refused() -> None:
    with pytest.raises(DataError, match="mixed types"):
        Vocabulary([1, "a"])


@pytest.mark.parametrize("ids", [[1.5], [True], [b"a"]])
def test_ids_of_other_types_are_refused(ids: list) -> None:
    with pytest.raises(DataError, match="make them integers or text"):
        Vocabulary(ids)


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(DataError, match="each id once"):
        Vocabulary(["a", "a"])


def test_null_ids_are_refused_by_row() -> None:
    with pytest.raises(DataError, match="row 1 is null"):
        Vocabulary(["a", None])


def test_an_unknown_text_names_the_nearest() -> None:
    with pytest.raises(UnknownId, match="did you mean 'matrix'"):
        Vocabulary(["alien", "matrix"]).row("matrx")


def test_an_unknown_integer_says_what_range_is_known() -> None:
    with pytest.raises(UnknownId, match="2 ids are known, from 10 to 40"):
        Vocabulary([10, 40]).row(33)


@pytest.mark.parametrize("size", [3, 3000])
@pytest.mark.parametrize("kind", [int, str])
def test_several_are_found_at_once_among_few_and_among_many(kind: type, size: int) -> None:
    vocabulary = Vocabulary([kind(number) for number in range(size)])
    found = vocabulary.rows([kind(2), kind(0), kind(2)])
    assert found.dtype == np.int64
    assert found.tolist() == [vocabulary.row(kind(2)), vocabulary.row(kind(0)), vocabulary.row(kind(2))]


@pytest.mark.parametrize("size", [3, 3000])
@pytest.mark.parametrize("wrong", [-7, "1", 2**70])
def test_the_first_unknown_of_several_is_named(wrong: object, size: int) -> None:
    with pytest.raises(UnknownId, match=f"unknown id {wrong!r}"):
        Vocabulary(list(range(size))).rows([1, wrong, -8])


def test_a_text_among_integers_says_what_ids_are() -> None:
    with pytest.raises(UnknownId, match="ids here are integers"):
        Vocabulary([10]).row("10")


def test_an_integer_beyond_64_bits_is_unknown() -> None:
    with pytest.raises(UnknownId):
        Vocabulary([10, 3]).row(2**70)


@pytest.mark.parametrize(("ids", "parsed"), [([1, 2], 2), (["1", "2"], "2")])
def test_the_command_line_parses_by_kind(ids: list, parsed: int | str) -> None:
    assert Vocabulary(ids).parse("2") == parsed


def test_the_command_line_refuses_text_for_integers() -> None:
    with pytest.raises(UnknownId, match="'x': ids here are integers, such as 1"):
        Vocabulary([1]).parse("x")


def test_decoding_a_row_that_is_not_there_fails() -> None:
    with pytest.raises(IndexError):
        Vocabulary([1]).decode([-1])


def test_equality_is_that_of_ids_in_order() -> None:
    assert Vocabulary([1, 2]) == Vocabulary.from_arrow(pa.array([1, 2]))
    assert Vocabulary([1, 2]) != Vocabulary([2, 1])


def test_the_first_unknown_of_many_ids_is_named() -> None:
    ids = Vocabulary(pa.array(range(500)))
    with pytest.raises(UnknownId, match="unknown id 900"):
        ids.rows([*range(100), 900, 901])


@pytest.mark.parametrize("wanted", [["a", "\udc80"], ["\udc80"]], ids=["many", "one"])
def test_text_that_is_no_unicode_is_an_unknown_id(wanted: list[str]) -> None:
    with pytest.raises(UnknownId, match=r"unknown id '\\udc80'"):
        Vocabulary(pa.array(["a", "b"])).rows(wanted)


def test_a_log_of_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(DataError, match=r"ids hold text that is not Unicode: '\\udc80'"):
        Vocabulary.of_column(["tea", "\udc80"])
