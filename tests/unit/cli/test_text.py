from __future__ import annotations

import pytest

from rankdeck.cli import text
from rankdeck.text import figure, mentions


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3600, "1:00:00"), (-5, "0:00")],
)
def test_duration(seconds: float | None, expected: str) -> None:
    assert text.duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (200_000, "2d"), (-1, "0s")],
)
def test_age(seconds: float, expected: str) -> None:
    assert text.age(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(None, "–"), (12, "12 B"), (2048, "2.0 KiB"), (3 << 30, "3.0 GiB"), (5 << 40, "5.0 TiB")],
)
def test_size(count: int | None, expected: str) -> None:
    assert text.size(count) == expected


def test_wide_characters_take_two_cells() -> None:
    assert text.width("中文") == 4
    assert text.width("e\u0301") == 1
    assert text.width("\x1b[31mred\x1b[0m") == 3


def test_foreign_text_is_made_safe_and_cut_by_cells() -> None:
    assert text.shown("\x1b]52;c;xx\x07evil\x1b[2J") == "evil"
    cut = text.shown("中文中文中文", 7)
    assert cut == "中文中…"
    assert text.width(cut) <= 7


def test_columns_align_whatever_the_script() -> None:
    rows = text.table([("名", "x"), ("name", "y")], right=frozenset({0})).splitlines()
    assert [text.width(row) for row in rows] == [7, 7]
    assert rows[0].startswith("  名")


def test_no_rows_are_no_text() -> None:
    assert text.table([]) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3e-4, "0.0003"), (2.0921, "2.092"), (9999, "9999"), (11460, "11.5k"), (-2.5e6, "-2.5M")],
)
def test_figures_take_few_cells(value: float, expected: str) -> None:
    assert figure(value) == expected


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("node1 refuses connections", True),
        ("root@node1: Permission denied", True),
        ("there is no python on node1", True),
        ("node10 refuses connections", False),
        ("mynode1 refuses connections", False),
        ("no space left for /tmp/runs/x/node1", False),
    ],
)
def test_a_sentence_that_names_a_node(sentence: str, named: bool) -> None:
    assert mentions(sentence, "node1") is named
