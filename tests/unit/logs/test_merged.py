from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.handle import Change
from rankdeck.logs.lines import last_state
from rankdeck.logs.merge import merged_lines
from rankdeck.logs.merged import MergedSource
from rankdeck.logs.search import literal
from tests.unit.logs.rank_writers import Clock, Writer
from tests.unit.logs.source_walks import all_after, all_before, check_walks

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.logs.lines import LogLine

TRACE = b'Traceback (most recent call last):\n  File "a.py", line 1\n    f()\nKeyError: 1\n'


def some_lines(dice: random.Random, most: int = 6) -> bytes:
    kinds = dice.choices(
        ["line", "trace", "long", "progress"], [30, 2, 1, 1], k=dice.randrange(most)
    )
    pieces = {
        "line": lambda: b"".join(dice.choices([b"a", b"b ", b"step"], k=dice.randrange(8))) + b"\n",
        "trace": lambda: TRACE,
        "long": lambda: b"x" * 900 + b"\n",
        "progress": lambda: b"10\r20\r%d\n" % dice.randrange(100),
    }
    return b"".join(pieces[kind]() for kind in kinds)


def write_history(
    folder: Path, dice: random.Random, ranks: int = 4, bursts: int = 60
) -> list[Writer]:
    """Logs as they are when all is over."""
    writers = [
        Writer(folder, rank, clock_ahead=dice.choice([0.0, 5.0, -3.0])) for rank in range(ranks)
    ]
    time = 1000.0
    for _ in range(bursts):
        time += dice.choice([0.0, 0.1, 0.1, 0.3, 5.0, 100.0])
        for writer in dice.sample(writers, dice.randrange(ranks + 1)):
            writer.write(some_lines(dice))
            writer.note(time)
    return writers


def own_lines(writer: Writer) -> list[bytes]:
    lines = writer.text.split(b"\n")
    return [last_state(line) for line in (lines[:-1] if not lines[-1] else lines)]


def of_rank(lines: list[LogLine], rank: int) -> list[bytes]:
    return [line.data for line in lines if line.rank == rank]


@pytest.mark.parametrize("limit", [200, 3000, 1 << 20])
@pytest.mark.parametrize("seed", range(2))
def test_what_is_there_is_told_by_time_from_anywhere(tmp_path: Path, limit: int, seed: int) -> None:
    dice = random.Random(seed)
    writers = write_history(tmp_path, dice)
    logs = [writer.log for writer in writers]
    source = MergedSource(logs, limit=limit)
    told = check_walks(source, dice)
    expected = list(merged_lines(logs))
    assert [(line.rank, line.data) for line in told] == [
        (item.rank, item.line.data) for item in expected
    ]
    assert source.size == sum(len(writer.text) for writer in writers)
    for line, item in zip(told, expected, strict=True):
        origin = source.origin(line.offset)
        assert origin is not None
        assert (origin.rank, origin.offset) == (item.rank, item.line.offset)
        assert source.time_at(line.offset) == pytest.approx(item.time)
        assert source.position_of(item.rank, item.line.offset) == line.offset


@pytest.mark.parametrize("limit", [2500, 20_000])
def test_so_many_ranks_that_not_all_are_asked_first(tmp_path: Path, limit: int) -> None:
    dice = random.Random(8)
    writers = [Writer(tmp_path, rank) for rank in range(160)]
    for writer in writers:
        # some say much, some next to nothing, some without times
        time, often = 1000.0, dice.choice([1, 3, 20])
        for _ in range(often):
            time += dice.random() * 60 / often
            writer.write(some_lines(dice))
            if writer.log.rank % 9:
                writer.note(time)
    logs = [writer.log for writer in writers]
    expected = [(item.rank, item.line.data) for item in merged_lines(logs)]
    source = MergedSource(logs, limit=limit)
    middle = source.position_near(dice.random())
    told = all_before(source, middle) + all_after(source, middle)
    assert [(line.rank, line.data) for line in told] == expected


