"""The list of options: whole, with a meaning each, valid as a configuration, and its page current."""

from __future__ import annotations

import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from helpers.command import Tacit
from tacit.cli import config, names
from tacit.cli.options import listing, options, page
from tacit.defaults import RATES, TABLE

PAGE = Path(__file__).parents[2] / "docs" / "options.md"
UNIONS = (names.Backbone, names.SchemeChoice, names.AlsoPart)
KINDS = [kind for union in UNIONS for kind in names.members(union).values()]
SECTIONS = [type(value) for value in vars(config.read()).values() if is_dataclass(value)]


@pytest.mark.parametrize("kind", [*KINDS, *SECTIONS], ids=lambda kind: kind.__name__)
def test_every_option_has_a_meaning(kind: type) -> None:
    found = options(kind)
    public = [field.name for field in fields(kind) if field.init and not field.name.startswith("_")]
    assert [option.name for option in found] == public
    assert not [option.name for option in found if not option.meaning and option.name != "use"]


def test_values_of_the_table_are_listed() -> None:
    said = {f"{section}.{option.name}": option.value for section, option in listing(config.read())}
    table = TABLE["mf", "sampled-softmax"]
    assert said["training.epochs"] == table.epochs
    assert said["scheme.temperature"] == table.scheme["temperature"]
    assert (said["optimizer.use"], said["optimizer.rate"]) == (table.optimizer, table.rate)
    assert said["optimizer.decay"] == table.decay


def test_another_optimiser_is_listed_with_its_own_rate() -> None:
    found = listing(config.read(settings=["optimizer.use=adam"]))
    said = {option.name: option.value for section, option in found if section == "optimizer"}
    assert said == {"use": "adam", "rate": RATES["adam"], "decay": TABLE["mf", "sampled-softmax"].decay}


def test_the_listing_is_a_configuration(tacit: Tacit, tmp_path: Path) -> None:
    told = tacit("fit", "--options", "--backbone", "lightgcn", "--set", "training.epochs=7")
    assert (told.code, told.err) == (0, "")
    (tmp_path / "run.toml").write_text(told.out)
    assert tomllib.loads(told.out)["backbone"]["layers"] == 3
    again = config.read(tmp_path / "run.toml")
    assert (again.backbone.use, again.training.epochs) == ("lightgcn", 7)
    assert "# length of a user's and an item's vector" in told.out


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "run make docs"


@pytest.mark.parametrize(("scheme", "share"), [("bce", 0.0), ("idl", 0.0), ("idl-ig", 0.1)])
def test_the_share_of_meta_batches_is_listed_as_the_scheme_needs_it(scheme: str, share: float) -> None:
    said = {
        f"{section}.{option.name}": option.value for section, option in listing(config.read(scheme=scheme))
    }
    assert said["training.meta"] == share


def test_what_is_set_to_nothing_is_listed_so() -> None:
    found = listing(config.read(scheme="idl-ig", settings=["training.meta=0.0"]))
    assert ("training", 0.0) in [
        (section, option.value) for section, option in found if option.name == "meta"
    ]
