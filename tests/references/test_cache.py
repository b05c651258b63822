from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.tiny import random_data
from tacit.protocols import Queries
from tacit.references.cache import fitted
from tacit.references.ease import EASE
from tacit.references.graphfilter import GraphFilter
from tacit.references.ials import IALS
from tacit.references.itemknn import ItemKNN
from tacit.references.popular import Popular
from tacit.storage import lock

MODELS = [Popular(), ItemKNN(), EASE(), GraphFilter(rank=4), IALS(factors=4)]


class Unfit:
    """Options that fit no more: what comes back must come from the folder."""

    def __init__(self, options: Any) -> None:
        self.options = options

    def fit(self, data: Any) -> Any:
        raise AssertionError("fitted again")


@pytest.mark.parametrize("options", MODELS, ids=lambda options: type(options).__name__)
def test_a_kept_fit_answers_alike(options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(options, IALS):
        pytest.importorskip("implicit", reason="iALS comes with the extra `peers`")
    data = random_data(0)
    first, seconds = fitted("model", options, data, tmp_path)
    monkeypatch.setattr(type(options), "fit", Unfit(options).fit)
    second, said = fitted("model", options, data, tmp_path)
    everyone = Queries(np.arange(data.n_users), data.positives)
    np.testing.assert_array_equal(first.score(everyone), second.score(everyone))
    assert said == pytest.approx(seconds)


def test_other_options_or_data_are_fitted_anew(tmp_path: Path) -> None:
    data = random_data(0)
    one, _ = fitted("model", ItemKNN(k=3), data, tmp_path)
    two, _ = fitted("model", ItemKNN(k=6), data, tmp_path)
    assert len(one.weights) < len(two.weights)
    three, _ = fitted("model", ItemKNN(k=6), random_data(1), tmp_path)
    assert not np.array_equal(two.positives.indices, three.positives.indices)


def test_a_damaged_fit_is_fitted_anew(tmp_path: Path) -> None:
    data = random_data(0)
    first, _ = fitted("model", ItemKNN(), data, tmp_path)
    next((tmp_path / "references" / "model").glob("*.safetensors")).write_bytes(b"cut")
    second, _ = fitted("model", ItemKNN(), data, tmp_path)
    np.testing.assert_array_equal(first.weights, second.weights)


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    fitted("model", Popular(), random_data(0), None)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_into_a_run_folder_that_another_holds(tmp_path: Path) -> None:
    with lock(tmp_path):
        fitted("model", Popular(), random_data(0), tmp_path)
    assert not (tmp_path / "references").exists()
