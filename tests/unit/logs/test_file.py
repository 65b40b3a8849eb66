from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.file import Change, LogFile
from rankdeck.logs.handle import Handle
from rankdeck.logs.index import BLOCK, BlockIndex
from rankdeck.logs.lines import MAX_LINE

if TYPE_CHECKING:
    from pathlib import Path

    from rankdeck.logs.lines import LogLine


def lengths(lines: list[LogLine]) -> list[int]:
    return [line.length for line in lines]


def index_all(file: LogFile, budget: int = 1 << 20) -> None:
    while not file.index_some(budget):
        pass


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each read of a log asked for."""
    asked: list[int] = []
    read = Handle.read

    def counted(self: Handle, offset: int, size: int) -> bytes:
        asked.append(size)
        return read(self, offset, size)

    monkeypatch.setattr(Handle, "read", counted)
    return asked


def random_lines(dice: random.Random) -> list[bytes]:
    count = dice.choice([0, 1, 2, 40, 3000])
    sizes = [0, 1, 20, 90, 90, 90, MAX_LINE, BLOCK - 1, BLOCK, 3 * BLOCK + 5]
    weights = [9, 9, 9, 99, 99, 99, 0.3, 0.3, 0.3, 0.3]
    return [
        dice.randbytes(size // 2).hex().encode() for size in dice.choices(sizes, weights, k=count)
    ]


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("ended", [True, False])
def test_lines_are_found_by_number_and_by_place(tmp_path: Path, seed: int, ended: bool) -> None:
    dice = random.Random(seed)
    expected = random_lines(dice)
    log = tmp_path / "log"
    log.write_bytes(b"\n".join(expected) + (b"\n" if ended and expected else b""))
    if not ended and expected and not expected[-1]:
        expected.pop()
    sizes = [len(line) for line in expected]
    file = LogFile(log)
    assert lengths(file.tail(30)) == sizes[-30:]
    index_all(file, dice.choice([1000, BLOCK, 10 * BLOCK]))
    assert file.line_count == len(expected)
    for _ in range(20):
        start, count = dice.randrange(len(expected) + 2), dice.randrange(1, 50)
        found = file.lines(start, count)
        assert lengths(found) == sizes[start : start + count]
        for number, line in enumerate(found, start):
            assert expected[number].startswith(line.data)
            assert line.clipped == (line.length > MAX_LINE)
            assert (file.line_at(line.offset), file.offset_of(number)) == (number, line.offset)
        if found:
            above = file.before(found[0].offset, 5)
            assert lengths(above) == sizes[max(0, start - 5) : start]


def test_opening_at_the_end_reads_a_screen_not_the_file(tmp_path: Path, reads: list[int]) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a line like many others\n" * 2_000_000)
    file = LogFile(log)
    assert len(file.tail(50)) == 50
    assert sum(reads) < 4 * BLOCK
    assert not file.indexed


def test_the_index_is_built_in_steps_of_the_budget(tmp_path: Path, reads: list[int]) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"0123456789\n" * 100_000)
    file = LogFile(log)
    reads.clear()
    assert not file.index_some(100_000)
    assert sum(reads) == file.indexed_bytes == 100_000
    index_all(file)
    assert (file.indexed, file.line_count) == (True, 100_000)


def test_the_index_takes_eight_bytes_a_block() -> None:
    index = BlockIndex()
    for _ in range(100):
        index.feed(b"\n" * BLOCK)
    assert index.lines == 100 * BLOCK
    assert len(index._totals) == 100


def test_a_line_of_200_mb_is_read_in_bounded_pieces(tmp_path: Path, reads: list[int]) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    size = 200_000_000
    os.truncate(log, len(b"before\n") + size)
    with log.open("ab") as stream:
        stream.write(b"\nafter\n")
    file = LogFile(log)

    part, last = file.tail(2)
    assert (part.exact, part.ended, part.clipped) == (False, True, True)
    assert (last.data, part.end) == (b"after", last.offset)
    assert max(reads) <= 1 << 20
    assert sum(reads) < size / 4

    index_all(file)
    reads.clear()
    long, after = file.lines(1, 2)
    assert (long.length, long.exact, long.clipped, len(long.data)) == (size, True, True, MAX_LINE)
    assert long.mark == " … [200,000,000 bytes]"
    assert (after.data, after.mark) == (b"after", "")
    assert [line.length for line in file.tail(3)] == [6, size, 5]
    assert sum(reads) < 32 * BLOCK


def test_an_endless_line_without_an_index_is_shown_in_part(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    os.truncate(log, 150_000_000)
    (line,) = LogFile(log).tail(1)
    assert (line.exact, line.ended, line.clipped) == (False, False, True)
    assert line.mark.endswith("bytes or more]")
    (line,) = LogFile(log).after(0, 1)
    assert (line.exact, line.clipped) == (False, True)


def test_of_a_progress_line_the_last_state_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    states = b"\r".join(b"%3d%%|####    |" % percent for percent in range(101))
    log.write_bytes(b"begin\r\n" + states + b"\n" + (states + b"\r") * 1000)
    lines = LogFile(log).after(0, 9)
    assert [line.data for line in lines] == [b"begin", b"100%|####    |", b"100%|####    |"]
    assert not any(line.clipped for line in lines)


def test_a_clipped_line_is_cut_between_characters(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"ab" + "训".encode() * 100_000)
    (line,) = LogFile(log).tail(1)
    assert line.data.decode().strip("训") == "ab"
    assert MAX_LINE - 4 < len(line.data) <= MAX_LINE


def test_growth_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    file = LogFile(log)
    assert (file.exists, file.refresh(), file.tail(5)) == (False, Change.SAME, [])
    log.write_bytes(b"one\ntw")
    assert file.refresh() is Change.RESET
    index_all(file)
    assert (file.line_count, [line.data for line in file.tail(5)]) == (2, [b"one", b"tw"])
    with log.open("ab") as stream:
        stream.write(b"o\nthree\n")
    assert file.refresh() is Change.GREW
    assert not file.indexed
    index_all(file)
    assert [line.data for line in file.lines(0, 9)] == [b"one", b"two", b"three"]
    assert file.refresh() is Change.SAME


@pytest.mark.parametrize("content", [b"new\n", b"new and longer than the old one was\n" * 9])
def test_truncation_begins_anew(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old line\n" * 10)
    file = LogFile(log)
    index_all(file)
    with log.open("wb") as stream:
        stream.write(content)
    assert file.refresh() is Change.RESET
    index_all(file)
    assert file.line_count == content.count(b"\n")
    assert file.lines(0, 1)[0].data == content.splitlines()[0]


def test_replacement_begins_anew_and_deletion_changes_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\n" * 10)
    file = LogFile(log)
    index_all(file)
    log.unlink()
    assert file.refresh() is Change.SAME
    assert file.lines(9, 1)[0].data == b"old"
    log.write_bytes(b"old\n" * 10 + b"new\n")
    assert file.refresh() is Change.RESET
    assert file.lines(10, 1)[0].data == b"new"
