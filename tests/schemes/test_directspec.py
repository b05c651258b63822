"""DirectSpec and DirectSpec+ against worked examples, a longhand twin, and the limits where they vanish."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
import torch
from hypothesis import given, settings
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
        others: Any = None,
        valid: list[list[bool]] | None = None,
        people: list[int] | None = None,
        based: bool = True,
    ) -> None:
        self.leaves = [torch.tensor(rows, dtype=torch.float64).requires_grad_() for rows in (users, items)]
        pairs = pairs if pairs is not None else [(row, row) for row in range(len(users))]
        rows = torch.tensor([user for user, _ in pairs])
        batch = batch_of(rows.tolist() if people is None else people, [item for _, item in pairs])
        drawn = torch.tensor([[]] * len(pairs) if others is None else others, dtype=torch.int64)
        allowed = None if valid is None else torch.tensor(valid)
        candidates = Candidates(batch.targets, drawn, torch.zeros(drawn.shape), allowed)
        queries, table = self.leaves[0][rows][:, None], TableItems(self.leaves[1])
        plain = Encoded(queries, table, base=(queries, table) if based else None)
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


COORDINATES = st.sampled_from([-2.0, -1.1, -0.6, -0.05, 0.3, 0.9, 1.7])


@st.composite
def cases(draw: st.DrawFn, strongest: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the transform; a batch with repeats and candidates, some of them padding."""
    linear, size, pairs = draw(st.booleans()), draw(st.integers(2, 4)), draw(st.integers(2, 5))
    place = st.integers(0, size - 1)

    def grid(values: st.SearchStrategy[Any], rows: int, columns: int) -> Any:
        return draw(
            st.lists(st.lists(values, min_size=columns, max_size=columns), min_size=rows, max_size=rows)
        )

    options = {
        "form": "linear" if linear else "softmax",
        "alpha": draw(st.floats(0, strongest)),
        "temperature": None if linear else draw(st.none() | st.floats(0.5, 6)),
        "gap": 0.0 if linear else draw(st.sampled_from([0.0, 0.5])),
        "iterations": draw(st.integers(1, 3)),
        "detach": not linear and draw(st.booleans()),
        "repeats": draw(st.sampled_from(["keep", "once"])),
        "over": draw(st.sampled_from(["targets", "all"])),
        "shrink": draw(st.sampled_from([0.0, 0.3])),
    }
    batch = {"users": grid(COORDINATES, size, 3), "items": grid(COORDINATES, size, 3)}
    batch |= {"pairs": grid(place, pairs, 2), "others": grid(place, pairs, 2)}
    return options, batch | {"valid": grid(st.booleans(), pairs, 2)}


class ByHand:
    """The twins of both sides, and the part; users and items share a neighbour with the next on a ring."""

    def __init__(self, options: dict[str, Any], batch: dict[str, Any]) -> None:
        size = len(batch["users"])
        ring = tiny([(spot, (spot + shift) % size) for spot in range(size) for shift in (0, 1)], size, size)
        self.part, self.batch = DirectSpec(**options).bind(ring), batch
        side = longhand.Balance(
            linear=options["form"] == "linear",
            once=options["repeats"] == "once",
            related=lambda i, j: min((i - j) % size, (j - i) % size) <= 1,
            **{name: options[name] for name in ("alpha", "temperature", "gap", "iterations", "shrink")},
        )
        self.sides = [side, replace(side)]

    def __call__(self, users: Any, items: Any) -> tuple[longhand.Rows, longhand.Rows]:
        """Balanced rows of all users and of all items."""
        standing = [item for _, item in self.batch["pairs"]]
        if self.part.over == "all":
            drawn = zip(chain(*self.batch["others"]), chain(*self.batch["valid"]), strict=True)
            standing += [item for item, allowed in drawn if allowed]
        return self.sides[0](users, [user for user, _ in self.batch["pairs"]]), self.sides[1](items, standing)

    def loss(self, users: Any, items: Any) -> float:
        """The positive-only loss after balancing."""
        users, items = self(users, items)
        pairs = self.batch["pairs"]
        return longhand.loss([users[user] for user, _ in pairs], [items[item] for _, item in pairs])


