"""DirectSpec and DirectSpec+ against worked examples, a longhand twin, and the limits where they vanish."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.tiny import batch_of, random_data, tiny
from longhand import balance as longhand
from tacit.data.graph import bipartite
from tacit.errors import OptionError
from tacit.evaluation.spectrum import spectrum_of
from tacit.kernels.balance import Heat, softmax_means
from tacit.kernels.propagate import layer_mean
from tacit.parts.objectives import PositiveOnly
from tacit.schemes.directspec import DirectSpec, all_pass, directspec, directspec_plus
from tacit.scoring import LocalItems, TableItems, local_rows, score
from tacit.types import Candidates, Encoded

USERS = [[3.0, 4.0], [4.0, 3.0], [0.0, 2.0]]
ITEMS = [[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0]]
PLUS = DirectSpec("softmax", 0.8, 3.0)
SHARED = tiny([(0, 0), (0, 1), (1, 1), (1, 2), (2, 3)], 3, 4)  # who shares a neighbour in 8.3
TALL = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
PATH = bipartite(tiny([(0, 0), (1, 0), (1, 1)], 2, 2).positives)


def unit(rows: Any) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float64), dim=1)


def weights(x: torch.Tensor, heat: Heat) -> torch.Tensor:
    """W of (5): how much the mean of each row moves with each row while the weights are held."""
    moved = torch.autograd.functional.jacobian(lambda rows: softmax_means(rows, heat, detach=True), x)
    return moved[:, 0, :, 0]


def near(found: torch.Tensor, wanted: Any, scale: float = 1.0) -> bool:
    return bool((found * scale - torch.tensor(wanted, dtype=torch.float64)).abs().max() <= 1e-6)


class Balanced:
    """A batch sent through the transform and the positive-only loss."""

    def __init__(
        self,
        part: DirectSpec,
        users: Any = USERS,
        items: Any = ITEMS,
        pairs: list[tuple[int, int]] | None = None,
        others: list[list[int]] | None = None,
    ) -> None:
        self.leaves = [torch.tensor(rows, dtype=torch.float64).requires_grad_() for rows in (users, items)]
        pairs = pairs if pairs is not None else [(row, row) for row in range(len(users))]
        batch = batch_of([user for user, _ in pairs], [item for _, item in pairs])
        drawn = torch.tensor(others or [[]] * len(pairs), dtype=torch.int64).view(len(pairs), -1)
        candidates = Candidates(batch.targets, drawn, torch.zeros(drawn.shape))
        queries = self.leaves[0][batch.users][:, None]
        plain = Encoded(queries, TableItems(self.leaves[1]), base=(queries, TableItems(self.leaves[1])))
        local, candidates = local_rows(plain, candidates)
        self.encoded = part(local, batch, candidates)
        assert isinstance(self.encoded.items, LocalItems)
        assert candidates.slots is not None
        self.queries = self.encoded.queries[:, 0]
        self.items = self.encoded.items.vectors[candidates.slots[0]]
        self.scored = score(self.encoded, candidates, batch, PositiveOnly())
        self.loss = PositiveOnly()(self.scored).labelled.mean()

    def gradients(self) -> tuple[torch.Tensor, ...]:
        return tuple(gradient.to_dense() for gradient in torch.autograd.grad(self.loss, self.leaves))


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (USERS,
         [[0.410554, 0.364129, 0.225317], [0.405335, 0.457014, 0.137650], [0.296654, 0.162807, 0.540539]]),
        (ITEMS,
         [[0.703582, 0.292219, 0.004199], [0.283480, 0.682539, 0.033982], [0.005653, 0.047158, 0.947189]]),
    ],
    ids=["users", "items"],
)  # fmt: skip
def test_example_8_1_weights(rows, wanted):
    assert near(weights(unit(rows), Heat(3.0)), wanted)


def test_example_8_1_filtered_rows():
    found = Balanced(PLUS)
    assert near(found.queries, [[0.169891, 0.182210], [0.312950, 0.011098], [-0.246591, 0.299563]])
    assert near(found.items, [[0.274206, -0.167680], [0.113444, 0.301782], [-0.202494, 0.144619]])


def test_example_8_1_scores_and_loss():
    found = Balanced(PLUS)
    assert near(found.scored.scores[:, 0], [0.016032, 0.038851, 0.093256])
    assert near(found.loss, 0.668893)


def test_example_8_1_gradients():
    users, items = Balanced(PLUS).gradients()
    assert near(users, [[-0.004815, 0.003611], [0.003483, -0.004644], [0.003649, 0]])
    assert near(items, [[0, -0.003144], [0.001994, -0.001994], [-0.006681, -0.006681]])


def test_example_8_1_gradients_with_detached_weights():
    users, items = Balanced(replace(PLUS, detach=True)).gradients()
    assert near(users, [[-0.007951, 0.005963], [0.003294, -0.004392], [0.014238, 0]])
    assert near(items, [[0, -0.012542], [-0.009244, 0.009244], [-0.000143, -0.000143]])


def test_example_8_2_filtered_rows():
    found = Balanced(DirectSpec("softmax", 1.0, 3.0))
    assert near(found.queries, [[0.062364, 0.027762], [0.191187, -0.136127], [-0.308238, 0.124454]])
    assert near(found.items, [[0.092757, -0.209599], [-0.034972, 0.200450], [-0.076341, 0.003997]])


def test_example_8_2_rows_times_their_norm():
    found = Balanced(DirectSpec("softmax", 1.0, 3.0, shrink=0.03))
    users = [[0.127718, 0.056856], [1.346137, -0.958463], [-3.073886, 1.241106]]
    items = [[0.637819, -1.441249], [-0.213481, 1.223618], [-0.175080, 0.009167]]
    assert near(found.queries, users, 1e3)
    assert near(found.items, items, 1e3)


def test_example_8_2_loss_and_gradients():
    found = Balanced(DirectSpec("softmax", 1.0, 3.0, shrink=0.03))
    users, items = found.gradients()
    assert found.loss.item() == pytest.approx(0.6931473324, abs=1e-10)
    assert near(found.scored.scores[:, 0], [-0.000482, -1.460167, 0.549552], 1e6)
    assert near(users, [[-0.160661, 0.120496], [0.119127, -0.158836], [0.123314, 0]], 1e6)
    assert near(items, [[0, 0.222913], [0.355210, -0.355210], [-0.361364, -0.361364]], 1e6)


@pytest.mark.parametrize(
    ("side", "ids", "rows", "wanted"),
    [
        (0, [0, 1, 2], USERS,
         [[0.355913, 0.322043, 0.322043], [0.376792, 0.416420, 0.206788], [0.376792, 0.206788, 0.416420]]),
        (1, [0, 1, 3], ITEMS,
         [[0.670838, 0.322562, 0.006601], [0.307651, 0.639828, 0.052520], [0.009011, 0.075175, 0.915814]]),
    ],
    ids=["users", "items"],
)  # fmt: skip
def test_example_8_3_temperatures_and_weights(side, ids, rows, wanted):
    part = DirectSpec("softmax", 1.0, 3.0, gap=0.5).bind(SHARED)
    heat = part._heat(3, torch.tensor(ids), side)
    assert near(heat.of(slice(0, 3), torch.float64), [[2.5, 2.5, 3], [2.5, 2.5, 3], [3, 3, 2.5]])
    assert near(weights(unit(rows), heat), wanted)


def test_example_8_3_two_temperatures_by_cooccurrence():
    part = DirectSpec("softmax", 1.0, 3.0, gap=0.5).bind(SHARED)
    found = Balanced(part, USERS, [*ITEMS[:2], [9.0, 9.0], ITEMS[2]], [(0, 0), (1, 1), (2, 3)])
    users, items = found.gradients()
    assert near(found.scored.scores[:, 0], [0.013622, -0.038200, 0.048652])
    assert near(found.loss, 0.689302)
    assert near(users, [[-0.003805, 0.002854], [0.002930, -0.003906], [0.002800, 0]])
    assert near(items[[0, 1, 3]], [[0, 0.000255], [0.011275, -0.011275], [-0.014264, -0.014264]])


@pytest.mark.parametrize(
    ("alpha", "steps"),
    [
        (0.05, [(1.6, 0.95), (1.395200, 0.907131), (1.259406, 0.869808)]),
        (0.1, [(1.2, 0.9), (1.027200, 0.827100), (0.918816, 0.770519)]),
    ],
)
def test_example_8_4_singular_values_shrink_by_one_minus_alpha_sigma_squared(alpha, steps):
    x = TALL
    for wanted in steps:
        x = all_pass(x, alpha)
        assert near(torch.linalg.svdvals(x), wanted)


def test_example_8_4_condition_number_falls():
    x, found = TALL, []
    for _ in range(4):
        found.append(spectrum_of(x.numpy()).condition_number)
        x = all_pass(x, 0.05)
    assert found == pytest.approx([2, 1.684211, 1.538035, 1.447913], abs=1e-6)


def test_example_8_4_users_of_8_1():
    x = unit(USERS)
    assert near(all_pass(x, 0.2), [[0.3264, 0.3648], [0.5248, 0.2064], [-0.192, 0.6]])


def test_example_8_4_singular_values_of_the_users():
    x = unit(USERS)
    before, after = torch.linalg.svdvals(x), torch.linalg.svdvals(all_pass(x, 0.2))
    assert near(before, [1.606986, 0.646216])
    assert near(after, [0.777008, 0.592245])
    assert torch.allclose(after, before * (1 - 0.2 * before**2), atol=1e-12)


def test_example_8_4_singular_values_of_the_softmax_form():
    assert near(torch.linalg.svdvals(Balanced(PLUS).queries), [0.454198, 0.323068])


def powers(table: torch.Tensor) -> torch.Tensor:
    """(I + A + A^2 + A^3) table, as LightGCN propagates it."""
    return 4 * layer_mean(PATH, table, 3)


POWERS = [
    [1.5, 0.353553, 1.237437, 0.25],
    [0.353553, 1.75, 1.125, 1.237437],
    [1.237437, 1.125, 1.75, 0.353553],
    [0.25, 1.237437, 0.353553, 1.5],
]


def test_example_8_7_eigenvalues_of_the_graph():
    one = torch.eye(4, dtype=torch.float64)
    assert near(torch.linalg.eigvalsh(2 * layer_mean(PATH, one, 1) - one), [-1, -0.5, 0.5, 1])


def test_example_8_7_powers_of_the_graph_in_value_and_gradient():
    one = torch.eye(4, dtype=torch.float64)
    assert near(powers(one), POWERS)
    assert near(torch.autograd.functional.jacobian(powers, one[:, :1])[:, 0, :, 0], POWERS)


def test_example_8_7_a_low_pass_filter_collapses_the_rows():
    x = torch.tensor([[1.0, 0], [0, 1], [1, 1], [1, -1]], dtype=torch.float64)
    found = {}
    for step in range(81):
        found[step] = spectrum_of(x.numpy()).effective_rank
        x = layer_mean(PATH, x, 1) + x / 2
    assert [found[step] for step in (0, 5, 20, 80)] == pytest.approx(
        [2, 1.313951, 1.033010, 1.000002], abs=1e-6
    )


def weight_on_itself(temperature: float | None, batch: int) -> float:
    """Of a row at right angles to all others of the batch."""
    axes, pairs = [[1.0, 0.0], [0.0, 1.0]], [(0, 0)] + [(1, 1)] * (batch - 1)
    return 1 - Balanced(DirectSpec("softmax", 1.0, temperature), axes, axes, pairs).queries[0, 0].item()


@pytest.mark.parametrize(
    ("batch", "wanted"), [(256, 0.073016), (512, 0.037820), (1024, 0.019256), (4096, 0.004881)]
)
def test_the_weight_of_a_row_on_itself_falls_with_the_batch(batch, wanted):
    assert weight_on_itself(3.0, batch) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("batch", [256, 512, 1024, 4096])
def test_under_the_default_temperature_the_weight_of_a_row_on_itself_stays(batch):
    assert weight_on_itself(None, batch) == pytest.approx(0.073016, abs=3e-4)


def test_linear_form_divides_alpha_by_the_rows():
    found = Balanced(DirectSpec("linear", 0.6))
    assert torch.allclose(found.queries, all_pass(unit(USERS), 0.2), atol=1e-15)


rows = st.lists(
    st.lists(st.floats(-2, 2).filter(lambda value: abs(value) > 0.05), min_size=3, max_size=3),
    min_size=2,
    max_size=6,
)


@given(
    rows, rows, st.floats(0, 1.5), st.floats(0, 6), st.sampled_from([0.0, 0.5]), st.sampled_from([0.0, 0.3])
)
def test_softmax_form_agrees_with_loops(users, items, alpha, temperature, gap, shrink):
    n, gap = min(len(users), len(items)), min(gap, temperature)
    data = tiny([(row, (row + shift) % n) for row in range(n) for shift in (0, 1)], n, n)
    part = DirectSpec("softmax", alpha, temperature, gap, shrink=shrink).bind(data)

    def heat(i: int, j: int) -> float:
        return temperature - (gap if min((i - j) % n, (j - i) % n) <= 1 else 0.0)

    sides = [[longhand.unit(row) for row in side[:n]] for side in (users, items)]
    wanted = [longhand.scaled(longhand.softmax(side, alpha, heat), shrink) for side in sides]
    found = Balanced(part, users[:n], items[:n])
    assert torch.allclose(found.queries, torch.tensor(wanted[0], dtype=torch.float64), atol=1e-9)
    assert torch.allclose(found.items, torch.tensor(wanted[1], dtype=torch.float64), atol=1e-9)
    assert found.loss.item() == pytest.approx(longhand.loss(*wanted), abs=1e-9)


@given(rows, st.floats(0, 1.5), st.integers(1, 3))
def test_linear_form_agrees_with_loops(users, alpha, iterations):
    wanted = [longhand.unit(row) for row in users]
    for _ in range(iterations):
        wanted = longhand.linear(wanted, alpha / len(users))
    found = Balanced(DirectSpec("linear", alpha, iterations=iterations), users, users)
    assert torch.allclose(found.queries, torch.tensor(wanted, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize("form", ["linear", "softmax"])
def test_without_strength_rows_are_only_normalised(form):
    found = Balanced(DirectSpec(form, 0.0))
    assert torch.allclose(found.queries, torch.nn.functional.normalize(found.leaves[0], dim=1))


def test_at_temperature_nought_the_mean_is_taken_out():
    found = Balanced(DirectSpec("softmax", 0.7, 0.0))
    x = torch.nn.functional.normalize(found.leaves[0], dim=1)
    assert torch.allclose(found.queries, x - 0.7 * x.mean(0))


def test_at_an_endless_temperature_a_row_meets_only_itself():
    found = Balanced(DirectSpec("softmax", 0.7, 5000.0))
    assert torch.allclose(found.queries, 0.3 * torch.nn.functional.normalize(found.leaves[0], dim=1))


@pytest.mark.parametrize("part", [PLUS, DirectSpec("linear", 0.8), replace(PLUS, shrink=0.1)], ids=str)
def test_the_length_of_a_row_does_not_matter(part):
    longer = [[5 * value for value in row] for row in USERS]
    assert torch.allclose(Balanced(part).queries, Balanced(part, longer).queries)


def test_gradient_is_orthogonal_to_the_row():
    found = Balanced(PLUS)
    for gradient, leaf in zip(found.gradients(), found.leaves, strict=True):
        assert (gradient * leaf).sum(1).abs().max() < 1e-12


@pytest.mark.parametrize(
    "part",
    [
        PLUS,
        DirectSpec("softmax", 0.9, 2.0, shrink=0.3, iterations=2),
        DirectSpec("linear", 0.8, iterations=2),
    ],
    ids=["softmax", "twice", "linear"],
)
def test_gradient_agrees_with_finite_differences(part):
    def value(users: torch.Tensor) -> torch.Tensor:
        return Balanced(part, users.tolist()).loss

    found = Balanced(part)
    analytic, numeric = found.gradients()[0], torch.zeros(3, 2, dtype=torch.float64)
    for row in range(3):
        for axis in range(2):
            moved = torch.zeros(3, 2, dtype=torch.float64)
            moved[row, axis] = 1e-6
            numeric[row, axis] = (value(found.leaves[0] + moved) - value(found.leaves[0] - moved)) / 2e-6
    assert torch.allclose(analytic, numeric, atol=1e-8)


REPEATED = [(0, 0), (0, 1), (1, 1), (2, 2)]


def test_repeats_count_as_often_as_they_stand():
    found = Balanced(PLUS, pairs=REPEATED)
    twice = Balanced(PLUS, [USERS[0], *USERS], [*ITEMS[:2], *ITEMS[1:]])
    assert torch.allclose(found.queries, twice.queries)
    assert torch.allclose(found.items, twice.items)
    assert torch.allclose(found.loss, twice.loss)


def test_repeats_can_count_once():
    found = Balanced(replace(PLUS, repeats="once"), pairs=REPEATED)
    alone = Balanced(PLUS)
    assert torch.allclose(found.queries, alone.queries[[0, 0, 1, 2]])
    assert torch.allclose(found.items, alone.items[[0, 1, 1, 2]])


def test_candidates_are_normalised_and_no_more_over_targets():
    found = Balanced(PLUS, items=[*ITEMS, [3.0, 4.0]], others=[[3], [3], [3]])
    assert isinstance(found.encoded.items, LocalItems)
    assert near(found.encoded.items.vectors[3], [0.6, 0.8])
    assert torch.allclose(found.items, Balanced(PLUS).items)


def test_candidates_are_balanced_with_the_targets_over_all():
    found = Balanced(replace(PLUS, over="all"), items=[*ITEMS, [3.0, 4.0]], others=[[3], [3], [3]])
    counted = Balanced(PLUS, [*USERS, *USERS], [*ITEMS, *[[3.0, 4.0]] * 3])
    assert torch.allclose(found.items, counted.items[:3])


@pytest.mark.parametrize(
    ("batch", "wanted"), [(256, 3.0), (1024, 3.0 + math.log(4)), (128, 3.0 - math.log(2))]
)
def test_temperature_follows_the_batch(batch, wanted):
    users = torch.randn(batch, 3, generator=torch.Generator().manual_seed(0)).tolist()
    by_size, named = (
        Balanced(DirectSpec("softmax", 0.8, temperature), users, users) for temperature in (None, wanted)
    )
    assert torch.allclose(by_size.queries, named.queries)


def test_presets_hold_their_parts():
    assert directspec(alpha=0.5).transforms == (DirectSpec("linear", 0.5),)
    assert directspec_plus(temperature=4.0, gap=0.5).transforms == (DirectSpec("softmax", 0.8, 4.0, 0.5),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": 0}, "iterations must be at least 1, not 0"),
        ({"gap": -1.0}, "gap and shrink must not be negative"),
        ({"form": "linear", "gap": 0.5}, "linear form has no temperature"),
    ],
    ids=str,
)
def test_refuses_options_without_meaning(options, message):
    with pytest.raises(OptionError, match=message):
        DirectSpec(**options)


def test_binding_builds_no_square_matrix():
    part = DirectSpec("softmax", gap=0.5).bind(random_data(0))
    assert part._related is not None
    assert max(side._matrix.nnz for side in part._related) == len(random_data(0).positives.indices)


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": math.nan},
        {"temperature": -2.0},
        {"temperature": 1.0, "gap": 2.0},
    ],
    ids=repr,
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(OptionError):
        DirectSpec(**options)


@pytest.mark.parametrize("n", [1, 5, 12])
def test_the_default_temperature_of_a_short_batch_is_not_negative(n):
    rows = torch.randn(n, 3, generator=torch.Generator().manual_seed(n)).tolist()
    found = Balanced(DirectSpec(), rows, rows)
    assert torch.equal(found.queries, Balanced(DirectSpec(temperature=0.0), rows, rows).queries)


def test_a_gap_without_data_is_told():
    with pytest.raises(OptionError, match=r"call bind\(data\) first"):
        Balanced(DirectSpec(gap=0.5), USERS, USERS)
