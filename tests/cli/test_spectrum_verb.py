"""`tacit spectrum`: figures, charts, errors."""

from __future__ import annotations

from pathlib import Path

from helpers.command import Place, Tacit


def test_the_object_holds_every_side(tacit: Tacit, place: Place) -> None:
    found = tacit("spectrum", place.run, "--json").json
    assert set(found["spectrum"]) == {"users", "items", "both"}
    assert 1 <= found["spectrum"]["items"]["unit"]["effective_rank"] <= 8
    assert found["history"] == []


def test_the_table_is_for_people(tacit: Tacit, place: Place) -> None:
    told = tacit("spectrum", place.run)
    assert told.code == 0
    assert all(text in told.out for text in ("effective rank", "users, raw", "alignment"))


def test_the_drop_at_a_place_has_its_column(tacit: Tacit, place: Place) -> None:
    assert "drop at 3" in tacit("spectrum", place.run, "--at", 3).out
    assert tacit("spectrum", place.run, "--at", 3, "--json").json["spectrum"]["both"]["unit"]["drop"] >= 1


def test_a_place_beyond_the_spectrum_is_refused(tacit: Tacit, place: Place) -> None:
    told = tacit("spectrum", place.run, "--at", 9)
    assert told.code == 2
    assert "there are 8 singular values: choose one of them, not number 9" in told.err


def test_the_chart_is_an_svg(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    told = tacit("spectrum", place.run, "--plot", tmp_path / "s.svg")
    assert told.code == 0
    assert (tmp_path / "s.svg").read_text().startswith("<svg")


def test_a_log_of_spectra_gives_a_second_chart(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    train = place.split / "train.parquet"
    quick = ("--set", "training.epochs=2", "--set", "backbone.dim=4", "--set", "training.spectrum=1")
    assert tacit("fit", train, "--out", tmp_path / "run", *quick).code == 0
    assert tacit("spectrum", tmp_path / "run", "--plot", tmp_path / "s.svg").code == 0
    assert "epoch" in (tmp_path / "s-epochs.svg").read_text()


def test_another_kind_of_picture_is_refused(tacit: Tacit, place: Place, tmp_path: Path) -> None:
    told = tacit("spectrum", place.run, "--plot", tmp_path / "s.pdf")
    assert told.code == 2
    assert "ends in .svg" in told.err