@settings(max_examples=200)
@given(cases(strongest=1.5))
def test_rows_and_loss_agree_with_loops(case):
    options, batch = case
    twin, pairs = ByHand(options, batch), batch["pairs"]
    users, items = twin(batch["users"], batch["items"])
    found = Balanced(twin.part, **batch)
    wanted = torch.tensor([users[user] for user, _ in pairs], dtype=torch.float64)
    assert torch.allclose(found.queries, wanted, atol=1e-9)
    local = sorted({item for _, item in pairs} | set(chain(*batch["others"])))
    wanted = torch.tensor([items[item] for item in local], dtype=torch.float64)
    assert torch.allclose(found.encoded.items.table(), wanted, atol=1e-9)
    assert found.loss.item() == pytest.approx(twin.loss(batch["users"], batch["items"]), abs=1e-9)


@settings(max_examples=200)
@given(cases(strongest=0.8), st.integers(0, 2**32 - 1))
def test_gradient_agrees_with_loops_moved_a_little(case, seed):
    options, batch = case
    twin = ByHand(options, batch)
    twin(batch["users"], batch["items"])
    if options["detach"]:
        twin.sides = [replace(side, held=side.weights) for side in twin.sides]
    found = Balanced(twin.part, **batch)
    chance = torch.Generator().manual_seed(seed)
    ways = [torch.randn(leaf.shape, generator=chance, dtype=torch.float64) for leaf in found.leaves]

    def moved(step: float) -> float:
        tables = [leaf + step * way for leaf, way in zip(found.leaves, ways, strict=True)]
        return twin.loss(*(table.tolist() for table in tables))

    slope = sum((own * way).sum().item() for own, way in zip(found.gradients(), ways, strict=True))
    assert slope == pytest.approx((moved(1e-6) - moved(-1e-6)) / 2e-6, abs=1e-6)


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


BOTH = pytest.mark.parametrize("part", [PLUS, DirectSpec("linear", 0.8)], ids=["softmax", "linear"])


@BOTH
def test_repeats_count_as_often_as_they_stand(part):
    found = Balanced(part, pairs=REPEATED)
    twice = Balanced(part, [USERS[0], *USERS], [*ITEMS[:2], *ITEMS[1:]])
    assert torch.allclose(found.queries, twice.queries)
    assert torch.allclose(found.items, twice.items)
    assert torch.allclose(found.loss, twice.loss)


@BOTH
@pytest.mark.parametrize("based", [True, False])
def test_repeats_can_count_once(part, based):
    found = Balanced(replace(part, repeats="once"), pairs=REPEATED, based=based)
    alone = Balanced(part)
    assert torch.allclose(found.queries, alone.queries[[0, 0, 1, 2]])
    assert torch.allclose(found.items, alone.items[[0, 1, 1, 2]])


def test_a_user_is_balanced_once_for_each_vector_that_it_has():
    found = Balanced(replace(PLUS, repeats="once"), people=[0, 0, 1])
    assert torch.allclose(found.queries, Balanced(PLUS).queries)


def test_rows_that_count_once_make_the_default_temperature():
    rows = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)).tolist()
    twice = [(row, row) for row in range(40)] * 2
    found = Balanced(DirectSpec(repeats="once"), rows, rows, twice)
    named = Balanced(DirectSpec(temperature=3 + math.log(40 / 256)), rows, rows)
    assert torch.allclose(found.queries[:40], named.queries)


def test_candidates_are_normalised_and_no_more_over_targets():
    found = Balanced(PLUS, items=[*ITEMS, [3.0, 4.0]], others=[[3], [3], [3]])
    assert isinstance(found.encoded.items, LocalItems)
    assert near(found.encoded.items.vectors[3], [0.6, 0.8])
    assert torch.allclose(found.items, Balanced(PLUS).items)


