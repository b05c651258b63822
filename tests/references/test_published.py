"""Published figures on the published split of Gowalla; masked are training pairs only."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers.tiny import Tiny
from tacit.evaluation.evaluate import evaluate
from tacit.references.graphfilter import GraphFilter
from tacit.references.itemknn import ItemKNN
from tacit.sparse import CSR

ROOT = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FOLDER = Path(os.environ.get("TACIT_DATA", ROOT)) / "gowalla"
USERS, ITEMS = 29_858, 40_981

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason="gowalla is absent (TACIT_DATA names the folder of datasets)"
    ),
]


@pytest.fixture(scope="module")
def gowalla() -> tuple[Tiny, CSR]:
    train, test = (pq.read_table(FOLDER / f"{part}.parquet") for part in ("train", "test"))
    data = Tiny(train["user"].to_numpy(), train["item"].to_numpy(), USERS, ITEMS)
    truth = CSR.from_pairs(test["user"].to_numpy(), test["item"].to_numpy(), USERS, ITEMS)
    return data, truth


def figures(options: ItemKNN | GraphFilter, gowalla: tuple[Tiny, CSR]) -> tuple[float, float]:
    data, truth = gowalla
    metrics = ("recall", "ndcg")
    report = evaluate(options.fit(data), truth=truth, seen=data.positives, ks=(20,), metrics=metrics)
    recall, ndcg = (report.metrics[f"{name}@20"].mean for name in metrics)
    assert report.users == USERS
    return recall, ndcg


def test_plain_cosine_neighbours(gowalla: tuple[Tiny, CSR]) -> None:
    recall, ndcg = figures(ItemKNN(k=100, shrink=30, user_weight=0), gowalla)
    assert recall == pytest.approx(0.1570, rel=0.03)
    assert ndcg == pytest.approx(0.1214, rel=0.03)


def test_neighbours_as_they_come(gowalla: tuple[Tiny, CSR]) -> None:
    recall, ndcg = figures(ItemKNN(), gowalla)
    assert recall > 0.175
    assert ndcg > 0.142


@pytest.mark.slow
def test_graph_filter(gowalla: tuple[Tiny, CSR]) -> None:
    recall, ndcg = figures(GraphFilter(), gowalla)
    assert recall > 0.1849
    assert ndcg > 0.1518
