import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tacit.data.columns import ALL_YES
from tacit.data.interactions import Interactions
from tacit.data.read import table_of
from tacit.data.vocabulary import Vocabulary
from tacit.errors import DataError

ROWS = [("ann", 7, 100), ("bob", 5, 300), ("ann", 5, 200)]


def table(**columns: Any) -> pa.Table:
    return pa.table({"user": [1, 2, 1], "item": [5, 5, 6]} | columns)


def cells(log: Interactions) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in log.to_arrow().to_pylist()]


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def packed(name: str, data: bytes) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(data)
    return bytes(pa.compress(data, "zstd", asbytes=True)) if name.endswith(".zst") else data


# ------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.csv.zst", "log.tsv", "log.TSV.gz"])
def test_delimited_text(tmp_path: Path, name: str) -> None:
    mark = "\t" if ".tsv" in name.lower() else ","
    text = "\n".join(mark.join(map(str, row)) for row in [("user", "item", "timestamp"), *ROWS])
    path = written(tmp_path, name, packed(name, text.encode()))
    assert cells(Interactions.read(path)) == ROWS


@pytest.mark.parametrize("name", ["log.jsonl", "log.ndjson.gz", "log.jsonl.zst"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    text = "\n".join(json.dumps(dict(zip(("user", "item", "timestamp"), row, strict=True))) for row in ROWS)
    assert cells(Interactions.read(written(tmp_path, name, packed(name, text.encode())))) == ROWS


def test_parquet(tmp_path: Path) -> None:
    names = ["user", "item", "timestamp"]
    frame = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in ROWS])
    pq.write_table(frame, tmp_path / "log.parquet", row_group_size=1)
    assert cells(Interactions.read(tmp_path / "log.parquet")) == ROWS


@pytest.mark.parametrize("frame", [pa.Table.from_pandas, pd.DataFrame, pl.from_pandas])
def test_frames(frame: Any) -> None:
    rows = pd.DataFrame(ROWS, columns=["user", "item", "timestamp"])
    assert cells(Interactions.read(frame(rows))) == ROWS


def test_pandas_categories() -> None:
    rows = pd.DataFrame(ROWS, columns=["user", "item", "timestamp"]).astype({"user": "category"})
    assert cells(Interactions.read(rows)) == ROWS


def test_a_byte_order_mark_is_no_part_of_the_name(tmp_path: Path) -> None:
    path = written(tmp_path, "log.csv", b"\xef\xbb\xbfuser,item\n1,5\n2,6\n")
    assert cells(Interactions.read(path)) == [(1, 5), (2, 6)]


def test_the_order_of_rows_does_not_change_the_vocabulary() -> None:
    log, turned = Interactions.read(table()), Interactions.read(table().take([2, 1, 0]))
    assert log.user_ids == turned.user_ids
    assert log.item_ids == turned.item_ids


@pytest.mark.parametrize(("written_ids", "ids"), [("1 12", [1, 12]), ("007 12", ["007", "12"])])
def test_numbers_in_text_are_integers_unless_digits_would_be_lost(
    tmp_path: Path, written_ids: str, ids: list[Any]
) -> None:
    first, second = written_ids.split()
    log = Interactions.read(written(tmp_path, "log.csv", f"user,item\n{first},a\n{second},b\n"))
    assert log.user_ids.to_arrow().to_pylist() == ids


def test_text_ids_stay_text_where_the_vocabulary_is_text(tmp_path: Path) -> None:
    path = written(tmp_path, "log.csv", "user,item\n1,5\n")
    vocabulary = Vocabulary(["007", "1"]), Vocabulary([5])
    log = Interactions.read(path, vocabulary=vocabulary)
    assert (log.users.tolist(), log.user_ids) == ([1], vocabulary[0])


def test_ids_that_a_given_vocabulary_lacks_come_behind() -> None:
    log = Interactions.read(table(), vocabulary=(Vocabulary([9, 2]), Vocabulary([6, 5])))
    assert log.user_ids.to_arrow().to_pylist() == [9, 2, 1]
    assert log.items.tolist() == [1, 1, 0]


