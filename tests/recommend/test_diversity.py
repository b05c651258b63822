"""Items that give way to others of their category."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tacit
from helpers.logs import quick_run, random_log
from tacit.cli.main import outcome
from tacit.errors import OptionError


@pytest.fixture(scope="module")
def run():
    return quick_run(random_log())


def kinds(items: list[int], of: dict[int, str]) -> list[str]:
    return [of[item] for item in items]


def test_much_diversity_takes_categories_in_turn(run):
    of = {item: "ab"[item % 2] for item in range(40)}
    plain = run.recommend([3], k=6)
    told = run.recommend([3], k=6, diversity=tacit.Diversity(1e3, of))
    assert told.items[0][0] == plain.items[0][0]
    assert sorted(kinds(told.items[0], of)) == ["a"] * 3 + ["b"] * 3


def test_scores_are_those_of_the_items(run):
    of = dict.fromkeys(range(40), "same")
    told = run.recommend([3], k=5, diversity=tacit.Diversity(0.3, of))
    expected = run.score([3] * 5, told.items[0])
    assert told.scores[0] == pytest.approx(expected.tolist(), abs=1e-5)


def test_one_category_for_all_changes_nothing(run):
    of = dict.fromkeys(range(40), "same")
    told = run.recommend([3], k=5, diversity=tacit.Diversity(9.0, of))
    assert told.items == run.recommend([3], k=5).items


def test_items_without_a_category_and_strangers_do_not_matter(run):
    plain = run.recommend([3], k=5)
    assert run.recommend([3], k=5, diversity=tacit.Diversity(9.0, {})).items == plain.items
    unknown = dict.fromkeys(range(100, 120), "x") | {0: None}
    assert run.recommend([3], k=5, diversity=tacit.Diversity(9.0, unknown)).items == plain.items


def test_it_goes_with_histories_and_lists(run):
    of = {item: item % 3 for item in range(40)}
    told = run.recommend(history=[1, 2], k=3, deny=[5], diversity=tacit.Diversity(1e3, of))
    assert sorted(of[item] for item in told.items[0]) == [0, 1, 2]
    assert 5 not in told.items[0]


def test_a_negative_coefficient_is_refused():
    with pytest.raises(OptionError, match="diversity must be at least 0"):
        tacit.Diversity(-1.0, {})


def test_the_verb_reads_categories_from_a_file(run, tmp_path: Path, capsys):
    run.save(tmp_path / "run")
    pq.write_table(
        pa.table({"item": range(40), "category": [i % 2 for i in range(40)]}), tmp_path / "c.parquet"
    )
    base = ["recommend", str(tmp_path / "run"), "--user", "3"]
    assert outcome([*base, "--categories", str(tmp_path / "c.parquet"), "--diversity", "1000"]) == 0
    assert outcome([*base, "--diversity", "1000"]) == 2
    assert "go together" in capsys.readouterr().err
    pq.write_table(pa.table({"item": [1, 1], "category": ["a", "b"]}), tmp_path / "d.parquet")
    assert outcome([*base, "--categories", str(tmp_path / "d.parquet"), "--diversity", "1"]) == 2
    assert "item 1 has the categories a and b: keep one" in capsys.readouterr().err
    pq.write_table(pa.table({"item": [1, 1]}), tmp_path / "e.parquet")
    assert outcome([*base, "--categories", str(tmp_path / "e.parquet"), "--diversity", "1"]) == 2
    assert "no column category" in capsys.readouterr().err
