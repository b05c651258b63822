from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.sequences import history_of
from helpers.tiny import random_data, seeded
from longhand import gru4rec as longhand
from tacit.backbones.gru4rec import GRU4RecConfig
from tacit.errors import OptionError

LISTS = st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=6), min_size=1, max_size=4)


def randomised(config: GRU4RecConfig, seed: int = 0):
    backbone = config.build(random_data(0), seeded()).eval().double()
    with torch.no_grad():
        for index, parameter in enumerate(backbone.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(index + seed)))
    return backbone


@given(LISTS, st.integers(0, 99), st.sampled_from([1, 2]), st.booleans())
def test_equals_its_longhand_twin(lists, seed, layers, bias):
    backbone = randomised(GRU4RecConfig(dim=3, length=6, hidden=4, layers=layers, bias=bias), seed)
    state = {name: value.tolist() for name, value in backbone.state_dict().items()}
    found = backbone.encode(history_of(lists)).queries[:, 0]
    expected = [row for items in lists for row in longhand.gru4rec(state, items, layers=layers, hidden=4)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-9)


def test_the_worked_example():
    """R9 of the specification: scalars, no biases."""
    backbone = GRU4RecConfig(dim=1, hidden=1, bias=False).build(random_data(0), seeded()).eval().double()
    with torch.no_grad():
        backbone.recurrent.weight_ih_l0.copy_(torch.tensor([[0.5], [-0.3], [0.8]]))
        backbone.recurrent.weight_hh_l0.copy_(torch.tensor([[0.1], [0.2], [-0.4]]))
        backbone.items[0], backbone.items[1] = 1.0, -0.5
        backbone.merge.weight.fill_(1.0)
    found = backbone.encode(history_of([[0, 1]])).queries.flatten()
    torch.testing.assert_close(found, torch.tensor([0.381451, 0.018430]).double(), rtol=0, atol=1e-6)


def test_its_gates_in_the_worked_example():
    none = [[0.0] * 3, [0.0] * 3]
    weights = [[0.5], [-0.3], [0.8]], [[0.1], [0.2], [-0.4]]
    first = longhand.cell([1.0], [0.0], *weights, none)
    second = longhand.cell([-0.5], first["h"], *weights, none)
    for step, expected in ((first, "0.622459 0.425557 0.664037"), (second, "0.447233 0.556332 -0.436775")):
        found = [step[gate][0] for gate in "rzn"]
        assert found == pytest.approx([float(value) for value in expected.split()], abs=1e-6)


def test_untied_it_scores_with_a_table_of_its_own():
    backbone = randomised(GRU4RecConfig(dim=3, hidden=4, tied=False))
    encoded = backbone.encode(history_of([[1, 2]]))
    assert torch.equal(encoded.items.table(), backbone.outputs)
    assert torch.equal(encoded.items.bias(None), backbone.biases[:, 0])


@pytest.mark.parametrize("options", [{"hidden": 0}, {"layers": 0}, {"dropout": -0.1}])
def test_refuses_options_out_of_range(options):
    with pytest.raises(OptionError, match=f"backbone.{next(iter(options))}"):
        GRU4RecConfig(**options)
