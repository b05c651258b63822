"""`tacit data`: what describe counts, what split and simulate write."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.command import Place, Tacit, write_log

LOG = """user,item,timestamp
a,x,1600000000
a,x,1600000100
a,y,1600086400
b,x,1600000200
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path / "log.csv"


def test_describe_counts(tacit: Tacit, small: Path) -> None:
    facts = tacit("data", "describe", small, "--json").json
    assert (facts["rows"], facts["users"], facts["items"]) == (4, 2, 2)
    assert (facts["distinct_pairs"], facts["repeated_rows"]) == (3, 1)
    assert facts["density"] == 0.75
    assert facts["time_span"] == {"from": "2020-09-13 12:26:40", "to": "2020-09-14 12:26:40", "days": 1.0}
    assert facts["yeses_per_user"]["0%"] == 1
    assert facts["yeses_per_user"]["100%"] == 2
    assert facts["yeses_per_item"]["100%"] == 2


def test_describe_says_which_columns_it_took(tacit: Tacit, small: Path) -> None:
    told = tacit("data", "describe", small)
    assert told.code == 0
    assert "repeated rows" in told.out
    assert all(name in told.err for name in ("user", "item", "timestamp"))


def test_describe_takes_columns_by_name(tacit: Tacit, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text(LOG.replace("user,item", "who,what"))
    columns = ("--set", "data.user=who", "--set", "data.item=what")
    assert tacit("data", "describe", tmp_path / "odd.csv", *columns, "--json").json["users"] == 2
    told = tacit("data", "describe", tmp_path / "odd.csv", "--set", "data.user=wo", "--set", "data.item=what")
    assert told.code == 2
    assert "who" in told.err


def test_sessions_are_parted_by_pauses_and_read_as_users(tacit: Tacit, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "sessions.parquet"
    facts = tacit("data", "sessions", small, "--out", out, "--gap", 3600, "--json").json
    assert (facts["rows"], facts["users"], facts["sessions"]) == (4, 2, 3)
    found = pq.read_table(out)
    assert found["session"].to_pylist() == [0, 0, 1, 2]
    assert found["user"].to_pylist() == ["a", "a", "a", "b"]
    assert tacit("data", "describe", out, "--set", "data.user=session", "--json").json["users"] == 3


def test_who_trains_on_a_split_of_sessions_reads_sessions(tacit: Tacit, tmp_path: Path) -> None:
    log, sessions, out = (tmp_path / name for name in ("log.parquet", "sessions.parquet", "split"))
    rows = range(240)
    times = [1_600_000_000 + (row // 4) * 86_400 + (row % 4) * 60 for row in rows]
    who = [(row // 4) % 6 for row in rows]
    pq.write_table(pa.table({"user_id": who, "item_id": [row % 7 for row in rows], "timestamp": times}), log)
    assert tacit("data", "sessions", log, "--out", sessions).code == 0
    by = ("--set", "data.user=session", "--by", "start")
    assert tacit("data", "split", sessions, *by, "--out", out).code == 0
    told = tacit(
        "fit",
        out / "train.parquet",
        "--valid",
        out / "valid.parquet",
        "--out",
        tmp_path / "run",
        "--set",
        "training.epochs=1",
        "--backbone",
        "gru4rec",
    )
    assert told.code == 0
    assert "columns as in the split: user = session" in told.err
    judged = tacit("evaluate", tmp_path / "run", "--test", out / "test.parquet", "--k", 2, "--json")
    assert judged.json["users"] == 6


def test_sessions_need_times_and_a_free_name(tacit: Tacit, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "sessions.parquet"
    (tmp_path / "untimed.csv").write_text("user,item\na,x\nb,y\n")
    untimed = tacit("data", "sessions", tmp_path / "untimed.csv", "--out", out)
    assert (untimed.code, out.exists()) == (2, False)
    assert "data.time" in untimed.err
    tacit("data", "sessions", small, "--out", out)
    again = tacit("data", "sessions", out, "--out", tmp_path / "again.parquet")
    assert again.code == 2
    assert "data.user=session" in again.err


def test_split_keeps_every_row_and_column(place: Place) -> None:
    parts = [pq.read_table(place.split / f"{name}.parquet") for name in ("train", "valid", "test")]
    log = pq.read_table(place.log)
    assert all(part.schema.names == log.schema.names for part in parts)
    rows = sorted(pa.concat_tables(parts).to_pylist(), key=lambda row: row["timestamp"])
    assert rows == sorted(log.to_pylist(), key=lambda row: row["timestamp"])
    assert (place.split / "split.json").exists()


def test_split_by_time_is_the_default_where_there_are_times(place: Place) -> None:
    times = [
        pq.read_table(place.split / f"{name}.parquet")["timestamp"].to_numpy()
        for name in ("train", "valid", "test")
    ]
    assert times[0].max() < times[1].min()
    assert times[1].max() < times[2].min()


@pytest.mark.parametrize("by", ["time", "last", "random", "user", "start"])
def test_every_split_is_written_and_audited(tacit: Tacit, tmp_path: Path, by: str) -> None:
    log = write_log(tmp_path / "log.parquet")
    told = tacit("data", "split", log, "--out", tmp_path / "out", "--by", by, "--json")
    assert told.code == 0
    assert told.json["kind"] == by
    assert told.json["rows"]["train"] > told.json["rows"]["test"] > 0
    assert told.json["audit"]["test_users_without_train"] is not None
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"train.parquet", "valid.parquet", "test.parquet", "split.json"} <= written
    assert ("test_history.parquet" in written) == (by in ("user", "start"))


def test_a_random_split_depends_on_the_seed_alone(tacit: Tacit, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.parquet")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert (
            tacit("data", "split", log, "--out", tmp_path / name, "--by", "random", "--seed", seed).code == 0
        )
    test = {name: (tmp_path / name / "test.parquet").read_bytes() for name in "abc"}
    assert test["a"] == test["b"] != test["c"]


def test_neither_a_split_nor_a_simulated_log_is_replaced(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    assert tacit("data", "simulate", "--out", tmp_path).code == 0
    folders = {"split": place.split, "simulate": tmp_path}
    before = {file: file.read_bytes() for folder in folders.values() for file in folder.glob("*.parquet")}
    for words in (("split", place.log, "--by", "random"), ("simulate", "--seed", "9")):
        told = tacit("data", *words, "--out", folders[words[0]])
        assert told.code == 2
        assert "name another folder, or remove it" in told.err
    assert {file: file.read_bytes() for file in before} == before


def test_a_split_that_the_log_does_not_allow_is_refused(tacit: Tacit, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\na,x\na,y\nb,x\nb,z\n")
    told = tacit("data", "split", tmp_path / "log.csv", "--out", tmp_path / "out", "--by", "time")
    assert told.code == 2
    assert "time" in told.err
    assert not (tmp_path / "out" / "train.parquet").exists()


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_log_that_is_not_there_is_one_line(tacit: Tacit, tmp_path: Path, name: str) -> None:
    told = tacit("data", "describe", tmp_path / name)
    assert (told.code, told.out) == (2, "")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("column", "value"), [("user", ""), ("item", ""), ("timestamp", "-5"), ("timestamp", "noon")]
)
def test_split_names_the_file_and_line_of_a_bad_cell_as_fit_does(
    tacit: Tacit, tmp_path: Path, column: str, value: str
) -> None:
    path = tmp_path / "bad.csv"
    names, *lines = LOG.splitlines()
    cells = dict(zip(names.split(","), lines[2].split(","), strict=True)) | {column: value}
    path.write_text("\n".join([names, *lines[:2], ",".join(cells.values()), lines[3]]) + "\n")
    told = {verb: tacit(*verb, path, "--out", tmp_path / "out") for verb in (("data", "split"), ("fit",))}
    assert {one.code for one in told.values()} == {2}
    said = {one.err.splitlines()[-1] for one in told.values()}
    assert len(said) == 1
    assert f"{path}, column '{column}', line 4: " in said.pop()
    assert not (tmp_path / "out").exists()


def write_impressions(place: Place, folder: Path) -> Path:
    """Five impressions before the first validation event, at it, between and after the parts."""
    begins = {
        name: min(pq.read_table(place.split / f"{name}.parquet")["timestamp"].to_pylist())
        for name in ("valid", "test")
    }
    times = [begins["valid"] - 9, begins["valid"] - 1, begins["valid"], begins["test"] - 1, begins["test"]]
    columns = {"user_id": range(5), "item_id": range(5), "timestamp": times, "slot": range(5)}
    pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), folder / "i.parquet")
    return folder / "i.parquet"


def test_impressions_are_cut_where_train_is(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    option = ("--set", f"data.impressions={write_impressions(place, tmp_path)}")
    told = tacit("data", "split", place.log, "--out", tmp_path / "out", *option, "--json")
    assert told.code == 0
    kept = pq.read_table(tmp_path / "out" / "train_impressions.parquet")
    assert kept["slot"].to_pylist() == [0, 1]
    assert told.json["audit"]["train_impressions_after_valid_begins"] == 0
    assert f"--set data.impressions={tmp_path / 'out' / 'train_impressions.parquet'}" in told.err
    for part in ("train", "valid", "test"):
        assert pq.read_table(tmp_path / "out" / f"{part}.parquet") == pq.read_table(
            place.split / f"{part}.parquet"
        )


def test_impressions_of_people_held_out_are_left_out(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    people = list(range(120))
    shown = pa.table({"user_id": people, "item_id": [0] * 120, "timestamp": [1_600_000_000] * 120})
    pq.write_table(shown, tmp_path / "i.parquet")
    option = ("--set", f"data.impressions={tmp_path / 'i.parquet'}")
    assert tacit("data", "split", place.log, "--out", tmp_path / "out", "--by", "user", *option).code == 0
    kept, train = (
        pq.read_table(tmp_path / "out" / f"{name}.parquet")["user_id"].to_pylist()
        for name in ("train_impressions", "train")
    )
    assert sorted(kept) == sorted(set(train))


@pytest.mark.parametrize("by", ["random", "last"])
def test_impressions_of_another_split_all_stay(tacit: Tacit, place: Place, tmp_path: Path, by: str) -> None:
    option = ("--set", f"data.impressions={write_impressions(place, tmp_path)}")
    told = tacit("data", "split", place.log, "--out", tmp_path / "out", "--by", by, *option)
    assert told.code == 0
    assert len(pq.read_table(tmp_path / "out" / "train_impressions.parquet")) == 5
    assert "5 of 5 impressions go with train" in told.err


def test_text_impressions_keep_the_ids_of_the_log(tacit: Tacit, small: Path) -> None:
    (small.parent / "shown.csv").write_text("user,item,timestamp\n7,y,1600000000\nb,y,1600090000\n")
    option = ("--set", f"data.impressions={small.parent / 'shown.csv'}")
    assert tacit("data", "split", small, "--out", small.parent / "out", *option).code == 0
    kept = pq.read_table(small.parent / "out" / "train_impressions.parquet").to_pylist()
    assert kept == [{"user": "7", "item": "y", "timestamp": 1_600_000_000}]


def test_a_split_without_impressions_leaves_none_of_one_that_was_cut_short(
    tacit: Tacit, place: Place, tmp_path: Path
) -> None:
    late = pq.read_table(write_impressions(place, tmp_path)).slice(4)
    pq.write_table(late, tmp_path / "late.parquet")
    for file in ("i.parquet", "late.parquet"):
        (tmp_path / "out" / "split.json").unlink(missing_ok=True)
        option = ("--set", f"data.impressions={tmp_path / file}")
        told = tacit("data", "split", place.log, "--out", tmp_path / "out", *option)
    assert "no impressions are left for fit" in told.err
    assert not (tmp_path / "out" / "train_impressions.parquet").exists()


def test_a_split_text_file_keeps_its_numbers_as_numbers(tacit: Tacit, small: Path) -> None:
    assert tacit("data", "split", small, "--out", small.parent / "out").code == 0
    schema = pq.read_schema(small.parent / "out" / "train.parquet")
    assert schema.field("timestamp").type == pa.int64()


def test_simulate_writes_log_impressions_and_truth(tacit: Tacit, tmp_path: Path) -> None:
    told = tacit("data", "simulate", "--out", tmp_path / "data", "--seed", 3, "--json")
    assert told.code == 0
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert {"interactions.parquet", "impressions.parquet", "truth.parquet", "simulation.json"} <= names
    facts = tacit("data", "describe", tmp_path / "data" / "interactions.parquet", "--json").json
    assert facts["users"] <= 1000
    assert facts["rows"] > 10_000
