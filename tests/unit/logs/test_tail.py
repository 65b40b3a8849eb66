from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.assemble import LINE_LIMIT
from rankdeck.logs.tail import Batch, Follower

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def finish(follower: Follower) -> dict[int, list[bytes]]:
    lines: dict[int, list[bytes]] = {}
    for batch in follower.finish():
        for rank, some in batch:
            lines.setdefault(rank, []).extend(some)
    follower.close()
    return lines


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def follower(clock: Clock) -> Follower:
    return Follower(clock)


def test_new_lines_of_many_files_come_by_rank(tmp_path: Path, follower: Follower) -> None:
    logs = {rank: tmp_path / f"rank-{rank}.log" for rank in (2, 0, 1)}
    for rank, log in logs.items():
        log.touch()
        follower.add(rank, log)
    assert follower.poll() == []
    append(logs[1], b"one\ntw")
    append(logs[0], b"zero\n")
    assert follower.poll() == [(0, [b"zero"]), (1, [b"one"])]
    append(logs[1], b"o\n")
    assert follower.poll() == [(1, [b"two"])]
    assert not follower.behind


def test_a_file_that_comes_later_is_read_from_its_begin(tmp_path: Path, follower: Follower) -> None:
    log = tmp_path / "log"
    follower.add(7, log)
    assert follower.poll() == []
    append(log, b"first\n")
    assert follower.poll() == [(7, [b"first"])]


def test_following_may_begin_anywhere(tmp_path: Path, follower: Follower) -> None:
    log = tmp_path / "log"
    append(log, b"old\nnew\n")
    follower.add(0, log, start=4)
    assert follower.poll() == [(0, [b"new"])]


def test_all_of_many_absent_files_are_found(tmp_path: Path, follower: Follower) -> None:
    logs = [tmp_path / f"{rank}" for rank in range(600)]
    for rank, log in enumerate(logs):
        follower.add(rank, log)
    append(logs[599], b"last\n")
    seen: Batch = []
    for _ in range(3):
        seen += follower.poll()
    assert seen == [(599, [b"last"])]


@pytest.mark.parametrize("size", [64 * 1024 * 16, 64 * 1024 * 16 * 3 + 5])
def test_one_poll_is_bounded_and_says_when_there_is_more(
    tmp_path: Path, follower: Follower, size: int
) -> None:
    log = tmp_path / "log"
    append(log, b"0123456789abcde\n" * (size // 16))
    follower.add(0, log)
    ((_, lines),) = follower.poll()
    assert len(lines) * 16 <= 64 * 1024 * 16
    assert follower.behind
    rest = finish(follower).get(0, [])
    assert len(lines) + len(rest) == size // 16


def test_the_end_brings_everything_unfinished_lines_too(tmp_path: Path, follower: Follower) -> None:
    log, late = tmp_path / "log", tmp_path / "late"
    append(log, b"one\ntwo")
    follower.add(0, log)
    follower.add(1, late)
    follower.poll()
    append(late, b"came at the end")
    assert finish(follower) == {0: [b"two"], 1: [b"came at the end"]}


def test_an_unfinished_line_is_shown_after_a_while(
    tmp_path: Path, follower: Follower, clock: Clock
) -> None:
    log = tmp_path / "log"
    append(log, b"loading ...")
    follower.add(0, log)
    assert follower.poll() == []
    clock.now += 5.0
    assert follower.poll() == [(0, [b"loading ..."])]
    assert follower.poll() == []


def test_progress_is_shown_a_few_times_a_second(
    tmp_path: Path, follower: Follower, clock: Clock
) -> None:
    log = tmp_path / "log"
    log.touch()
    follower.add(0, log)
    shown = []
    for percent in range(101):
        append(log, b"\r%d%%" % percent)
        clock.now += 0.02
        shown += [line for _, lines in follower.poll() for line in lines]
    append(log, b"\ndone\n")
    shown += [line for _, lines in follower.poll() for line in lines]
    assert shown[-2:] == [b"100%", b"done"]
    assert 4 <= len(shown) <= 10


def test_a_truncated_file_is_read_anew(tmp_path: Path, follower: Follower, clock: Clock) -> None:
    log = tmp_path / "log"
    append(log, b"old line\nand another\n")
    follower.add(0, log)
    follower.poll()
    log.write_bytes(b"new\n")
    clock.now += 2.0
    assert follower.poll() == []
    assert follower.behind
    assert follower.poll() == [(0, [b"new"])]


def test_a_replaced_file_is_read_anew_after_the_old_one(
    tmp_path: Path, follower: Follower, clock: Clock
) -> None:
    log, old = tmp_path / "log", tmp_path / "old"
    append(log, b"one\n")
    follower.add(0, log)
    follower.poll()
    log.rename(old)
    append(old, b"last words")
    append(log, b"new\n")
    assert follower.poll() == []
    clock.now += 2.0
    assert follower.poll() == [(0, [b"last words"])]
    assert follower.poll() == [(0, [b"new"])]


def test_200_mb_without_a_newline_pass_in_bounded_memory(
    tmp_path: Path, follower: Follower
) -> None:
    log = tmp_path / "log"
    append(log, b"begin\n")
    os.truncate(log, 200_000_000)
    append(log, b"\nend\n")
    follower.add(0, log)
    lines = finish(follower)[0]
    assert [len(line) for line in lines] == [5, LINE_LIMIT + 4, len(lines[2]), 3]
    assert lines[2].decode() == "… [199,999,994 bytes]"


def test_more_files_than_the_soft_limit_allows(
    tmp_path: Path, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1024:
        pytest.skip("the hard limit of open files is too low")
    # other tests of this process may still hold some
    held = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + 64, hard))
    try:
        for rank in range(200):
            append(tmp_path / f"{rank}", b"x\n")
            follower.add(rank, tmp_path / f"{rank}")
        assert len(follower.poll()) == 200
    finally:
        follower.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_of_very_many_files_the_silent_ones_are_read_less_often_and_none_is_forgotten(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankdeck.logs.tail._MANY", 10)
    follower = Follower(clock)
    logs = [tmp_path / f"{rank}" for rank in range(20)]
    for rank, log in enumerate(logs):
        log.touch()
        follower.add(rank, log)

    def polls_until_seen(log: Path) -> int:
        append(log, b"line\n")
        for polls in range(1, 20):
            clock.now += 0.25
            if follower.poll():
                return polls
        raise AssertionError("never seen")

    follower.poll()
    assert polls_until_seen(logs[3]) == 1
    for silent, most in ((10.0, 2), (100.0, 4)):
        clock.now += silent
        follower.poll()
        assert 1 < polls_until_seen(logs[5]) <= most
        assert polls_until_seen(logs[5]) == 1
    clock.now += 100.0
    follower.poll()
    append(logs[7], b"last words")
    assert finish(follower) == {7: [b"last words"]}


def test_what_has_been_taken_has_been_read_and_the_rest_comes_later(
    tmp_path: Path, follower: Follower
) -> None:
    for rank in range(3):
        append(tmp_path / f"{rank}", b"%d\n" % rank)
        follower.add(rank, tmp_path / f"{rank}")
    assert next(follower.each()) == (0, [b"0"])
    assert follower.poll() == [(1, [b"1"]), (2, [b"2"])]