def test_the_table_has_all_columns_and_the_rows_of_the_log(tmp_path: Path) -> None:
    path = written(tmp_path, "log.csv", "user,item,colour,price\n07,5,red,1.5\n2,5,,2\n")
    assert table_of(path).to_pydict() == {
        "user": ["07", "2"],
        "item": [5, 5],
        "colour": ["red", None],
        "price": [1.5, 2.0],
    }


# ------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("user", "item"),
    [
        ("userId", "movieId"),
        ("visitorid", "itemid"),
        ("user_id:token", "item_id:token"),
        ("UID", "Product ID"),
    ],
)
def test_columns_are_guessed_and_said(user: str, item: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "tacit"):
        log = Interactions.read(pa.table({"noise": [0, 0], item: [5, 6], user: [1, 2]}))
    assert cells(log) == [(1, 5), (2, 6)]
    assert f"user = {user}, item = {item}" in caplog.text


def test_named_columns_are_not_guessed_again() -> None:
    frame = pa.table({"user": [7, 8], "item": [5, 6], "owner": [1, 2]})
    log = Interactions.read(frame, user="owner", item="user")
    assert cells(log) == [(1, 7), (2, 8)]
    assert log.notes == ()


def test_all_optional_columns() -> None:
    log = Interactions.read(table(pos=[0, 0, 1], weight=[1, 2.5, 0], label=[1, 0, 1], shown=[0, 1, 1]))
    assert log.to_arrow().drop_columns(["user", "item"]).to_pylist() == [
        {"position": 0, "label": 1.0, "weight": 1.0, "shown": False},
        {"position": 0, "label": 0.0, "weight": 2.5, "shown": True},
        {"position": 1, "label": 1.0, "weight": 0.0, "shown": False},
    ]


def test_a_guessed_label_that_is_none_is_left_alone() -> None:
    log = Interactions.read(table(target=[0.5, 2, 1]))
    assert log.labels is None
    assert "column target holds more than 0 and 1: not read as label" in log.notes


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        ([1_500_000_000, 1_500_000_001, 1_500_000_002], "seconds"),
        ([1_500_000_000_900, 1_500_000_001_000, 1_500_000_002_000], "milliseconds"),
        ([1_500_000_000_900_000, 1_500_000_001_000_000, 1_500_000_002_000_000], "microseconds"),
        ([1_500_000_000_000_000_009, 1_500_000_001_000_000_000, 1_500_000_002_000_000_000], "nanoseconds"),
        ([1_500_000_000.7, 1_500_000_001.0, 1_500_000_002.0], "seconds"),
        (["2017-07-14T02:40:00", "2017-07-14T02:40:01", "2017-07-14T02:40:02"], "timestamps"),
        (["2017-07-14T02:40:00Z", "2017-07-14T02:40:01Z", "2017-07-14T02:40:02.5Z"], "timestamps"),
        (["1500000000", "1500000001", "1500000002"], "seconds"),
        ([datetime.datetime(2017, 7, 14, 2, 40, second) for second in range(3)], "timestamps"),
    ],
)
def test_times_become_seconds(times: list[Any], unit: str) -> None:
    log = Interactions.read(table(timestamp=times))
    assert log.times is not None
    assert log.times.tolist() == [1_500_000_000, 1_500_000_001, 1_500_000_002]
    assert f"times in timestamp are {unit}" in log.notes


def test_dates_become_seconds() -> None:
    log = Interactions.read(table(date=[datetime.date(1970, 1, day) for day in (1, 2, 3)]))
    assert log.times is not None
    assert log.times.tolist() == [0, 86_400, 172_800]


