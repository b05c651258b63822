from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.sequences import history_of
from helpers.tiny import random_data, seeded
from longhand import sasrec as longhand
from tacit.backbones.packing import Packed
from tacit.backbones.sasrec import Block, SASRecConfig
from tacit.errors import OptionError

EPS = 1e-5
LISTS = st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=6), min_size=1, max_size=4)


def randomised(config: SASRecConfig):
    backbone = config.build(random_data(0), seeded()).eval().double()
    with torch.no_grad():
        for index, parameter in enumerate(backbone.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(index)))
    return backbone


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("heads", [1, 2])
def test_equals_its_longhand_twin(norm, activation, heads):
    backbone = randomised(SASRecConfig(dim=4, length=6, norm=norm, activation=activation, heads=heads))
    state = {name: value.tolist() for name, value in backbone.state_dict().items()}
    lists = [[3, 1, 4, 1, 5], [9, 2], [6]]
    found = backbone.encode(history_of(lists)).queries[:, 0].tolist()
    expected = [
        row
        for items in lists
        for row in longhand.sasrec(
            state, items, heads=heads, pre=norm == "pre", relu=activation == "relu", eps=EPS
        )
    ]
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=0, atol=1e-6)


@given(LISTS, st.integers(0, 99))
def test_equals_its_longhand_twin_on_random_sequences(lists, seed):
    backbone = randomised(SASRecConfig(dim=4, length=6, blocks=1))
    with torch.no_grad():
        backbone.items.copy_(torch.randn(backbone.items.shape, generator=seeded(seed)))
    state = {name: value.tolist() for name, value in backbone.state_dict().items()}
    found = backbone.encode(history_of(lists)).queries[:, 0]
    expected = [
        row
        for items in lists
        for row in longhand.sasrec(state, items, heads=2, pre=True, relu=False, eps=EPS)
    ]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-9)


def test_attention_of_the_worked_example():
    """R11 of the specification: one head, identity for queries, keys and values, the padded row left out."""
    block = Block(SASRecConfig(dim=2, heads=1), seeded()).eval().double()
    with torch.no_grad():
        block.project.weight.copy_(torch.eye(2).repeat(3, 1))
        block.merge.weight.copy_(torch.eye(2))
    packed = Packed.of(history_of([[0, 1]]))
    mixed = block._attention(torch.eye(2, dtype=torch.float64), packed)
    expected = torch.tensor([[1, 0], [0.330238, 0.669762]], dtype=torch.float64)
    torch.testing.assert_close(mixed, expected, rtol=0, atol=1e-6)


def test_gelu_of_the_worked_example():
    found = torch.nn.functional.gelu(torch.tensor([-1, 0.5, 2], dtype=torch.float64))
    expected = torch.tensor([-0.158655, 0.345731, 1.954500], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert longhand.gelu(0.5) == pytest.approx(0.345731, abs=1e-6)


def test_layer_norm_of_the_worked_example():
    found = longhand.layer_norm([1, 2, 4], [1, 1, 1], [0, 0, 0], 1e-12)
    assert found == pytest.approx([-1.069045, -0.267261, 1.336306], abs=1e-6)


def test_gradients_agree_with_finite_differences():
    backbone = randomised(SASRecConfig(dim=2, length=4, blocks=1, heads=1, inner=3))
    history = history_of([[1, 2, 3], [4]])
    loss = backbone.encode(history).queries.tanh().sum()
    loss.backward()
    for name, parameter in backbone.named_parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.to_dense().view(-1)
        for place in range(0, len(flat), max(len(flat) // 5, 1)):
            kept, values = float(flat[place]), []
            for step in (1e-6, -1e-6):
                flat[place] = kept + step
                values.append(float(backbone.encode(history).queries.detach().tanh().sum()))
            flat[place] = kept
            assert (values[0] - values[1]) / 2e-6 == pytest.approx(float(gradient[place]), abs=1e-6), name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"heads": 3}, "must divide"),
        ({"dropout": 1.0}, "share in"),
        ({"length": 0}, "backbone.length"),
        ({"inner": 0}, "backbone.inner"),
    ],
)
def test_refuses_options_out_of_range(options, said):
    with pytest.raises(OptionError, match=said):
        SASRecConfig(**options)


def test_weights_of_attention_are_left_out_in_training_where_asked():
    backbone = SASRecConfig(dim=4, length=6, dropout=0.0, attention_dropout=0.5).build(
        random_data(0), seeded()
    )
    history = history_of([[3, 1, 4, 1, 5]])
    served = backbone.eval().encode(history).queries
    torch.manual_seed(0)
    assert not torch.allclose(backbone.train().encode(history).queries, served)
