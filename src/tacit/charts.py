"""Line charts as SVG text: one file that opens anywhere, no library needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 70, 170, 40, 50
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False  # no tick between whole numbers

    def at(self, value: float) -> float:
        """Where a value stands, in pixels."""
        if self.log:
            share = math.log(value / self.low) / (math.log(self.high / self.low) or 1.0)
        else:
            share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers within the range, about five; at least one."""
        found = self._powers() if self.log else []
        return found if len(found) > 1 else self._steps() or [self.low]

    def labels(self) -> list[str]:
        """Of the ticks, with digits enough to tell each from its neighbours."""
        ticks = self.ticks()
        near = min((b - a for a, b in pairwise(ticks)), default=1e-4 * abs(ticks[0])) / 100
        for digits in range(6, 17):
            texts = [f"{tick:.{digits}g}" for tick in ticks]
            if all(abs(float(text) - tick) <= near for text, tick in zip(texts, ticks, strict=True)):
                break
        return texts

    def _powers(self) -> list[float]:
        """Powers of ten; where fewer than two are in range, also their doubles and fives."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        step = max((last - first) // 6, 1)
        tens = [power for power in range(first, last + 1, step) if self._holds(10.0**power)]
        if len(tens) > 1:
            return [10.0**power for power in tens]
        every = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
        return [value for value in every if self._holds(value)]

    def _steps(self) -> list[float]:
        """Multiples of one, two or five times a power of ten."""
        raw = (self.high - self.low or 1.0) / 5
        size = 10 ** math.floor(math.log10(raw))
        step_size = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
        if self.whole:
            step_size = max(step_size, 1)
        first = math.ceil(self.low / step_size)
        return [step_size * n for n in range(first, first + 12) if self._holds(step_size * n)]

    def _holds(self, value: float) -> bool:
        return self.low - 1e-9 * abs(self.low) <= value <= self.high + 1e-9 * abs(self.high)


def line_chart(title: str, x: str, y: str, series: Mapping[str, Points], *, log_y: bool = False) -> str:
    """An SVG with one line for each named series of (x, y); what a log axis has no place for is left out.

    Raises `ValueError` where nothing is left to draw.
    """
    shown = {
        name: [(a, b) for a, b in points if math.isfinite(b) and (b > 0 or not log_y)]
        for name, points in series.items()
    }
    every = [point for points in shown.values() for point in points]
    if not every:
        raise ValueError("a chart needs at least one finite point")
    places = [a for a, _ in every]
    whole = all(place == round(place) for place in places)
    across = _Axis(min(places), max(places), LEFT, WIDTH - RIGHT, whole=whole)
    values = [b for _, b in every]
    up = _Axis(min(values), max(values), HEIGHT - BOTTOM, TOP, log_y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(title, LEFT, 22, size=15),
        _text(x, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, anchor="middle"),
        f'<g transform="rotate(-90)">{_text(y, -(TOP + HEIGHT - BOTTOM) / 2, 16, anchor="middle")}</g>',
        *(
            _text(label, across.at(tick), HEIGHT - BOTTOM + 18, anchor="middle")
            for tick, label in zip(across.ticks(), across.labels(), strict=True)
        ),
        *(_line(LEFT, up.at(tick), WIDTH - RIGHT, up.at(tick), "#dddddd") for tick in up.ticks()),
        *(
            _text(label, LEFT - 8, up.at(tick) + 4, anchor="end")
            for tick, label in zip(up.ticks(), up.labels(), strict=True)
        ),
        _line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "black"),
        _line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "black"),
    ]
    for number, (name, points) in enumerate(shown.items()):
        colour, height = COLOURS[number % len(COLOURS)], TOP + 8 + 18 * number
        path = " ".join(f"{across.at(a):.2f},{up.at(b):.2f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(points) == 1:
            a, b = points[0]
            parts.append(f'<circle cx="{across.at(a):.2f}" cy="{up.at(b):.2f}" r="3" fill="{colour}"/>')
        parts.append(_line(WIDTH - RIGHT + 12, height, WIDTH - RIGHT + 34, height, colour))
        parts.append(_text(name, WIDTH - RIGHT + 40, height + 4))
    return "\n".join([*parts, "</svg>", ""])


def _text(text: str, x: float, y: float, *, anchor: str = "start", size: int = 12) -> str:
    place = f'x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" font-size="{size}"'
    return f"<text {place}>{escape(text)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" stroke="{colour}"/>'