@pytest.mark.parametrize(
    ("ratings", "option", "threshold", "labels"),
    [
        ([5, 3.5, 4], None, 4, [1, 0, 1]),
        ([0.5, 4, 4.5], None, 4, [0, 1, 1]),
        ([1, 0, 1], None, 1, [1, 0, 1]),
        ([1, 2, 3], None, ALL_YES, None),
        ([1, 80, 3], None, ALL_YES, None),
        ([-9, 4, 3], None, ALL_YES, None),
        ([5, 3, 4], 3, 3, None),
        ([1, 80, 3], 3, 3, [0, 1, 1]),
        ([1, 5, 3], ALL_YES, ALL_YES, None),
    ],
)
def test_ratings_are_yes_and_no(
    ratings: list[float], option: float | None, threshold: float, labels: list[int] | None
) -> None:
    log = Interactions.read(table(rating=ratings), threshold=option)
    assert log.threshold == threshold
    assert (None if log.labels is None else log.labels.tolist()) == labels
    assert any("yes" in note for note in log.notes)


def test_repeats_are_collapsed_and_counted() -> None:
    log = Interactions.read(pa.table({"user": [1, 1, 2], "item": [5, 5, 6], "time": [20, 10, 0]}))
    assert cells(log) == [(1, 5, 10), (2, 6, 0)]
    assert any(note.startswith("1 repeated") for note in log.notes)


def test_repeats_stay_where_wanted() -> None:
    assert len(Interactions.read(pa.table({"user": [1, 1, 2], "item": [5, 5, 6]}), collapse=False)) == 3