@pytest.mark.parametrize("limit", [200, 5000])
def test_lines_have_numbers_once_they_have_been_counted(tmp_path: Path, limit: int) -> None:
    dice = random.Random(7)
    writers = write_history(tmp_path, dice)
    source = MergedSource([writer.log for writer in writers], limit=limit)
    told = all_after(source)
    assert source.line_at(told[3].offset) is None
    while not source.index_some(500):
        assert source.indexed_part < 1
    assert source.line_count == len(told)
    for number in dice.sample(range(len(told)), 20):
        assert source.line_at(told[number].offset) == number
        assert source.offset_of(number) == told[number].offset
    with pytest.raises(IndexError):
        source.offset_of(len(told))


@pytest.mark.parametrize("limit", [300, 1 << 20])
def test_places_are_found_by_time_and_by_part(tmp_path: Path, limit: int) -> None:
    dice = random.Random(5)
    source = MergedSource([w.log for w in write_history(tmp_path, dice)], limit=limit)
    told = all_after(source)
    times = [source.time_at(line.offset) or 0.0 for line in told]
    assert times == sorted(times)
    for time in (0.0, *dice.sample(times, 10), times[-1] + 1):
        expected = next((n for n, known in enumerate(times) if known >= time), None)
        expected_position = source.size if expected is None else told[expected].offset
        assert source.position_at(time) == expected_position
    places = [line.offset for line in told]
    for part in (0.0, 0.3, 0.77, 1.0):
        assert source.position_near(part) in (*places, source.size)
        assert abs(source.position_near(part) - part * source.size) < 1000


