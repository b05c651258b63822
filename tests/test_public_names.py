"""What is public is a decision: names, order, types and docstrings."""

import inspect
import subprocess
import sys
from typing import get_type_hints

import pytest

import tacit


def test_public_names_are_sorted_and_resolve() -> None:
    assert sorted(tacit.__all__) == tacit.__all__
    assert all(getattr(tacit, name) is not None for name in tacit.__all__)


def test_public_names_are_those_with_a_home() -> None:
    assert set(tacit.__all__) == set(tacit._HOME)


@pytest.mark.parametrize("name", tacit.__all__)
def test_public_names_have_docstring_and_types(name: str) -> None:
    thing = getattr(tacit, name)
    assert inspect.getdoc(thing)
    if inspect.isfunction(thing):
        signature = inspect.signature(thing)
        hints = get_type_hints(thing)
        assert set(signature.parameters) | {"return"} <= set(hints)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tacit.nothing


def test_import_alone_loads_nothing_heavy() -> None:
    code = "import sys, tacit; print(sorted({'torch', 'numba', 'duckdb', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
