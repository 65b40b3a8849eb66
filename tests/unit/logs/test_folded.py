from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.filtered import FilteredSource, Filters
from rankdeck.logs.fold import Folder, Sameness
from rankdeck.logs.folded import FoldedSource
from rankdeck.logs.handle import Change
from rankdeck.logs.merged import MergedSource
from rankdeck.logs.search import literal
from tests.unit.logs.rank_writers import Clock, Writer
from tests.unit.logs.source_walks import all_after, check_walks

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.logs.lines import LogLine

RANKS = 6
LOCAL = {rank: rank % 2 for rank in range(RANKS)}


def write_steps(writers: list[Writer], dice: random.Random, start: float, steps: int) -> float:
    """All ranks say the same at each step, some say more, some say it late."""
    time = start
    for step in range(steps):
        time += dice.choice([0.05, 0.5, 3.0])
        for writer in dice.sample(writers, len(writers)):
            rank = writer.log.rank
            text = b"[rank%d]: step %d\n" % (rank, step % 5)
            if dice.random() < 0.1:
                text += b"[rank%d]: only here %d\n" % (rank, dice.randrange(9))
            if dice.random() < 0.1:
                text += b"\n"
            writer.write(text)
            writer.note(time + dice.choice([0.0, 0.01, 0.3]))
    return time + 0.3


def source_of(writers: list[Writer], clock: Clock | None = None) -> MergedSource:
    return MergedSource([writer.log for writer in writers], limit=2000, clock=clock or Clock())


def naive(base: MergedSource) -> list[tuple[int, tuple[int, ...]]]:
    folder = Folder()
    for line in all_after(base):
        text = Sameness().text(line.data, line.rank, LOCAL[line.rank])
        folder.add(line, text, base.time_at(line.offset) or 0.0)
    return [(group.line.offset, tuple(sorted(group.ranks))) for group in folder.groups]


def who(line: LogLine) -> tuple[int, ...]:
    return line.ranks or (line.rank,)


@pytest.mark.parametrize("chunk", [300, 1500, 20_000, 1 << 20])
@pytest.mark.parametrize("seed", range(3))
def test_every_line_is_in_one_group_whatever_the_chunks(
    tmp_path: Path, chunk: int, seed: int
) -> None:
    dice = random.Random(seed)
    writers = [Writer(tmp_path, rank) for rank in range(RANKS)]
    write_steps(writers, dice, 1000.0, 40)
    base = source_of(writers)
    source = FoldedSource(base, LOCAL, chunk=chunk)
    told = check_walks(source, dice)
    plain = {line.offset: line for line in all_after(base)}
    assert sum(len(who(line)) for line in told) == len(plain)
    for line in told:
        first = plain[line.offset]
        assert (line.data, line.rank) == (first.data, first.rank)
        assert line.rank in who(line)
    if chunk > base.size:
        assert [(line.offset, who(line)) for line in told] == naive(base)


@pytest.mark.parametrize("chunk", [300, 2000, 1 << 20])
def test_while_logs_grow_lines_keep_their_places(tmp_path: Path, chunk: int) -> None:
    dice = random.Random(9)
    writers = [Writer(tmp_path, rank) for rank in range(RANKS)]
    time = write_steps(writers, dice, 1000.0, 5)
    clock = Clock()
    source = FoldedSource(source_of(writers, clock), LOCAL, chunk=chunk)
    before = all_after(source)
    for _ in range(20):
        clock.now += 1.0
        time = write_steps(writers, dice, time, 2)
        source.refresh()
        told = all_after(source)
        assert [line.offset for line in told[: len(before)]] == [line.offset for line in before]
        assert all(set(who(old)) <= set(who(new)) for old, new in zip(before, told, strict=False))
        before = told
    fresh = FoldedSource(source.base, LOCAL, chunk=chunk)
    assert all_after(fresh) == before == check_walks(source, dice)


def report(
    writers: list[Writer], clock: Clock, chunk: int | None = None
) -> tuple[FoldedSource, list[tuple[bytes, tuple[int, ...]]]]:
    source = FoldedSource(
        source_of(writers, clock), LOCAL, only_minority=True, chunk=chunk, clock=clock
    )
    return source, [(line.data, who(line)) for line in all_after(source)]


