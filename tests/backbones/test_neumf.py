"""NeuMF: what it computes, by hand and longhand, and its way from a log to recommendations."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tacit
from helpers.logs import random_log
from helpers.tiny import random_data, seeded
from longhand.neumf import score
from tacit.backbones.neumf import NeuMF, NeuMFConfig
from tacit.errors import OptionError, SchemeError

DATA = random_data(1)
SMALL = {"dim": 4, "hidden": (8, 4)}


def randomised(**options: Any) -> NeuMF:
    backbone = NeuMFConfig(**{**SMALL, **options}).build(DATA, seeded())
    with torch.no_grad():
        for index, parameter in enumerate(backbone.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(index)))
    return backbone


def test_a_score_worked_by_hand():
    backbone = NeuMFConfig(dim=2, perceptron_dim=1, hidden=(2, 1)).build(DATA, seeded()).eval()
    values = {
        "user_table": [[1.0, 2.0]],
        "item_table": [[0.5, -1.0]],
        "user_inputs": [[2.0]],
        "item_inputs": [[-1.0]],
    }
    with torch.no_grad():
        for name, rows in values.items():
            getattr(backbone, name)[:1] = torch.tensor(rows)
        backbone.weights[0].copy_(torch.tensor([[1.0, 0.5], [-1.0, 1.0]]))
        backbone.biases[0].copy_(torch.tensor([0.5, 1.0]))
        backbone.weights[1].copy_(torch.tensor([[2.0, 3.0]]))
        backbone.biases[1].copy_(torch.tensor([-1.0]))
        backbone.head.copy_(torch.tensor([1.0, 0.25, 0.1]))
        backbone.intercept.copy_(torch.tensor([0.2]))
    # products (.5, -2); layer (2 - .5 + .5, -2 - 1 + 1) -> (2, 0); 4 - 1 = 3; .5 - .5 + .3 + .2
    found = backbone.score(torch.tensor([0]), torch.tensor([[0]]))
    torch.testing.assert_close(found, torch.tensor([[0.5]]))


@pytest.mark.parametrize("hidden", [(8,), (8, 4), (6, 5, 3)], ids=str)
@pytest.mark.parametrize("inputs", [None, 3])
def test_scores_agree_with_their_longhand_twin(hidden, inputs):
    backbone = randomised(hidden=hidden, perceptron_dim=inputs).eval()
    users, items = torch.tensor([2, 9]), torch.tensor([[0, 4, 19], [7, 7, 1]])
    found = backbone.score(users, items)
    parameters = {name: value.tolist() for name, value in backbone.named_parameters()}
    for query, user in enumerate(users.tolist()):
        expected = [score(parameters, user, item) for item in items[query].tolist()]
        assert found[query].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_dropout_acts_in_training_alone():
    backbone = randomised(dropout=0.5)
    users, items = torch.tensor([2, 9]), torch.tensor([[0, 4], [7, 1]])
    assert not torch.equal(backbone.score(users, items), backbone.score(users, items))
    backbone.eval()
    assert torch.equal(backbone.score(users, items), backbone.score(users, items))


def test_without_dropout_training_scores_as_serving_does():
    backbone = randomised(dropout=0.0)
    users, items = torch.tensor([2, 9]), torch.tensor([[0, 4], [7, 1]])
    assert torch.equal(backbone.score(users, items), backbone.eval().score(users, items))


def test_scale_is_the_spread_of_the_start_of_all_four_tables():
    backbone = NeuMFConfig(dim=200, scale=0.3).build(DATA, seeded())
    for table in (backbone.user_table, backbone.item_table, backbone.user_inputs, backbone.item_inputs):
        assert table.std().item() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 0}, r"backbone\.dim must be at least 1, not 0"),
        ({"perceptron_dim": 0}, r"backbone\.perceptron_dim must be at least 1, not 0"),
        ({"hidden": ()}, r"backbone\.hidden .* at least one layer, not \[\]: without a perceptron use gmf"),
        ({"hidden": (8, 0)}, r"backbone\.hidden .* not \[8, 0\]"),
        ({"dropout": 1.0}, r"backbone\.dropout is a share in \[0, 1\), not 1\.0"),
    ],
)
def test_bad_options_are_refused(options, said):
    with pytest.raises(OptionError, match=said):
        NeuMFConfig(**options)


SHORT = tacit.TrainingOptions(epochs=2, batch_size=256)


@pytest.mark.parametrize("scheme", [None, "bpr", "idl", "idl-ig", "sampled-softmax"])
def test_it_goes_from_a_log_to_recommendations(scheme, tmp_path):
    config = NeuMFConfig(**SMALL) if scheme is not None else "neumf"
    preset = None if scheme is None else scheme
    run = tacit.fit(random_log(), backbone=config, scheme=preset, training=SHORT, out=tmp_path / "run")
    judged = tacit.evaluate(run, random_log(200, seed=5), ks=(5,), references=False)
    assert judged.report.users > 0
    best = run.recommend([0, 7], k=4)
    assert best.scores[1] == pytest.approx(run.score([7] * 4, best.items[1]), rel=1e-4)
    again = tacit.load(tmp_path / "run")
    assert again.backbone.weights[0].shape == run.backbone.weights[0].shape
    assert again.recommend([0, 7], k=4).items == best.items


def test_a_run_goes_on_from_an_earlier_one(tmp_path):
    options: dict[str, Any] = {"backbone": NeuMFConfig(**SMALL), "scheme": "bce", "training": SHORT}
    tacit.fit(random_log(), out=tmp_path / "first", **options)
    more = random_log(users=70, items=45, seed=3)
    second = tacit.fit(more, start=tmp_path / "first", **options)
    assert second.recommend([65], k=3).items[0]


def test_it_cannot_start_from_factors():
    with pytest.raises(OptionError, match="NeuMF cannot start from factors: drop start, or use mf"):
        tacit.fit(random_log(), backbone="neumf", start="ials", training=SHORT)


def test_a_preset_with_l2_is_refused_with_the_mend():
    with pytest.raises(SchemeError, match=r"EmbeddingNorm needs vectors, and NeuMF .* \(l2 = 0\)"):
        tacit.fit(random_log(), backbone="neumf", scheme=tacit.bce(l2=0.1), training=SHORT)


def test_it_has_no_similar_items():
    run = tacit.fit(random_log(), backbone=NeuMFConfig(**SMALL), scheme="bce", training=SHORT)
    with pytest.raises(OptionError, match="NeuMF scores pairs and has no item vectors"):
        run.similar_items(3)
