"""What is sent for a change leaves the terminal as if everything had been sent."""

from __future__ import annotations

import random

import pyte
import pytest
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.terminal.cells import Cells, cells_of
from tui.terminal.shadow import Shadow

WIDTH, HEIGHT = 48, 16
STYLES = [
    Style(color="#ff0000", bgcolor="#101010"),
    Style(color="#00ff00", bgcolor="#101010", bold=True),
    Style(color="#aaaaaa", bgcolor="#222222", underline=True),
    Style(bgcolor="#101010"),
]
WORDS = ["step", "loss", "0.25", "训练", "日志", "■▣■", "a", " ", "       ", "x̂", "…", "é", "🚀"]


def random_line(rng: random.Random) -> Strip:
    segments = [
        Segment(rng.choice(WORDS) + rng.choice(["", " "]), rng.choice(STYLES)) for _ in range(12)
    ]
    # pyte goes to the next line for a combining mark in the last column; terminals do not
    return Strip(segments).crop(0, WIDTH - 2).adjust_cell_length(WIDTH, STYLES[3])


class Terminal:
    """A terminal that takes what a shadow sends."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.Stream(self.screen)
        self.sent = 0

    def feed(self, data: str) -> None:
        self.sent += len(data.encode())
        self.stream.feed(data)

    @property
    def cells(self) -> list[list[tuple[object, ...]]]:
        rows = []
        for y in range(HEIGHT):
            row = []
            for x in range(WIDTH):
                char = self.screen.buffer[y][x]
                # the colour of a blank does not show, nor what stands behind a wide character
                blank = char.data in (" ", "")
                row.append((char.data, None if blank else char.fg, char.bg, char.underscore))
            rows.append(row)
        return rows


def full(rows: list[Strip]) -> Terminal:
    """A terminal that has been sent everything."""
    terminal = Terminal()
    terminal.feed(Shadow(WIDTH, HEIGHT).change(pieces(rows)))
    return terminal


def pieces(rows: list[Strip]) -> list[tuple[int, int, Cells]]:
    return [(y, 0, cells_of(strip)) for y, strip in enumerate(rows)]


def plain(terminal: Terminal) -> list[str]:
    return [line.rstrip() for line in terminal.screen.display]


@pytest.mark.parametrize("seed", range(6))
def test_any_change_comes_out_as_if_all_had_been_sent(seed: int) -> None:
    rng = random.Random(seed)
    rows = [random_line(rng) for _ in range(HEIGHT)]
    terminal, shadow = Terminal(), Shadow(WIDTH, HEIGHT)
    terminal.feed(shadow.change(pieces(rows)))
    for _ in range(25):
        kind = rng.choice(["some", "scroll", "one", "all", "part"])
        if kind == "scroll":
            by, top = rng.randint(1, 4), rng.randint(0, 5)
            moved = rows[top + by :] + [random_line(rng) for _ in range(by)]
            rows = rows[:top] + moved
            changed = pieces(rows)
        elif kind == "all":
            rows = [random_line(rng) for _ in range(HEIGHT)]
            changed = pieces(rows)
        elif kind == "part":
            y, x = rng.randrange(HEIGHT), rng.randrange(WIDTH - 10)
            part = random_line(rng).crop(0, 9)
            rows[y] = Strip.join([rows[y].crop(0, x), part, rows[y].crop(x + 9)])
            changed = [(y, 0, cells_of(rows[y]))]
        else:
            for y in rng.sample(range(HEIGHT), 1 if kind == "one" else 6):
                rows[y] = random_line(rng)
            changed = pieces(rows)
        terminal.feed(shadow.change(changed))
        assert plain(terminal) == plain(full(rows))
        assert terminal.cells == full(rows).cells


@pytest.mark.parametrize(
    ("parts", "cells"),
    [
        (["日", "\u0301x"], ["日\u0301", "", "x"]),
        (["e", "\u0302\u0301x"], ["e\u0302\u0301", "x"]),
        (["ab", "\u0301", "\u0302", "z"], ["a", "b\u0301\u0302", "z"]),
        (["日\u0301x"], ["日\u0301", "", "x"]),
        (["\u0301x"], ["x"]),
        (["", "\u0301", "x"], ["x"]),
    ],
)
def test_marks_that_combine_take_no_cell_wherever_a_segment_begins(
    parts: list[str], cells: list[str]
) -> None:
    segments = [Segment(part, STYLES[0]) for part in parts]
    found = cells_of(segments)
    assert found.text == cells
    assert found.width == len(found.colours) == sum(part.cell_length for part in segments)


def test_what_has_not_changed_is_not_sent() -> None:
    rows = [random_line(random.Random(1)) for _ in range(HEIGHT)]
    shadow = Shadow(WIDTH, HEIGHT)
    assert shadow.change(pieces(rows))
    assert shadow.change(pieces(rows)) == ""


def test_one_cell_costs_a_few_bytes() -> None:
    shadow = Shadow(WIDTH, HEIGHT)
    style = STYLES[0]
    shadow.change([(3, 0, cells_of([Segment("step 1839 loss", style)]))])
    sent = shadow.change([(3, 0, cells_of([Segment("step 1840 loss", style)]))])
    assert "\x1b[4;8H" in sent
    assert sent.count("40") == 1
    assert "step" not in sent


def test_a_log_that_is_followed_is_scrolled() -> None:
    lines = [
        f"12:01:{n:02} step {n} loss {1 / (n + 1):.5f} tok/s {n * 37 % 911}" for n in range(40)
    ]
    strips = [Strip([Segment(line, STYLES[0])]).adjust_cell_length(WIDTH) for line in lines]
    shadow, terminal = Shadow(WIDTH, HEIGHT), Terminal()
    terminal.feed(shadow.change(pieces(strips[:HEIGHT])))
    terminal.sent = 0
    for first in range(1, 20):
        terminal.feed(shadow.change(pieces(strips[first : first + HEIGHT])))
    assert plain(terminal) == [line.rstrip() for line in lines[19 : 19 + HEIGHT]]
    # nineteen new lines and little else
    assert terminal.sent < 19 * (WIDTH + 80)


def test_a_forgotten_terminal_is_sent_everything() -> None:
    rows = [random_line(random.Random(2)) for _ in range(HEIGHT)]
    shadow = Shadow(WIDTH, HEIGHT)
    shadow.change(pieces(rows))
    shadow.forget()
    terminal = Terminal()
    terminal.feed(shadow.change(pieces(rows)))
    assert terminal.cells == full(rows).cells
