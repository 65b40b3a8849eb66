from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.assemble import LINE_LIMIT
from rankdeck.logs.lines import MAX_LINE
from rankdeck.logs.stream import stream_batches, stream_lines

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("chunk", [1, 3, 64, 100_000])
def test_lines_with_their_places(tmp_path: Path, chunk: int) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\n\n10%\r20%\nlast")
    lines = list(stream_lines(log, chunk=chunk))
    assert [(line.offset, line.length, line.data, line.ended) for line in lines] == [
        (0, 3, b"one", True),
        (4, 0, b"", True),
        (5, 7, b"20%", True),
        (13, 4, b"last", False),
    ]


def test_from_here_to_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\nthree\n")
    assert [line.data for line in stream_lines(log, 4, 8)] == [b"two"]
    assert list(stream_batches(log, 4, 8)) == [[b"two"]]
    assert list(stream_lines(tmp_path / "absent")) == []


def test_an_endless_line_passes_in_pieces(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    os.truncate(log, 20_000_000)
    with log.open("ab") as stream:
        stream.write(b"\nafter\n" + b"x" * 9_000_000)
    long, after, open_line = stream_lines(log)
    assert (long.length, len(long.data), long.clipped) == (20_000_000, MAX_LINE, True)
    assert (after.offset, after.data) == (20_000_001, b"after")
    assert (open_line.length, open_line.ended, open_line.clipped) == (9_000_000, False, True)
    printed = [line for lines in stream_batches(log) for line in lines]
    assert [len(line) for line in printed][:2] == [LINE_LIMIT + 4, len(printed[1])]
    assert printed[1].decode() == "… [20,000,000 bytes]"
    assert printed[2] == b"after"
    assert printed[-1].decode() == "… [9,000,000 bytes]"


def test_of_endless_progress_only_the_last_state_passes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"\r%07d of 9999999" % number for number in range(100_000)) + b"\n")
    (line,) = stream_lines(log)
    assert (line.data, line.clipped) == (b"0099999 of 9999999", False)
    assert list(stream_batches(log)) == [[b"0099999 of 9999999"]]
