"""What users type at a log, and how times are written; pure."""

from __future__ import annotations

import time

import pytest
from rich.cells import cell_len

from rankdeck.errors import UserError
from rankdeck.logs.lines import whole_line
from tui.log_gutter import rank_label, short_ranks
from tui.log_text import (
    Place,
    clock_near,
    filter_text,
    filters,
    place,
    since_text,
    span_text,
    wanted,
)


def test_case_counts_only_with_an_upper_case_letter() -> None:
    assert wanted("needle").query.find(b"a NEEDLE")
    assert not wanted("Needle").query.find(b"a NEEDLE")
    assert wanted("re:n.+e").query.find(b"a NEEDLE")
    assert wanted("re:").query.find(b"the word re: itself")


def test_filters_are_told_as_they_were_typed() -> None:
    several = filters(r"loss & !warm-up &  re:a & b & !")
    assert [(one.wanted.name, one.out) for one in several] == [
        ("loss", False),
        ("warm-up", True),
        ("re:a", False),
        ("b", False),
    ]
    assert filter_text(several) == "loss & !warm-up & re:a & b"
    assert filters(filter_text(several)) == several
    assert filters("  ") == ()
    assert filters("a&b")[0].wanted.name == "a&b"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("1", Place(line=0)),
        ("0", Place(line=0)),
        ("1,234", Place(line=1233)),
        ("50%", Place(fraction=0.5)),
        ("12.5%", Place(fraction=0.125)),
        ("250%", Place(fraction=1.0)),
        ("12:01", Place(clock=(12, 1, 0.0))),
        ("12:01:07", Place(clock=(12, 1, 7.0))),
        ("+5m", Place(seconds=300.0)),
        ("-1h30m", Place(seconds=-5400.0)),
        ("+1.5s", Place(seconds=1.5)),
    ],
)
def test_places(text: str, where: Place) -> None:
    assert place(f" {text} ") == where


@pytest.mark.parametrize("text", ["", "x", "25:00", "12:60", "5m", "+5", "%", "-3", "١٢", "9" * 40])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(UserError, match="not a place"):
        place(text)


def test_the_nearest_moment_with_a_time_of_day() -> None:
    midnight = time.mktime((2026, 3, 5, 0, 0, 0, 0, 0, -1))
    assert clock_near((23, 59, 0.0), midnight + 60) == midnight - 60
    assert clock_near((0, 1, 2.5), midnight - 60) == midnight + 62.5
    assert clock_near((12, 0, 0.0), midnight + 50_000) == midnight + 43_200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "+0.00s"),
        (9.999, "+10.0s"),
        (99.99, "+1:40m"),
        (3599.9, "+1:00h"),
        (90000, "+1d01h"),
        (-0.5, "-0.50s"),
        (1e12, "+999d09h"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert span_text(seconds).split("d")[0] == text.split("d")[0]
    assert len(span_text(seconds)) <= 8


def test_time_into_the_run() -> None:
    assert since_text(0) == "0:00.0"
    assert since_text(75.26) == "1:15.2"
    assert since_text(3723) == "1:02:03"
    assert since_text(-5) == "-0:05.0"


def test_whose_line_it_is() -> None:
    line = whole_line(0, b"x")
    assert short_ranks((0, 1, 2, 5, 7, 8)) == "0-2,5,7-8"
    assert rank_label(line._replace(rank=3), 6, 64) == "  [3] "
    for ranks in ((3,), (1, 2), tuple(range(0, 64, 2)), tuple(range(64))):
        told = rank_label(line._replace(rank=ranks[0], ranks=ranks), 8, 64)
        assert cell_len(told) == 8
    assert "×64" in rank_label(line._replace(rank=0, ranks=tuple(range(64))), 8, 64)
    assert "[1-2]" in rank_label(line._replace(rank=1, ranks=(1, 2)), 8, 64)
    assert "×32" in rank_label(line._replace(rank=0, ranks=tuple(range(0, 64, 2))), 8, 64)
