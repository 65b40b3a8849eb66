"""Curves become dots and characters as they should. Pure; no interface runs."""

from __future__ import annotations

import random
from array import array

import pytest

from tui.widgets.canvas import Canvas, Column, Window, columns, peaks_of, ticks


def doubles(*values: float) -> array[float]:
    return array("d", values)


def drawn(canvas: Canvas) -> list[str]:
    return ["".join(text for text, _ in row) for row in canvas.rows()]


def draw(
    xs: array[float], values: array[float], width: int, height: int, *, braille: bool = True
) -> list[str]:
    window = Window(xs[0], xs[-1], min(values), max(values))
    canvas = Canvas(width, height, braille=braille)
    canvas.curve(columns(xs, values, window.left, window.right, width * 2), window, 0)
    return drawn(canvas)


def test_a_column_keeps_its_extremes() -> None:
    noise = random.Random(3)
    values = doubles(*(noise.random() for _ in range(10_000)))
    values[1234], values[7777] = 99.0, -99.0
    found = columns(doubles(*range(10_000)), values, 0, 9999, 100)
    assert len(found) == 100
    assert max(column.high for column in found) == 99.0
    assert min(column.low for column in found) == -99.0
    assert [column.at for column in found] == list(range(100))
    assert found[0].first == values[0]
    assert found[-1].last == values[-1]


def test_peaks_change_nothing_but_the_cost() -> None:
    noise = random.Random(4)
    xs = doubles(*range(50_000))
    values = doubles(*(noise.gauss(0, 1) for _ in xs))
    peaks = peaks_of(values)
    for left, right, count in (
        (0, 49_999, 200),
        (123, 45_678, 77),
        (1000, 1100, 50),
        (7, 49_990, 3),
    ):
        plain = columns(xs, values, left, right, count)
        assert columns(xs, values, left, right, count, peaks) == plain


def test_only_what_is_seen_is_drawn() -> None:
    xs = doubles(*range(100))
    found = columns(xs, xs, 10, 20, 50)
    assert (found[0].first, found[-1].last) == (10, 20)
    assert columns(xs, xs, 200, 300, 50) == []
    assert columns(doubles(), doubles(), 0, 1, 50) == []
    assert columns(xs, xs, 5, 5, 50) == [Column(25, 5, 5, 5, 5)]


def test_every_point_of_a_few_has_its_column() -> None:
    found = columns(doubles(0, 1, 4), doubles(5, 6, 7), 0, 4, 9)
    assert [(column.at, column.first) for column in found] == [(0, 5), (2, 6), (8, 7)]


def test_a_rising_line_in_braille_and_in_ascii() -> None:
    xs = doubles(*range(8))
    assert draw(xs, xs, 4, 2) == ["  ⡠⠊", "⡠⠊  "]
    assert draw(xs, xs, 4, 2, braille=False) == ["  .'", ".'  "]


def test_points_far_apart_are_joined_without_gaps() -> None:
    rows = draw(doubles(0, 1), doubles(0, 1), 10, 5)
    assert all(any(row[column] != " " for row in rows) for column in range(10))


def test_a_spike_between_flat_neighbours_is_seen_in_full_height() -> None:
    values = doubles(*([0.0] * 1000))
    values[500] = 1.0
    rows = draw(doubles(*range(1000)), values, 20, 6)
    assert all(row.strip() for row in rows)


def test_patterns_leave_gaps_that_tell_curves_apart() -> None:
    xs = doubles(*range(200))
    window = Window(0, 199, -1, 1)
    flat = columns(xs, doubles(*([0.0] * 200)), 0, 199, 80)
    shapes = set()
    for pattern in range(4):
        canvas = Canvas(40, 1)
        canvas.curve(flat, window, 0, pattern)
        shapes.add(drawn(canvas)[0])
    assert len(shapes) == 4


def test_later_layers_cover_earlier_ones_and_text_covers_all() -> None:
    xs = doubles(0, 1)
    window = Window(0, 1, 0, 1)
    canvas = Canvas(4, 1)
    shape = columns(xs, doubles(0, 0), 0, 1, 8)
    canvas.curve(shape, window, 1)
    canvas.curve(shape, window, 2)
    canvas.text(3, 0, "AB", 9)
    canvas.text(0, 5, "out of sight", 9)
    assert canvas.rows() == [[("⣀⣀⣀", 2), ("A", 9)]]


def test_a_logarithmic_window_places_powers_evenly() -> None:
    window = Window(0, 1, 0.01, 100.0, log=True)
    assert [window.height_of(v) for v in (0.01, 1.0, 100.0)] == pytest.approx([0, 0.5, 1])
    assert window.height_of(-5) == 0


@pytest.mark.parametrize(
    ("low", "high", "count", "log", "told"),
    [
        (0, 10, 5, False, [0, 5, 10]),
        (1.5, 9.7, 4, False, [2, 4, 6, 8]),
        (-0.3, 0.3, 3, False, [-0.2, 0, 0.2]),
        (0.001, 1000, 4, True, [0.001, 0.1, 10, 1000]),
        (5, 5, 4, False, [5]),
        (0, 1, 0, False, []),
    ],
)
def test_ticks_are_round_and_few(
    low: float, high: float, count: int, log: bool, told: list[float]
) -> None:
    assert ticks(low, high, count, log=log) == pytest.approx(told)