def test_impressions_of_a_file_are_silence_behind_the_log(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": [1, 3], "item": [5, 9], "time": [8, 9]}), tmp_path / "seen.parquet")
    log = Interactions.read(table(time=[1, 2, 3], rating=[5, 1, 4]), impressions=tmp_path / "seen.parquet")
    assert log.n_users == 3
    assert log.impressions.degrees().tolist() == [0, 0, 1]
    assert log.noes.degrees().tolist() == [0, 1, 0]
    assert log.positives.degrees().tolist() == [2, 0, 0]


# ------------------------------------------------------------------------------------ bad input


BAD_TEXT = {
    "one missing column": (
        "log.csv",
        "user,thing\n1,2\n",
        {"item": "thin"},
        "no column 'thin'; did you mean 'thing'",
    ),
    "no column to guess": ("log.csv", "user,thing\n1,2\n", {}, "no column looks like the item"),
    "empty file": ("log.csv", "", {}, "is empty"),
    "header only": ("log.csv", "user,item\n", {}, "holds no rows"),
    "no header": ("log.csv", "1,2\n3,4\n", {}, "line 1 holds values, not names"),
    "null id": ("log.csv", "user,item\n1,2\n,3\n", {}, "column 'user', line 3: an id is missing"),
    "ragged line": ("log.csv", "user,item\n1,2\n1,3\n1,4,5\n", {}, "line 4: 3 fields where the header has 2"),
    "not UTF-8": ("log.csv", b"user,item\na,2\n\xff,3\n", {}, "line 3: not UTF-8"),
    "header not UTF-8": ("log.csv", b"us\xffer,item\na,2\n", {}, "line 1: not UTF-8"),
    "no number": (
        "log.csv",
        "user,item,rating\n1,2,3\n1,3,good\n",
        {},
        "column 'rating', line 3: 'good' is no number",
    ),
    "NaN rating": ("log.csv", "user,item,rating\n1,2,3\n1,3,NaN\n", {}, "line 3: not a finite number"),
    "no time": ("log.csv", "user,item,time\n1,2,2020-01-01\n1,3,soon\n", {}, "line 3: 'soon' is no time"),
    "no time among numbers": (
        "log.csv",
        "user,item,time\n1,2,100\n3,4,200\n5,6,abc\n7,8,300\n",
        {},
        "line 4: 'abc' is no time",
    ),
    "another time than most": (
        "log.csv",
        "user,item,time\n1,2,100\n1,3,2020-01-02\n1,4,2020-01-03\n",
        {},
        "line 2: '100' is written in another way than most",
    ),
    "cut gzip": ("log.csv.gz", gzip.compress(b"user,item\n1,2\n" * 99)[:-20], {}, "cannot be unpacked"),
    "no gzip": ("log.csv.gz", b"user,item\n1,2\n", {}, "cannot be unpacked"),
    "unknown kind": ("log.xlsx", b"PK", {}, "unknown kind of file; name it .parquet"),
    "cut Parquet": ("log.parquet", b"PAR1 and no more", {}, "not a whole Parquet file"),
    "mixed ids": (
        "log.jsonl",
        '{"user": 1, "item": 2}\n{"user": "b", "item": 3}\n',
        {},
        "line 2: column 'user' is str here and int before: mixed types",
    ),
    "no JSON": ("log.jsonl", '{"user": 1, "item": 2}\nuser\n', {}, "line 2: not a JSON object"),
    "JSON not UTF-8": ("log.jsonl", b'{"user": 1, "item": 2}\n{"user": "\xff"}\n', {}, "line 2: not UTF-8"),
    "null id in JSON": ("log.jsonl", '{"user": 1, "item": 2}\n{"user": 2}\n', {}, "line 2: an id is missing"),
    "one user": ("log.csv", "user,item\n1,2\n1,3\n", {}, "one user only"),
    "one item": ("log.csv", "user,item\n1,2\n3,2\n", {}, "one item only"),
    "label of three values": (
        "log.csv",
        "user,item,mark\n1,2,0\n2,3,5\n",
        {"label": "mark"},
        "column 'mark': holds more than 0 and 1",
    ),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_files_get_one_clear_error(tmp_path: Path, case: str) -> None:
    name, content, options, message = BAD_TEXT[case]
    path = written(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        Interactions.read(path, **options)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [1.5, 2, 3]}, "column 'user': ids are double; make them integers or text"),
        ({"user": [1, None, 3]}, "column 'user', row 1: an id is missing"),
        ({"time": [10**9, -5, 10**9]}, "column 'time', row 1: the time is before 1970 or after 2200"),
        ({"time": [10**9, 10**9, 10**10]}, "column 'time', row 2: the time is before 1970 or after 2200"),
        ({"time": [10**9, None, 10**9]}, "column 'time', row 1: a time is missing"),
        ({"time": [[1], [2], [3]]}, "column 'time': holds list<item: int64>, not numbers"),
        ({"weight": [1, float("nan"), 1]}, "column 'weight', row 1: not a finite number"),
        ({"weight": [1.0, -1.0, 1.0]}, "column weights, row 1: not finite and at least 0"),
        ({"position": [0.5, 1, 2]}, "column 'position', row 0: not a whole number"),
    ],
)
def test_bad_cells_are_named(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Interactions.read(table(**columns))
    assert message in str(caught.value)


def test_mixed_ids_in_a_frame_are_refused() -> None:
    with pytest.raises(DataError, match="mixed types"):
        Interactions.read(pd.DataFrame({"user": [1, "b"], "item": [5, 6]}))


def test_a_parquet_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(table(), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        Interactions.read(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; name one file in it"):
        Interactions.read(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        Interactions.read(tmp_path / "none.csv")


def test_other_objects_are_refused() -> None:
    with pytest.raises(DataError, match="cannot read a ndarray"):
        Interactions.read(np.zeros(3))


def test_a_part_may_hold_one_user_only() -> None:
    assert Interactions.read(pa.table({"user": [1], "item": [2]}), part=True).n_users == 1


def test_impressions_without_the_times_of_the_log_are_refused(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "seen.parquet")
    with pytest.raises(DataError, match="no column of times, which the log has"):
        Interactions.read(table(time=[1, 2, 3]), impressions=tmp_path / "seen.parquet")


def test_what_was_decided_is_logged_with_the_name_of_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, "log.csv", "user,item\n1,2\n3,4\n")
    with caplog.at_level("INFO", "tacit"):
        log = Interactions.read(path)
    assert f"{path}: columns guessed from their names: user = user, item = item" in caplog.messages
    assert log.notes == ("columns guessed from their names: user = user, item = item",)
