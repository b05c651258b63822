"""The simulator: its log obeys its equations, and its truth agrees with its log."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tacit.data.interactions import Interactions
from tacit.data.synthetic import Simulation, read_world, simulate
from tacit.errors import ArtifactError, OptionError


@pytest.fixture(scope="module")
def small() -> Simulation:
    return simulate("small", seed=0)


def tiny(seed: int = 0, **overrides: float) -> Simulation:
    settings: dict[str, float] = {"users": 60, "items": 40, "groups": 4, "sessions": 12, "slate": 5}
    return simulate("small", seed=seed, **settings | overrides)


def test_the_same_seed_gives_the_same_log_and_truth() -> None:
    one, two = tiny(3), tiny(3)
    for name in ("users", "items", "times", "slots", "clicked"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.truth().liked, two.truth().liked)


def test_another_seed_gives_another_log() -> None:
    assert not np.array_equal(tiny(0).to_arrow()["item"].to_numpy(), tiny(1).to_arrow()["item"].to_numpy())


def test_users_do_not_depend_on_how_many_blocks_there_are() -> None:
    world = simulate("small", seed=0, users=1_030, sessions=3)
    assert set(np.unique(world.users)) == set(range(1_030))


def test_liked_of_single_pairs_is_liked_of_the_matrix(small: Simulation) -> None:
    liked = small.world.liked(np.arange(small.settings.users))
    rows = np.arange(0, len(small.users), 7)
    users, items = small.users[rows], small.items[rows]
    np.testing.assert_array_equal(small.world.liked_pairs(users, items), liked[users, items])


def test_likes_follow_the_preference(small: Simulation) -> None:
    truth = small.truth()
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        band = (truth.preference >= low) & (truth.preference < low + 0.2)
        share, wanted, n = truth.liked[band].mean(), truth.preference[band].mean(), band.sum()
        assert abs(share - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / n)


def test_mean_preference_is_the_like_rate(small: Simulation) -> None:
    assert small.truth().preference.mean() == pytest.approx(small.settings.like_rate, abs=0.01)


def test_shown_pairs_follow_the_exposure(small: Simulation) -> None:
    truth = small.truth()
    edges = np.quantile(truth.exposure, np.linspace(0, 1, 11))
    for low, high in pairwise(edges):
        band = (truth.exposure >= low) & (truth.exposure <= high)
        wanted = truth.exposure[band]
        error = truth.shown[band].sum() - wanted.sum()
        assert abs(error) < 5 * np.sqrt((wanted * (1 - wanted)).sum())


def test_examination_falls_with_the_slot(small: Simulation) -> None:
    liked = small.world.liked_pairs(small.users, small.items)
    first = liked & (small.slots == 0)
    assert small.clicked[first].mean() == pytest.approx(small.settings.click, abs=0.02)
    for slot in (3, 8):
        chosen = liked & (small.slots == slot)
        wanted = small.settings.click * (slot + 1) ** -small.settings.position
        assert small.clicked[chosen].mean() == pytest.approx(wanted, abs=0.03)


def test_clicks_on_what_is_not_liked_are_noise(small: Simulation) -> None:
    wrong = ~small.world.liked_pairs(small.users, small.items) & (small.slots == 0)
    assert small.clicked[wrong].mean() == pytest.approx(small.settings.noise, abs=0.003)


def test_without_noise_every_click_is_liked() -> None:
    truth = tiny(noise=0.0).truth()
    assert truth.clicked.any()
    assert not (truth.clicked & ~truth.liked).any()


def test_without_position_bias_all_slots_are_alike() -> None:
    quiet = simulate("small", position=0.0, noise=0.0, click=1.0)
    liked = quiet.world.liked_pairs(quiet.users, quiet.items)
    np.testing.assert_array_equal(quiet.clicked, liked)


def test_a_pair_is_clicked_once_and_not_shown_afterwards(small: Simulation) -> None:
    pairs = small.users.astype(np.int64) * small.settings.items + small.items
    clicks = pairs[small.clicked]
    assert len(np.unique(clicks)) == len(clicks)
    moment = np.full(small.settings.users * small.settings.items, 2**62)
    moment[clicks] = small.times[small.clicked]
    slate = 5 * small.settings.slate
    assert not (small.times > moment[pairs] + slate).any()


def test_a_slate_shows_an_item_once() -> None:
    log = tiny(items=6, slate=6, groups=2, sessions=3, users=400, days=3_650)
    slate = log.times - 5 * log.slots
    shown = np.stack([log.users, slate, log.items])
    assert np.unique(shown, axis=1).shape == shown.shape


def test_the_log_runs_forward_within_its_days(small: Simulation) -> None:
    assert (np.diff(small.times) >= 0).all()
    assert small.times[-1] - small.times[0] <= small.settings.days * 86_400 + 60


def test_popularity_bias_is_that_of_the_setting() -> None:
    flat, steep = (simulate("small", popularity=value).statistics().log for value in (0.0, 1.2))
    assert flat.popularity_exponent < steep.popularity_exponent
    assert flat.gini < steep.gini


def test_false_negatives_are_counted_by_hand() -> None:
    simulation = tiny()
    truth = simulation.truth()
    clicked, shown = set(), set()
    for user, item, click in zip(simulation.users, simulation.items, simulation.clicked, strict=True):
        shown.add((user, item))
        if click:
            clicked.add((user, item))
    for user in range(60):
        for item in range(40):
            liked = truth.liked[user, item]
            assert truth.false_negatives[user, item] == (liked and (user, item) not in clicked)
            assert truth.never_shown[user, item] == (liked and (user, item) not in shown)


def test_truth_of_some_users_is_that_part_of_the_whole() -> None:
    simulation, users = tiny(), np.array([41, 3, 17])
    whole, part = simulation.truth(), simulation.truth(users)
    np.testing.assert_array_equal(part.users, users)
    for name in ("liked", "shown", "clicked"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[users])
    np.testing.assert_allclose(part.preference, whole.preference[users], rtol=1e-6)
    np.testing.assert_allclose(part.exposure, whole.exposure[users], rtol=1e-6)


def test_false_negatives_are_as_frequent_as_promised(small: Simulation) -> None:
    statistics = small.statistics()
    assert 0.05 <= statistics.false_negative_share <= 0.15
    assert 0.3 <= statistics.log.popularity_exponent <= 0.6
    assert 30_000 <= statistics.log.pairs <= 60_000


def test_tastes_beat_popularity_clearly(small: Simulation) -> None:
    truth = small.truth()
    counts = truth.clicked.sum(0).astype(np.float64)
    left, values, right = np.linalg.svd(truth.clicked / np.sqrt(counts + 1), full_matrices=False)
    personal = (left[:, :10] * values[:10]) @ right[:10]
    popular = np.broadcast_to(counts, personal.shape)

    def precision(scores: np.ndarray) -> float:
        best = np.argsort(-np.where(truth.clicked, -np.inf, scores), axis=1)[:, :20]
        return float(np.take_along_axis(truth.liked, best, axis=1).mean())

    assert precision(personal) > 2 * precision(popular)


def test_the_clicks_are_read_as_interactions() -> None:
    simulation = tiny()
    log = Interactions.read(simulation.to_arrow())
    assert len(log) == simulation.clicked.sum()
    assert log.times is not None


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    simulation = tiny()
    simulation.write(tmp_path / "data")
    clicks = pq.read_table(tmp_path / "data" / "interactions.parquet")
    assert clicks.equals(simulation.to_arrow())
    assert clicks.column_names == ["user", "item", "timestamp"]
    shown = pq.read_table(tmp_path / "data" / "impressions.parquet")
    assert len(shown) == (~simulation.clicked).sum()
    truth = pq.read_table(tmp_path / "data" / "truth.parquet")
    assert len(truth) == 60 * 40
    np.testing.assert_array_equal(truth["liked"].to_numpy().reshape(60, 40), simulation.truth().liked)
    world = read_world(tmp_path / "data")
    np.testing.assert_array_equal(world.liked(np.arange(60)), simulation.truth().liked)


def test_writing_twice_gives_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        tiny().write(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_damaged_world_is_refused(tmp_path: Path) -> None:
    tiny().write(tmp_path)
    (tmp_path / "world.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"world\.safetensors: cut short"):
        read_world(tmp_path)


def test_a_world_without_clicks_has_statistics() -> None:
    statistics = tiny(click=0.0, noise=0.0).statistics()
    assert (statistics.log.pairs, statistics.log.gini, statistics.noise_share) == (0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"positon": 1.0}, "no setting 'positon'; the nearest is 'position'"),
        ({"users": 0}, "users = 0; give a value from 1"),
        ({"users": 10.5}, "users = 10.5; give a whole number"),
        ({"noise": 1.5}, "noise = 1.5; give a value from 0 to 1"),
        ({"noise": float("nan")}, "noise = nan"),
        ({"items": 5}, "more groups or slots in a slate than items"),
    ],
)
def test_a_bad_setting_is_one_clear_error(overrides: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        simulate("small", **overrides)


def test_a_bad_seed_is_refused() -> None:
    with pytest.raises(OptionError, match="seed = -1; give a whole number from 0"):
        simulate("small", seed=-1)