@pytest.mark.parametrize("limit", [300, 4000, 1 << 20])
@pytest.mark.parametrize("seed", range(2))
def test_while_logs_grow_nothing_is_lost_and_everything_keeps_its_place(
    tmp_path: Path, limit: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nothing is remembered: what is told again is read again
    monkeypatch.setattr("rankdeck.logs.merged._KEPT", 0)
    dice = random.Random(100 + seed)
    writers = write_history(tmp_path, dice, bursts=10)
    clock = Clock()
    source = MergedSource([writer.log for writer in writers], limit=limit, clock=clock)
    before = all_after(source)
    followed: list[LogLine] = []
    position = source.size
    time = 5000.0
    for turn in range(120):
        clock.now += dice.choice([0.02, 0.1, 0.5])
        time += dice.choice([0.02, 0.1, 0.5])
        for writer in dice.sample(writers, dice.randrange(len(writers) + 1)):
            text = some_lines(dice)
            cut = dice.choice([len(text), len(text), dice.randrange(len(text) + 1)])
            writer.write(text[:cut])
            if dice.random() < 0.8:
                # a time may come late, or from a clock that was set back
                writer.note(time - dice.choice([0, 0, 0.05, 1.0]))
            if turn > 100:
                writer.write(b"\n")
        source.refresh()
        lines = source.after(position, 100_000)
        assert not lines.more
        followed += lines
        position = lines.looked_to
        if turn % 20 == 0:
            told = all_after(source)
            assert told[: len(before)] == before
            assert told == all_before(source, count=7)
            before = told
    for writer in writers:
        writer.write(b"\nlast\n")
    for _ in range(3):
        clock.now += 1.0
        source.refresh()
    followed += source.after(position, 100_000)
    told = check_walks(source, dice)
    assert told[: len(before)] == before
    assert told[-len(followed) :] == followed
    for writer in writers:
        # a line that rested unfinished is told in two pieces
        joined = b"\n".join(own_lines(writer)).replace(b"\n", b"")
        assert b"".join(of_rank(told, writer.log.rank)).replace(b"\n", b"") == joined or (
            b"\r" in writer.text
        )
        size = sum(line.end - line.offset for line in told if line.rank == writer.log.rank)
        assert size == len(writer.text)


def test_a_line_waits_for_its_end_and_for_others_but_not_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    first, second = Writer(tmp_path, 0), Writer(tmp_path, 1)
    source = MergedSource([first.log, second.log], clock=clock)
    assert not source.exists
    first.write(b"half")
    assert source.refresh() is Change.SAME
    clock.now = 0.8
    assert source.refresh() is Change.SAME
    first.write(b" and half\n")
    assert source.refresh() is Change.GREW
    assert [line.data for line in all_after(source)] == [b"half and half"]
    second.write(b"last words")
    source.refresh()
    clock.now = 1.7
    assert source.refresh() is Change.SAME
    clock.now = 3.0
    source.refresh()
    assert [(line.rank, line.data, line.ended) for line in all_after(source)] == [
        (0, b"half and half", True),
        (1, b"last words", False),
    ]


def test_lines_with_known_times_come_in_order_although_seen_late(tmp_path: Path) -> None:
    clock = Clock()
    first, second = Writer(tmp_path, 0), Writer(tmp_path, 1)
    source = MergedSource([first.log, second.log], clock=clock)
    second.write(b"late\n")
    second.note(10.05)
    source.refresh()
    clock.now = 0.1
    first.write(b"early\n")
    first.note(10.0)
    source.refresh()
    clock.now = 0.2
    for writer in (first, second):
        writer.write(b"next\n")
        writer.note(10.6)
    source.refresh()
    assert [line.data for line in all_after(source)] == [b"early", b"late"]


def test_a_replaced_log_begins_anew(tmp_path: Path) -> None:
    writers = write_history(tmp_path, random.Random(1))
    source = MergedSource([writer.log for writer in writers])
    writers[2].replace(b"new\n")
    assert source.refresh() is Change.RESET
    told = all_after(source)
    assert of_rank(told, 2) == [b"new"]
    assert of_rank(told, 1) == own_lines(writers[1])


def test_logs_without_times_stand_rank_by_rank(tmp_path: Path) -> None:
    writers = [Writer(tmp_path, rank) for rank in range(3)]
    for writer in writers:
        writer.write(b"".join(b"%d\n" % number for number in range(700)))
    source = MergedSource([writer.log for writer in writers], limit=1000)
    told = check_walks(source, random.Random(0))
    for writer in writers:
        assert of_rank(told, writer.log.rank) == own_lines(writer)


def test_a_line_longer_than_a_segment(tmp_path: Path) -> None:
    first, second = Writer(tmp_path, 0), Writer(tmp_path, 1)
    first.write(b"a\n" + b"x" * 3_000_000 + b"\nb\n")
    first.note(10.0)
    second.write(b"y\n")
    second.note(10.0)
    source = MergedSource([first.log, second.log], limit=1000)
    told = check_walks(source, random.Random(0))
    assert sorted((line.rank, line.length) for line in told) == [
        (0, 1),
        (0, 1),
        (0, 3_000_000),
        (1, 1),
    ]


@pytest.mark.parametrize("limit", [300, 1 << 20])
def test_a_search_finds_the_lines_in_order_both_ways(tmp_path: Path, limit: int) -> None:
    dice = random.Random(2)
    source = MergedSource([w.log for w in write_history(tmp_path, dice)], limit=limit)
    told = all_after(source)
    for text in ("stepb", "KeyError", "nowhere", "x"):
        expected = [line.offset for line in told if text.encode() in line.data]
        for begin, end in ((0, source.size), (told[5].offset, told[-5].offset)):
            inside = [place for place in expected if begin <= place < end]
            steps = list(source.search(literal(text), begin, end))
            assert [hit.offset for step in steps for hit in step.hits] == inside
            assert [step.searched for step in steps] == sorted({step.searched for step in steps})
            assert steps[-1].searched == end
            back = list(source.search(literal(text), begin, end, backward=True))
            assert [hit.offset for step in reversed(back) for hit in step.hits] == inside
            assert back[-1].searched == begin


def test_few_files_are_open_however_many_ranks(tmp_path: Path) -> None:
    import os

    writers = [Writer(tmp_path, rank) for rank in range(400)]
    for writer in writers:
        writer.write(b"one\ntwo\n")
        writer.note(10.0 + writer.log.rank / 1000)
    held = len(os.listdir("/proc/self/fd"))
    source = MergedSource([writer.log for writer in writers])
    assert len(all_before(source)) == 800
    assert len(os.listdir("/proc/self/fd")) - held <= 256
    source.close()
    assert len(os.listdir("/proc/self/fd")) <= held
