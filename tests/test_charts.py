from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from tacit.charts import BOTTOM, HEIGHT, LEFT, line_chart

NAME = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> list[list[tuple[float, float]]]:
    """Points of every line of a chart."""
    lines = ElementTree.fromstring(text).iter(f"{NAME}polyline")
    return [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]  # type: ignore[misc]
        for line in lines
    ]


def labels(text: str) -> dict[str, list[str]]:
    """What stands at the ticks of both axes, from low to high."""
    found: dict[str, list[str]] = {"x": [], "y": []}
    for element in ElementTree.fromstring(text).iter(f"{NAME}text"):
        if element.attrib["y"] == f"{HEIGHT - BOTTOM + 18:.2f}":
            found["x"].append(element.text or "")
        if element.attrib["x"] == f"{LEFT - 8:.2f}":
            found["y"].append(element.text or "")
    return found


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.62, 1.0, ["0.7", "0.8", "0.9", "1"]),
        (0.15, 3.0, ["0.2", "0.5", "1", "2"]),
        (0.02, 1.0, ["0.1", "1"]),
        (0.001, 1.0, ["0.001", "0.01", "0.1", "1"]),
        (0.7, 0.7, ["0.7"]),
    ],
)
def test_a_log_axis_has_ticks_over_any_range(low, high, wanted):
    text = line_chart("t", "x", "y", {"a": [(0, high), (1, low)]}, log_y=True)
    assert labels(text)["y"] == wanted


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (1_000_000, 1_000_004, ["1000000", "1000001", "1000002", "1000003", "1000004"]),
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (-1, 1, ["-1", "-0.5", "0", "0.5", "1"]),
        (5, 5, ["5"]),
    ],
)
def test_each_tick_is_told_from_its_neighbours(low, high, wanted):
    text = line_chart("t", "x", "y", {"a": [(0, low), (1, high)]})
    assert labels(text)["y"] == wanted


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ((1, 2), ["1", "2"]),
        ((0, 12), ["0", "5", "10"]),
        ((0.5, 1.5), ["0.6", "0.8", "1", "1.2", "1.4"]),
        ((7, 7), ["7"]),
    ],
)
def test_whole_numbers_have_no_ticks_between_them(places, wanted):
    text = line_chart("t", "x", "y", {"a": [(place, 1) for place in places]})
    assert labels(text)["x"] == wanted


def test_each_series_is_a_line_of_all_its_points():
    text = line_chart("t", "x", "y", {"a": [(0, 1), (1, 2), (2, 4)], "b": [(0, 0), (2, 3)]})
    assert [len(line) for line in drawn(text)] == [3, 2]


def test_higher_values_stand_higher():
    (line,) = drawn(line_chart("t", "x", "y", {"a": [(0, 1), (1, 2), (2, 4)]}))
    assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)
    assert [x for x, _ in line] == sorted(x for x, _ in line)


def test_a_log_axis_puts_powers_at_equal_distances():
    (line,) = drawn(line_chart("t", "x", "y", {"a": [(0, 0.01), (1, 0.1), (2, 1)]}, log_y=True))
    heights = [y for _, y in line]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.02)


def test_a_log_axis_leaves_out_what_it_has_no_place_for():
    (line,) = drawn(line_chart("t", "x", "y", {"a": [(0, 1), (1, 0), (2, math.inf), (3, 2)]}, log_y=True))
    assert len(line) == 2


def test_names_are_escaped():
    text = line_chart("a < b", "x & y", "y", {"<s>": [(0, 1)]})
    shown = [element.text for element in ElementTree.fromstring(text).iter(f"{NAME}text")]
    assert {"a < b", "x & y", "<s>"} <= set(shown)


def test_one_point_is_seen():
    text = line_chart("t", "x", "y", {"a": [(1, 5)]})
    assert len(list(ElementTree.fromstring(text).iter(f"{NAME}circle"))) == 1


@pytest.mark.parametrize("points", [[], [(0, math.nan)]])
def test_nothing_to_draw_is_an_error(points):
    with pytest.raises(ValueError, match="at least one finite point"):
        line_chart("t", "x", "y", {"a": points})