def test_candidates_are_scaled_as_what_is_balanced():
    found = Balanced(replace(PLUS, shrink=0.1), items=[*ITEMS, [3.0, 4.0]], others=[[3], [3], [3]])
    assert near(found.encoded.items.table()[3], [0.06, 0.08])


def test_candidates_are_balanced_with_the_targets_over_all():
    found = Balanced(replace(PLUS, over="all"), items=[*ITEMS, [3.0, 4.0]], others=[[3], [3], [3]])
    counted = Balanced(PLUS, [*USERS, *USERS], [*ITEMS, *[[3.0, 4.0]] * 3])
    assert torch.allclose(found.items, counted.items[:3])


@pytest.mark.parametrize(
    ("others", "valid"),
    [([[3], [1], [2]], [[True], [False], [False]]), ([3, 1], [[True, False], [False, False], [True, False]])],
    ids=["own", "shared"],
)
def test_padding_is_not_balanced(others, valid):
    found = Balanced(replace(PLUS, over="all"), USERS, [*ITEMS, [3.0, 4.0]], None, others, valid)
    counted = Balanced(PLUS, [*USERS, USERS[0]], [*ITEMS, [3.0, 4.0]])
    assert torch.allclose(found.items, counted.items[:3])


def test_rows_are_as_long_as_one_before_each_further_step():
    once = Balanced(PLUS)
    again = Balanced(PLUS, once.queries.tolist(), once.items.tolist())
    assert torch.allclose(Balanced(replace(PLUS, iterations=2)).queries, again.queries)


def test_rows_that_vanish_keep_a_moderate_gradient():
    chance = torch.Generator().manual_seed(0)
    parallel = (torch.tensor([1.0, 0.0, 0.0]) + 1e-6 * torch.randn(8, 3, generator=chance)).tolist()
    found = Balanced(DirectSpec("softmax", 1.0, 3.0, iterations=2), parallel, parallel)
    assert 0 < max(gradient.abs().max().item() for gradient in found.gradients()) < 100


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
        ({"iterations": 0}, "iterations must be a whole number of at least 1, not 0"),
        ({"alpha": math.nan}, "alpha must be a number of at least 0, not nan"),
        ({"alpha": -1.0}, "alpha must be a number of at least 0, not -1.0"),
        ({"gap": -1.0}, "gap and shrink must be numbers of at least 0"),
        ({"gap": math.inf}, "gap and shrink must be numbers of at least 0"),
        ({"shrink": math.nan}, "gap and shrink must be numbers of at least 0"),
        ({"shrink": math.inf}, "gap and shrink must be numbers of at least 0"),
        ({"temperature": -2.0}, "temperature must be at least 0"),
        ({"temperature": 1.0, "gap": 2.0}, r"at least gap \(2\), not 1"),
        ({"form": "linear", "temperature": 3.0}, "leave temperature, gap and detach out"),
        ({"form": "linear", "detach": True}, "leave temperature, gap and detach out"),
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


@pytest.mark.parametrize("n", [1, 5, 12])
def test_the_default_temperature_of_a_short_batch_is_not_negative(n):
    rows = torch.randn(n, 3, generator=torch.Generator().manual_seed(n)).tolist()
    found = Balanced(DirectSpec(), rows, rows)
    assert torch.equal(found.queries, Balanced(DirectSpec(temperature=0.0), rows, rows).queries)


def test_a_gap_without_data_is_told():
    with pytest.raises(OptionError, match=r"call bind\(data\) first"):
        Balanced(DirectSpec(gap=0.5), USERS, USERS)


def test_a_gap_above_the_default_temperature_leaves_none():
    found = Balanced(DirectSpec(gap=0.5).bind(SHARED))
    assert torch.equal(found.queries, Balanced(DirectSpec(temperature=0.0)).queries)


def test_a_part_of_an_iteration_is_refused():
    part = DirectSpec()
    object.__setattr__(part, "iterations", 1.5)  # past the type checks of the tests
    with pytest.raises(OptionError, match=r"whole number of at least 1, not 1\.5"):
        part.__post_init__()
