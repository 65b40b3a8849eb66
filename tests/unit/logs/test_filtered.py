from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.filtered import FilteredSource, Filters
from rankdeck.logs.handle import Change
from rankdeck.logs.lines import last_state
from rankdeck.logs.plain_source import FileSource
from rankdeck.logs.search import expression, literal
from tests.unit.logs.source_walks import all_after, all_before, check_walks

if TYPE_CHECKING:
    from pathlib import Path

FILTERS = [
    Filters(),
    Filters((literal("ab"),)),
    Filters((literal("AB", ignore_case=True), expression("c|dd"))),
    Filters((expression("^a"),), (literal("b"),)),
    Filters((), (literal("a"), expression("[cd]$"))),
    Filters((expression("ab|ba|dd"),), (expression("a b"),)),
    Filters((literal("nowhere"),)),
    Filters((), (expression("^$"), expression("^[abc]"))),
    Filters((expression(r"(?<!a)b"),), (expression(r"(.)\1"),)),
    Filters((), (expression("a(?!b)"), literal("D", ignore_case=True))),
]


def names(filters: Filters) -> str:
    return (
        "+".join(q.text for q in filters.wanted) + "-" + "-".join(q.text for q in filters.unwanted)
    )


def shown(filters: Filters, text: bytes) -> list[bytes]:
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    states = [last_state(line) for line in lines]
    return [state for state, passes in zip(states, filters.passing(states), strict=True) if passes]


@pytest.mark.parametrize("filters", FILTERS, ids=names)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_walk_tells_the_lines_that_pass(tmp_path: Path, filters: Filters, seed: int) -> None:
    dice = random.Random(seed)
    alphabet = "abcdefghijkl " if seed == 2 else "abcd \r"
    ends = "\r\n" if seed == 3 else "\n"
    log = tmp_path / "log"
    text = b""
    ticks = itertools.count()
    # a clock that has moved on whenever it is looked at: each call ends after one piece
    source = FilteredSource(FileSource(log), filters, budget=1, clock=lambda: next(ticks))
    for size in (0, 5, 60, 150):
        lines = ["".join(dice.choices(alphabet, k=dice.randrange(20))) for _ in range(size)]
        text += ends.join(lines).encode() + b"\n" * dice.randrange(2)
        log.write_bytes(text)
        source.refresh()
        told = check_walks(source, dice)
        assert [line.data for line in told] == shown(filters, text)
        numbers = [text.count(b"\n", 0, line.offset) for line in told]
        source.index_some()
        assert [source.line_at(line.offset) for line in told] == numbers


@pytest.mark.parametrize("filters", FILTERS, ids=names)
def test_following_a_growing_log_loses_nothing(tmp_path: Path, filters: Filters) -> None:
    dice = random.Random(3)
    log = tmp_path / "log"
    text = "".join(dice.choices("abcd\n", k=3000)).encode()
    source = FilteredSource(FileSource(log), filters)
    followed: list[bytes] = []
    position = written = 0
    while written < len(text):
        with log.open("ab") as stream:
            written += stream.write(text[written : written + dice.randrange(1, 40)])
        source.refresh()
        lines = source.after(position, 1000)
        assert not lines.more
        followed += [line.data for line in lines if line.ended]
        position = lines.looked_to
    with log.open("ab") as stream:
        stream.write(b"\n")
    source.refresh()
    followed += [line.data for line in source.after(position, 10)]
    assert followed == shown(filters, text + b"\n")


def test_the_end_of_a_big_log_is_there_at_once_and_looking_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"needle\n" + b"hay in the stack\n" * 400_000 + b"needle last\n")
    ticks = itertools.count()
    source = FilteredSource(
        FileSource(log), Filters((literal("needle"),)), budget=1, clock=lambda: next(ticks)
    )
    lines = source.before(source.size, 10)
    assert [line.data for line in lines] == [b"needle last"]
    assert lines.more
    assert 0 < lines.looked_to < source.size
    assert source.size - lines.looked_to <= 1 << 20
    assert [line.data for line in all_before(source)] == [b"needle", b"needle last"]


def test_what_hides_in_a_long_line_counts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 50_000 + b"needle" + b"x" * 3_000_000 + b"\nother\n")
    wanted = FilteredSource(FileSource(log), Filters((literal("needle"),)))
    assert [line.length for line in all_after(wanted)] == [3_050_006]
    unwanted = FilteredSource(FileSource(log), Filters((), (expression("need[l]e"),)))
    assert [line.data for line in all_before(unwanted)] == [b"other"]


def test_a_replaced_log_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old a\n" * 10)
    source = FilteredSource(FileSource(log), Filters((literal("a"),)))
    log.write_bytes(b"new a\nnew b\n")
    assert source.refresh() is Change.RESET
    assert [line.data for line in all_after(source)] == [b"new a"]


def test_a_search_finds_only_what_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a 1\nb 1\na 2\n" * 3)
    source = FilteredSource(FileSource(log), Filters((literal("a"),)))
    for backward in (False, True):
        steps = source.search(literal("1"), 0, source.size, backward=backward)
        assert [hit.offset for step in steps for hit in step.hits] == [0, 12, 24]


def test_what_has_been_looked_through_is_not_looked_through_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"needle\n" + b"hay in the stack\n" * 100_000)
    ticks = itertools.count()
    source = FilteredSource(
        FileSource(log), Filters((literal("needle"),)), budget=1, clock=lambda: next(ticks)
    )
    assert source.before(source.size, 10).more
    all_before(source)
    with log.open("ab") as stream:
        stream.write(b"needle again\nunfinished needle")
    source.refresh()
    pages = []
    position, more = source.size, True
    while more:
        lines = source.before(position, 10)
        pages.append([line.data for line in lines])
        position, more = lines.looked_to, lines.more
    assert len(pages) <= 4
    assert [line for page in reversed(pages) for line in page] == [
        b"needle",
        b"needle again",
        b"unfinished needle",
    ]
