"""`tacit evaluate`: the object of the interface, masking, references."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.command import QUICK, Place, Tacit


@pytest.fixture
def test_file(place: Place) -> Path:
    return place.split / "test.parquet"


def test_the_object_has_the_shape_of_the_interface(tacit: Tacit, place: Place, test_file: Path) -> None:
    told = tacit("evaluate", place.run, "--test", test_file, "--k", 5, "--k", 20, "--no-references", "--json")
    assert told.code == 0
    result = told.json
    assert result["users"] > 0
    for name in ("recall@5", "recall@20", "ndcg@20", "hit_rate@5", "mrr@20", "map@5", "precision@20"):
        entry = result["metrics"][name]
        assert 0 <= entry["low"] <= entry["mean"] <= entry["high"] <= 1
    for name in ("coverage@20", "gini@20", "mean_popularity@20"):
        assert result["metrics"][name]["low"] is None
        assert result["metrics"][name]["mean"] is not None
    assert "recall@10" not in result["metrics"]
    assert result["references"] == {}
    assert result["audit"]["test_pairs"] > 0


def test_references_stand_beside_the_run(tacit: Tacit, place: Place, test_file: Path) -> None:
    result = tacit("evaluate", place.run, "--test", test_file, "--k", 10, "--json").json
    assert {"popular", "itemknn", "graphfilter", "ease"} <= set(result["references"])
    popular = result["references"]["popular"]
    assert popular["metrics"]["recall@10"]["mean"] >= 0
    assert popular["fit_seconds"] >= 0


def test_the_table_is_for_people(tacit: Tacit, place: Place, test_file: Path) -> None:
    told = tacit("evaluate", place.run, "--test", test_file, "--k", 10)
    assert told.code == 0
    head = next(line for line in told.out.splitlines() if line.startswith("metric"))
    assert all(name in head for name in ("run", "interval", "popular", "itemknn"))
    assert "recall@10" in told.out
    assert "audit" in told.out


def test_options_may_stand_in_a_file(tacit: Tacit, place: Place, test_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[evaluation]\nk = [7]\nreferences = false\nmetrics = ["recall"]\n')
    told = tacit("evaluate", place.run, "--test", test_file, "--config", tmp_path / "run.toml", "--json")
    assert list(told.json["metrics"]) == ["recall@7"]
    told = tacit(
        "evaluate", place.run, "--test", test_file, "--config", tmp_path / "run.toml", "--k", 3, "--json"
    )
    assert list(told.json["metrics"]) == ["recall@3"]


def test_what_was_seen_is_masked_unless_repeats_are_wanted(tacit: Tacit, place: Place) -> None:
    train = place.split / "train.parquet"
    options = ("--no-references", "--json", "--k", 10)
    kept = tacit("evaluate", place.run, "--test", train, "--seen", "keep", *options)
    assert kept.code == 0
    assert kept.json["metrics"]["recall@10"]["mean"] > 0
    masked = tacit("evaluate", place.run, "--test", train, *options)
    assert masked.code == 2 or masked.json["users"] == 0


def test_more_history_makes_a_cold_user_warm(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"user_id": [9001], "item_id": [4], "timestamp": [1_700_000_000]}), tmp_path / "t.parquet"
    )
    pq.write_table(
        pa.table({"user_id": [9001], "item_id": [2], "timestamp": [1_690_000_000]}), tmp_path / "h.parquet"
    )
    both = pa.concat_tables(
        [
            pq.read_table(place.split / "test.parquet").select(["user_id", "item_id", "timestamp"]),
            pq.read_table(tmp_path / "t.parquet"),
        ]
    )
    pq.write_table(both, tmp_path / "both.parquet")
    options = ("--test", tmp_path / "both.parquet", "--no-references", "--json")
    cold = tacit("evaluate", place.run, *options).json
    warm = tacit("evaluate", place.run, *options, "--history", tmp_path / "h.parquet").json
    assert warm["users"] == cold["users"] + 1
    assert cold["cold_users"] == warm["cold_users"] + 1
    assert "test_users_without_history" not in warm["audit"]


def test_a_damaged_run_is_refused(tacit: Tacit, place: Place, test_file: Path, tmp_path: Path) -> None:
    for path in place.run.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    model = bytearray((tmp_path / "model.safetensors").read_bytes())
    model[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(model)
    told = tacit("evaluate", tmp_path, "--test", test_file)
    assert told.code == 2
    assert "model.safetensors" in told.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--k", "1000"), "larger than the catalogue"),
        (("--test", "absent.parquet"), "absent.parquet"),
        (("--set", "evaluation.metrics=['recal']"), "recall"),
        (("--k", "0"), "k"),
    ],
)
def test_a_mistake_exits_with_2(
    tacit: Tacit, place: Place, test_file: Path, arguments: tuple[str, ...], said: str
) -> None:
    told = tacit("evaluate", place.run, "--test", test_file, "--no-references", *arguments)
    assert (told.code, told.out) == (2, "")
    assert said in told.err


def test_a_folder_that_is_no_run_is_refused(tacit: Tacit, tmp_path: Path, test_file: Path) -> None:
    told = tacit("evaluate", tmp_path, "--test", test_file)
    assert told.code == 2
    assert str(tmp_path) in told.err


def test_the_audit_of_the_split_travels_with_the_run(place: Place) -> None:
    assert json.loads((place.run / "audit.json").read_text())


def test_references_are_told_as_they_come_and_one_that_wins_is_named(
    tacit: Tacit, place: Place, test_file: Path, tmp_path: Path
) -> None:
    noise = ("--set", "optimizer.rate=1e-9", *QUICK)
    assert tacit("fit", place.log, "--out", tmp_path / "run", *noise).code == 0
    options = ("--set", "evaluation.metrics=['ndcg']", "--seen", "keep", "--json")
    told = tacit("evaluate", tmp_path / "run", "--test", test_file, *options)
    means = {name: entry["metrics"]["ndcg@10"]["mean"] for name, entry in told.json["references"].items()}
    assert all(f"reference {name}: fitted in " in told.err for name in means)
    best = max(means, key=means.__getitem__)
    (said,) = [note for note in told.json["notes"] if note.startswith("run loses to ")]
    assert said.startswith(f"run loses to {best} on ndcg@10 (")
    assert said in told.err.splitlines()


def test_a_test_file_of_strangers_is_said(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    rows = {"user_id": [0, 1, *range(9000, 9006)], "item_id": [2, 3, *range(6)]}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    options = ("--no-references", "--seen", "keep", "--json")
    told = tacit("evaluate", place.run, "--test", tmp_path / "t.parquet", *options)
    assert told.json["audit"]["share_of_test_users_unknown"] == 0.75
    assert told.json["audit"]["share_of_test_items_unknown"] == 0
    assert "6 of 8 users of the test file (75%) are unknown to the run" in told.err
    assert "items of the test file" not in told.err


def test_a_test_file_may_name_its_columns_otherwise(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    test = pq.read_table(place.split / "test.parquet")
    renamed = test.rename_columns({"user_id": "who", "item_id": "what"})
    pq.write_table(renamed, tmp_path / "test.parquet")
    names = ("--set", "data.user=who", "--set", "data.item=what")
    told = tacit(
        "evaluate", place.run, "--test", tmp_path / "test.parquet", "--no-references", "--json", *names
    )
    plain = tacit("evaluate", place.run, "--test", place.split / "test.parquet", "--no-references", "--json")
    assert told.code == 0
    assert told.json["metrics"] == plain.json["metrics"]
