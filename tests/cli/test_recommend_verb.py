"""`tacit recommend`: ids in, ids out."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from helpers.command import QUICK, Place, Tacit, write_log


def seen(place: Place, user: int) -> set[int]:
    rows = [
        row
        for part in ("train", "valid")
        for row in pq.read_table(place.split / f"{part}.parquet").to_pylist()
    ]
    return {row["item_id"] for row in rows if row["user_id"] == user}


def test_a_known_user_gets_k_items_not_seen(tacit: Tacit, place: Place) -> None:
    answer = tacit("recommend", place.run, "--user", 3, "-k", 7, "--json").json
    person = answer["recommendations"][0]
    items = [entry["item"] for entry in person["items"]]
    assert person["user"] == 3
    assert len(set(items)) == 7
    assert not set(items) & seen(place, 3)
    scores = [entry["score"] for entry in person["items"]]
    assert scores == sorted(scores, reverse=True)


def test_what_was_had_before_may_be_kept(tacit: Tacit, place: Place) -> None:
    options = ("--user", 3, "-k", 60, "--json")
    lists = [
        tacit("recommend", place.run, *options, *more).json["recommendations"][0]["items"]
        for more in ((), ("--seen", "keep"))
    ]
    masked, kept = ({entry["item"] for entry in items} for items in lists)
    assert kept - masked == seen(place, 3)


def test_an_empty_history_is_somebody_new(tacit: Tacit, place: Place) -> None:
    answer = tacit("recommend", place.run, "--history", "[]", "-k", 5, "--json").json
    assert len(answer["recommendations"][0]["items"]) == 5
    assert any("answered by popularity" in note for note in answer["notes"])


@pytest.mark.parametrize("history", ["2,4,6", "[2, 4, 6]", '["2", "4", "6"]', " 2, 4 ,6,"])
def test_a_history_is_a_list_of_ids(tacit: Tacit, place: Place, history: str) -> None:
    answer = tacit("recommend", place.run, "--history", history, "-k", 5, "--json").json
    items = {entry["item"] for entry in answer["recommendations"][0]["items"]}
    assert len(items) == 5
    assert not items & {2, 4, 6}


def test_a_file_of_users_becomes_a_file_of_recommendations(
    tacit: Tacit, place: Place, tmp_path: Path
) -> None:
    (tmp_path / "users.txt").write_text("5\n\n3\n")
    out = tmp_path / "out.parquet"
    told = tacit("recommend", place.run, "--users", tmp_path / "users.txt", "-k", 4, "--out", out)
    assert (told.code, told.out) == (0, "")
    assert "8 recommendations for 2" in told.err
    table = pq.read_table(out)
    assert table.schema.names == ["user", "item", "score", "rank"]
    assert table["user"].to_pylist() == [5] * 4 + [3] * 4
    assert table["rank"].to_pylist() == [1, 2, 3, 4] * 2


def test_lists_allow_and_deny(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    wanted = sorted(set(range(60)) - seen(place, 3))[:6]
    (tmp_path / "allow").write_text("\n".join(map(str, wanted)))
    (tmp_path / "deny").write_text(f"{wanted[0]}\n")
    options = ("--user", 3, "-k", 5, "--allow", tmp_path / "allow", "--deny", tmp_path / "deny", "--json")
    items = {e["item"] for e in tacit("recommend", place.run, *options).json["recommendations"][0]["items"]}
    assert items == set(wanted[1:])


def test_fewer_than_k_is_said(tacit: Tacit, place: Place) -> None:
    told = tacit("recommend", place.run, "--user", 3, "-k", 60, "--json")
    assert told.code == 0
    assert "fewer than 60" in told.err
    assert len(told.json["recommendations"][0]["items"]) == 60 - len(seen(place, 3))


def test_the_table_is_for_people(tacit: Tacit, place: Place) -> None:
    told = tacit("recommend", place.run, "--user", 3, "-k", 2)
    assert told.code == 0
    assert next(line for line in told.out.splitlines() if line.startswith("user")).split() == [
        "user",
        "rank",
        "item",
        "score",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--user", "1000"), "120 ids are known, from 0 to 119"),
        (("--user", "ann"), "integers"),
        (("--history", "2,1000"), "unknown id 1000"),
        (("--history", ","), "no item"),
        (("--history", "[2"), "not a JSON list"),
        (("--users", "absent.txt"), "absent.txt"),
        (("--user", "3", "-k", "1000"), "catalogue"),
        (("--user", "3", "--history", "2"), "exactly one"),
        ((), "exactly one"),
        (("--user", "3", "--deny", "absent.txt"), "absent.txt"),
        (("--user", "3", "--set", "scheme.rate=0.1"), "only backbone can be set"),
        (("--user", "3", "--out", "out.xlsx"), "name a file of .parquet, .csv, .jsonl"),
    ],
)
def test_a_mistake_exits_with_2(tacit: Tacit, place: Place, arguments: tuple[str, ...], said: str) -> None:
    told = tacit("recommend", place.run, *arguments)
    assert (told.code, told.out) == (2, "")
    assert said in told.err
    assert "Traceback" not in told.err


def test_unknown_users_of_a_file_are_skipped_and_counted(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("3\n5000\nann\n4\n7000\n8000\n")
    told = tacit("recommend", place.run, "--users", tmp_path / "users.txt", "-k", 2, "--json")
    assert [person["user"] for person in told.json["recommendations"]] == [3, 4]
    assert (
        "4 of 6 ids are unknown to the run and skipped: 5000 (line 2), ann (line 3), 7000 (line 5), ..."
        in (told.err)
    )


@pytest.mark.parametrize(("text", "options"), [("3\n5000\n", ["--strict"]), ("\n5000\n6000\n", [])])
def test_an_unknown_id_is_refused_where_asked_for_or_where_none_is_known(
    tacit: Tacit, place: Place, tmp_path: Path, text: str, options: list[str]
) -> None:
    (tmp_path / "users.txt").write_text(text)
    out = tmp_path / "out.parquet"
    told = tacit("recommend", place.run, "--users", tmp_path / "users.txt", "--out", out, *options)
    assert told.code == 2
    assert "users.txt, line 2: unknown id 5000" in told.err
    assert ("none of its 2 ids is known" in told.err) == (not options)
    assert not out.exists()


def test_unknown_items_of_allow_and_deny_are_a_remark(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    (tmp_path / "allow").write_text("1\n5000\n3\n5\n7\n")
    (tmp_path / "deny").write_text("6000\n")
    lists = ("--allow", tmp_path / "allow", "--deny", tmp_path / "deny")
    told = tacit("recommend", place.run, "--history", "2", "-k", 4, *lists, "--json")
    assert {e["item"] for e in told.json["recommendations"][0]["items"]} == {1, 3, 5, 7}
    assert "allow: 1 of 5 ids are unknown" in told.err
    assert "deny: 1 of 1 ids are unknown" in told.err
    assert tacit("recommend", place.run, "--history", "2", *lists, "--strict").code == 2


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_file_is_written_as_its_suffix_says(
    tacit: Tacit, place: Place, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"out.{suffix}"
    told = tacit("recommend", place.run, "--user", 3, "-k", 2, "--out", out, "--json")
    assert told.json == {"out": str(out), "users": 1, "rows": 2, "notes": []}
    if suffix == "parquet":
        rows = pq.read_table(out).to_pylist()
    elif suffix == "csv":
        rows = pyarrow.csv.read_csv(out).to_pylist()
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["user"], row["rank"]) for row in rows] == [(3, 1), (3, 2)]


def test_a_table_of_users_is_refused(tacit: Tacit, place: Place) -> None:
    told = tacit("recommend", place.run, "--users", place.split / "test.parquet")
    assert told.code == 2
    assert "write a text file in UTF-8, one id a line" in told.err


def test_an_empty_file_of_users_is_refused(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("\n")
    assert "holds no id" in tacit("recommend", place.run, "--users", tmp_path / "users.txt").err


def test_text_ids_with_commas_come_as_json(tacit: Tacit, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.parquet", lambda kind, row: f"{kind},{row}")
    assert tacit("fit", log, "--out", tmp_path / "run", *QUICK).code == 0
    history = json.dumps(["i,2", "i,4"])
    answer = tacit("recommend", tmp_path / "run", "--history", history, "-k", 3, "--json").json
    assert all(entry["item"].startswith("i,") for entry in answer["recommendations"][0]["items"])
    told = tacit("recommend", tmp_path / "run", "--user", "u,1000")
    assert told.code == 2
    assert "did you mean" in told.err


@pytest.fixture
def today(tmp_path: Path) -> Path:
    """Two events of somebody new, one of somebody known, and one of an item that the run does not know."""
    path = tmp_path / "today.csv"
    path.write_text("who,item_id,timestamp\n900,4,20\n900,2,10\n3,6,10\n3,777,11\n")
    return path


def test_a_log_of_histories_becomes_recommendations(tacit: Tacit, place: Place, today: Path) -> None:
    told = tacit("recommend", place.run, "--histories", today, "-k", 3, "--set", "data.user=who", "--json")
    known, new = told.json["recommendations"]
    assert (known["user"], new["user"]) == (3, 900)
    alone = tacit("recommend", place.run, "--history", "2,4", "-k", 3, "--json").json["recommendations"][0]
    assert new["items"] == alone["items"]
    assert "1 of 4 events are of items that the run does not know" in told.err


def test_a_log_with_an_unknown_item_is_refused_where_asked_for(
    tacit: Tacit, place: Place, today: Path
) -> None:
    told = tacit("recommend", place.run, "--histories", today, "--set", "data.user=who", "--strict")
    assert (told.code, told.out) == (2, "")
    assert "today.csv: item 777 is unknown to the run" in told.err


def test_a_log_may_come_after_what_the_run_knows(tacit: Tacit, place: Place, today: Path) -> None:
    options = ("--append", "-k", 60, "--set", "data.user=who", "--json")
    known = tacit("recommend", place.run, "--histories", today, *options).json["recommendations"][0]
    assert known["user"] == 3
    assert not {entry["item"] for entry in known["items"]} & (seen(place, 3) | {6})


def test_appending_is_refused_without_a_log(tacit: Tacit, place: Place) -> None:
    told = tacit("recommend", place.run, "--user", 3, "--append")
    assert told.code == 2
    assert "--append goes with --histories" in told.err
