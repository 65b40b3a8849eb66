from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rankdeck.logs.merge import line_ends, merged_lines
from rankdeck.logs.sources import RankLog
from rankdeck.logs.tail import Follower

if TYPE_CHECKING:
    from pathlib import Path


def rank_log(folder: Path, rank: int, bursts: list[tuple[float, bytes]] | None) -> RankLog:
    """A log written in bursts, each with its sample."""
    log = RankLog(rank, "n0", rank, 0, folder / f"rank-{rank}.log", folder / f"rank-{rank}.times")
    if bursts is None:
        return log
    size = 0
    pairs = []
    for time, text in bursts:
        size += len(text)
        pairs.append(struct.pack("<dQ", time, size))
    log.path.write_bytes(b"".join(text for _, text in bursts))
    log.times.write_bytes(b"".join(pairs))
    return log


def told(logs: list[RankLog]) -> list[tuple[int, str]]:
    return [(item.rank, item.line.data.decode()) for item in merged_lines(logs)]


def test_lines_of_all_ranks_come_in_the_order_of_time(tmp_path: Path) -> None:
    logs = [
        rank_log(tmp_path, 0, [(10.0, b"a\n"), (12.0, b"c\n"), (12.1, b"e\n")]),
        rank_log(tmp_path, 1, [(11.0, b"b\n"), (12.05, b"d\n")]),
        rank_log(tmp_path, 2, None),
    ]
    assert "".join(text for _, text in told(logs)) == "abcde"
    times = [item.time for item in merged_lines(logs)]
    assert times == sorted(times)


def test_a_rank_keeps_its_order_and_equal_times_go_by_rank(tmp_path: Path) -> None:
    logs = [rank_log(tmp_path, rank, [(10.0, b"x\ny\n"), (10.0, b"z\n")]) for rank in (0, 1)]
    assert told(logs) == [(0, "x"), (1, "x"), (0, "y"), (1, "y"), (0, "z"), (1, "z")]


def test_a_traceback_stays_in_one_piece(tmp_path: Path) -> None:
    trace = (
        b"[rank0]: Traceback (most recent call last):\n"
        b'[rank0]:   File "a.py", line 1, in <module>\n'
        b"[rank0]:     f()\n"
        b"[rank0]: KeyError: 'lr'\n"
        b"\n"
        b"[rank0]: During handling of the above exception, another exception occurred:\n"
        b"\n"
        b"[rank0]: Traceback (most recent call last):\n"
        b'[rank0]:   File "a.py", line 3, in <module>\n'
        b"[rank0]: ValueError: boom\n"
    )
    logs = [
        rank_log(tmp_path, 0, [(10.0, trace), (10.1, b"after\n")]),
        rank_log(tmp_path, 1, [(10.0, b"step\n" * 20)]),
    ]
    merged = told(logs)
    first = merged.index((0, "[rank0]: Traceback (most recent call last):"))
    assert [rank for rank, _ in merged[first : first + 10]] == [0] * 10
    assert merged[-1] == (0, "after")


def test_a_log_without_times_stands_where_it_was_last_written(tmp_path: Path) -> None:
    logs = [rank_log(tmp_path, 0, [(10.0, b"a\n")]), rank_log(tmp_path, 1, [(10.0, b"b\n")])]
    logs[0].times.unlink()
    assert told(logs) == [(1, "b"), (0, "a")]


def test_a_clock_set_back_does_not_disorder_a_rank(tmp_path: Path) -> None:
    logs = [
        rank_log(tmp_path, 0, [(20.0, b"a\n"), (10.0, b"b\n"), (5.0, b"d\n")]),
        rank_log(tmp_path, 1, [(15.0, b"c\n")]),
    ]
    assert told(logs) == [(1, "c"), (0, "a"), (0, "b"), (0, "d")]
    assert [item.time for item in merged_lines(logs)] == sorted(
        item.time for item in merged_lines(logs)
    )


def test_following_goes_on_where_the_merge_ended(tmp_path: Path) -> None:
    log = rank_log(tmp_path, 3, [(10.0, b"one\ntwo\nunfini")])
    ends = line_ends([log, rank_log(tmp_path, 4, None)])
    assert ends == {3: 8, 4: 0}
    assert [item.line.data for item in merged_lines([log], ends)] == [b"one", b"two"]
    follower = Follower()
    follower.add(3, log.path, ends[3])
    with log.path.open("ab") as stream:
        stream.write(b"shed\n")
    assert follower.poll() == [(3, [b"unfinished"])]
    follower.close()