@pytest.mark.parametrize("chunk", [100, 1 << 20])
def test_the_minority_report_leaves_out_what_most_ranks_wrote(tmp_path: Path, chunk: int) -> None:
    writers = [Writer(tmp_path, rank) for rank in range(RANKS)]
    for step in range(20):
        for writer in writers:
            rank = writer.log.rank
            writer.write(b"[rank%d]: step %d\n\n" % (rank, step))
            if step == 7 and rank in (2, 4):
                writer.write(b"[rank%d]: NaN in layer 3\n" % rank)
            writer.note(1000.0 + step * 0.3 + rank / 100)
    _, told = report(writers, Clock(), chunk)
    assert told == [(b"[rank2]: NaN in layer 3", (2, 4))]


@pytest.mark.parametrize("chunk", [400, 3000, 1 << 20])
def test_the_minority_report_is_the_same_whatever_the_chunks(tmp_path: Path, chunk: int) -> None:
    dice = random.Random(3)
    writers = [Writer(tmp_path, rank) for rank in range(RANKS)]
    for step in range(60):
        for writer in writers:
            # what is said again within two seconds goes with what was said before
            writer.write(b"step %d\n" % step if dice.random() < 0.8 else b"odd %d\n" % step)
            writer.note(1000.0 + step * 0.7 + dice.random() / 20)
    source, told = report(writers, Clock(), chunk)
    base = source.base
    assert isinstance(base, MergedSource)
    said: dict[bytes, set[int]] = {}
    for line in all_after(base):
        said.setdefault(line.data, set()).add(line.rank)
    expected = {data for data, ranks in said.items() if 2 * len(ranks) < RANKS}
    assert {data for data, _ in told} == expected


def test_a_minority_is_one_only_when_the_others_had_time_to_say_it_too(tmp_path: Path) -> None:
    clock = Clock()
    writers = [Writer(tmp_path, rank) for rank in range(RANKS)]
    for writer in writers:
        writer.write(b"hello\n")
        writer.note(1000.0)
    source, told = report(writers, clock)
    assert told == []
    writers[0].write(b"step 1\nodd\n")
    writers[0].note(1001.0)
    for clock.now in (0.5, 1.5):
        source.refresh()
        assert all_after(source) == []
    for writer in writers[1:]:
        writer.write(b"step 1\n")
        writer.note(1001.3)
    for clock.now in (2.0, 3.0, 4.0):
        source.refresh()
    clock.now = 5.1
    assert source.refresh() is Change.GREW
    assert [line.data for line in all_after(source)] == [b"odd"]
    assert source.refresh() is Change.SAME


def test_a_filtered_log_can_be_folded_and_searched(tmp_path: Path) -> None:
    dice = random.Random(4)
    writers = [Writer(tmp_path, rank) for rank in range(RANKS)]
    write_steps(writers, dice, 1000.0, 60)
    base = FilteredSource(source_of(writers), Filters((literal("step 3"),)))
    source = FoldedSource(base, LOCAL, chunk=2000)
    told = check_walks(source, dice)
    assert len(told) < 60
    assert {line.data[7:] for line in told} == {b": step 3"}
    for backward in (False, True):
        steps = list(source.search(literal("rank2"), 0, source.size, backward=backward))
        steps = steps[::-1] if backward else steps
        assert [hit.offset for step in steps for hit in step.hits] == [
            line.offset for line in told if b"rank2" in line.data
        ]


def test_a_replaced_log_is_folded_anew(tmp_path: Path) -> None:
    writers = [Writer(tmp_path, rank) for rank in range(2)]
    for writer in writers:
        writer.write(b"same\n")
        writer.note(10.0)
    source = FoldedSource(source_of(writers), LOCAL)
    assert [who(line) for line in all_after(source)] == [(0, 1)]
    writers[1].replace(b"other\n")
    assert source.refresh() is Change.RESET
    assert sorted(who(line) for line in all_after(source)) == [(0,), (1,)]
