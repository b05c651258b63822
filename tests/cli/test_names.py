"""The unions are the lists of names: they hold what the folders hold, and nothing is nested in silence."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any, get_type_hints

import pytest

import tacit.backbones
import tacit.parts
import tacit.schemes
from helpers.tiny import random_data, seeded
from tacit.backbones.neumf import NeuMFConfig
from tacit.cli import fit, names
from tacit.defaults import KIN, TABLE
from tacit.errors import SchemeError
from tacit.parts.updates import Descent
from tacit.presets import IDLIGScheme
from tacit.protocols import UpdateRule
from tacit.schemes.plain import softmax
from tacit.training.step import Step

UNIONS = {"backbone": names.Backbone, "scheme": names.SchemeChoice, "also": names.AlsoPart}
MEMBERS = [(kind, name) for kind, union in UNIONS.items() for name in names.members(union)]


def classes(package: ModuleType) -> Iterator[type]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__ == found.name:
                yield thing


COMPOSED = {IDLIGScheme}  # of two methods, which do not know each other


@pytest.mark.parametrize(
    ("union", "package", "more"),
    [(names.Backbone, tacit.backbones, set()), (names.SchemeChoice, tacit.schemes, COMPOSED)],
)
def test_the_union_is_the_folder(union: Any, package: ModuleType, more: set[type]) -> None:
    there = {kind for kind in classes(package) if is_dataclass(kind) and hasattr(kind, "use")}
    assert set(names.members(union).values()) == there | more


def test_every_part_that_a_scheme_may_add_is_in_the_union() -> None:
    addable = {
        kind
        for package in (tacit.parts, tacit.schemes)
        for kind in classes(package)
        if getattr(kind, "slot", None) in ("transform", "refiner", "regulariser", "update")
    }
    addable -= {UpdateRule, Descent}  # what every scheme has
    assert set(names.members(names.AlsoPart).values()) == addable


@pytest.mark.parametrize("kind", ["backbone", "scheme"])
def test_names_are_those_of_the_fields(kind: str) -> None:
    for name, member in names.members(UNIONS[kind]).items():
        assert member().use == name


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_no_option_is_a_table_of_its_own(kind: str, name: str) -> None:
    """pydantic would accept unknown keys in it; the check of names looks at one level."""
    member = names.members(UNIONS[kind])[name]
    hints = get_type_hints(member)
    assert not any(
        is_dataclass(hints[option.name]) or hints[option.name] is dict for option in fields(member)
    )


@pytest.mark.parametrize("kind", ["backbone", "scheme"])
def test_help_names_them_all(kind: str) -> None:
    annotation = get_type_hints(fit.fit, include_extras=True)[kind]
    text = annotation.__metadata__[0].help
    assert all(name in text for name in names.members(UNIONS[kind]))


def test_every_pair_has_its_row_in_the_table_of_defaults() -> None:
    pairs = {(b, s) for b in names.members(names.Backbone) for s in names.members(names.SchemeChoice)}
    without_vectors = {
        ("neumf", scheme) for scheme in ("softmax", "directspec", "directspec-plus", "desorec")
    }
    with_kin = {(backbone, KIN.get(scheme, scheme)) for backbone, scheme in pairs}
    assert with_kin <= set(TABLE) | without_vectors
    assert set(TABLE) <= pairs


@pytest.mark.parametrize(("backbone", "scheme"), sorted(TABLE))
def test_every_row_of_the_table_of_defaults_can_be_built(backbone: str, scheme: str) -> None:
    table, data = TABLE[backbone, scheme], random_data(0)
    made = names.members(names.Backbone)[backbone](**table.backbone).build(data, seeded())
    preset = names.members(names.SchemeChoice)[scheme](**table.scheme)
    Step(made, preset.build().bind(data))


def test_a_scorer_of_pairs_and_the_catalogue_do_not_go_together() -> None:
    with pytest.raises(SchemeError, match="CatalogueSoftmax needs vectors, and NeuMF scores pairs"):
        softmax(similarity="dot").check(NeuMFConfig().build(random_data(0), seeded()))
