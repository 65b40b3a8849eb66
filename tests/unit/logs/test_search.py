from __future__ import annotations

import os
import random
import re
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import UserError
from rankdeck.logs.file import LogFile
from rankdeck.logs.lines import MAX_LINE
from rankdeck.logs.search import Hit, Query, expression, literal, search, search_backward

if TYPE_CHECKING:
    from pathlib import Path


def hits_in(file: LogFile, query: Query, start: int = 0) -> list[Hit]:
    return [hit for step in search(file, query, start) for hit in step.hits]


def index_all(file: LogFile) -> None:
    while not file.index_some():
        pass


QUERIES: list[tuple[Query, str, int]] = [
    (literal("ab"), "ab", 0),
    (literal("AB", ignore_case=True), "ab", re.IGNORECASE),
    (literal("a.b"), r"a\.b", 0),
    (expression("ab|cd|zz"), "ab|cd|zz", 0),
    (expression("Ab|cD", ignore_case=True), "ab|cd", re.IGNORECASE),
    (expression("^a"), "^a", 0),
    (expression("b$"), "b$", 0),
    (expression(r"a\s+b"), r"a\s+b", 0),
    (expression("a[^b]c"), "a[^b]c", 0),
    (expression(r"\Aa.*b\Z"), r"\Aa.*b\Z", 0),
    (expression(r"a(?!b)"), "a(?!b)", 0),
    (expression(r"(?s)a.b.*c"), "(?s)a.b.*c", 0),
    (expression(r"\Dcd"), r"\Dcd", 0),
    (expression(r"d\nc"), r"d\nc", 0),
    (expression("x*"), "x*", 0),
    (expression("a|^$"), "a|^$", 0),
    (expression("AB.*cd", ignore_case=True), "ab.*cd", re.IGNORECASE),
    (expression("[A-B]b|x+D", ignore_case=True), "[a-b]b|x+d", re.IGNORECASE),
    (expression("aaaa", ignore_case=True), "aaaa", re.IGNORECASE),
    (expression("a(?!b)c", ignore_case=True), "a(?!b)c", re.IGNORECASE),
]


@pytest.mark.parametrize(
    ("query", "pattern", "flags"), QUERIES, ids=[q.text for q, _, _ in QUERIES]
)
@pytest.mark.parametrize("indexed", [True, False])
def test_the_lines_that_match_are_found(
    tmp_path: Path, query: Query, pattern: str, flags: int, indexed: bool
) -> None:
    dice = random.Random(8)
    lines = ["".join(dice.choices("abcd. ABx", k=dice.randrange(12))) for _ in range(60_000)]
    lines[777] = "a" * 300_000
    log = tmp_path / "log"
    log.write_text("\n".join(lines) + "\n")
    file = LogFile(log)
    if indexed:
        index_all(file)
    compiled = re.compile(pattern, flags)
    found = hits_in(file, query)
    assert [hit.line for hit in found] == [
        n for n, line in enumerate(lines) if compiled.search(line)
    ]
    index_all(file)
    for hit in found[:50]:
        match = compiled.search(lines[hit.line])
        assert match is not None
        assert hit.offset == file.offset_of(hit.line)
        assert hit.at == hit.offset + match.start()
        assert lines[hit.line].startswith(hit.data.decode())


@pytest.mark.parametrize(
    ("query", "pattern", "flags"), QUERIES, ids=[q.text for q, _, _ in QUERIES]
)
def test_backward_the_same_lines_are_found(
    tmp_path: Path, query: Query, pattern: str, flags: int
) -> None:
    dice = random.Random(4)
    lines = ["".join(dice.choices("abcd. ABx", k=dice.randrange(12))) for _ in range(15_000)]
    lines[5000] = "a" * 300_000
    log = tmp_path / "log"
    log.write_text("\n".join(lines) + "\n" * dice.randrange(2))
    file = LogFile(log)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    compiled = re.compile(pattern, flags)
    first, stop = 500, 14_000
    steps = list(search_backward(file, query, starts[first], starts[stop]))
    searched = [step.searched for step in steps]
    assert searched == sorted(searched, reverse=True)
    assert searched[-1] == starts[first]
    found = [hit.offset for step in reversed(steps) for hit in step.hits]
    assert found == [starts[n] for n in range(first, stop) if compiled.search(lines[n])]


def test_backward_an_endless_line_is_searched_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"needle\n" + b"." * 5_000_000 + b"needle" + b"." * 5_000_000 + b"\nlast\n")
    file = LogFile(log)
    steps = search_backward(file, literal("needle"), 0, file.size)
    assert [hit.offset for step in steps for hit in step.hits] == [7, 0]


def test_a_search_may_begin_at_any_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"hit\nno\n" * 100_000)
    for indexed in (False, True):
        file = LogFile(log)
        if indexed:
            index_all(file)
        found = hits_in(file, literal("hit"), start=7 * 99_990)
        assert [hit.line for hit in found] == list(range(2 * 99_990, 200_000, 2))


def test_a_search_goes_in_steps_and_can_be_dropped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"nothing here\n" * 400_000)
    steps = search(LogFile(log), literal("needle"))
    first = next(steps)
    assert first.hits == ()
    assert 0 < first.searched <= 1 << 20
    last = list(steps)[-1]
    assert last.searched == log.stat().st_size


def test_an_endless_line_is_searched_in_pieces(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n")
    os.truncate(log, 60_000_000)
    with log.open("ab") as stream:
        stream.write(b"needle and more" + b"\0" * 100 + b"needle\nneedle\n")
    for indexed in (False, True):
        file = LogFile(log)
        if indexed:
            index_all(file)
        long, after = hits_in(file, literal("needle"))
        assert (long.line, long.offset, long.at) == (1, 6, 60_000_000)
        assert b"needle and more" in long.data
        assert len(long.data) <= MAX_LINE
        assert (after.line, after.data) == (2, b"needle")


def test_a_match_over_the_border_of_two_pieces_is_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for place in ((1 << 20) - 3, (1 << 18) - 3, 2 * ((1 << 20) - 4096) + 4090):
        log.write_bytes(b"." * place + b"needle" + b"." * 3_000_000)
        (hit,) = hits_in(LogFile(log), literal("needle"))
        assert hit.at == place


def test_of_a_progress_line_the_state_that_matches_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"10%\r50% loss nan\r100%\n")
    (hit,) = hits_in(LogFile(log), literal("nan"))
    assert hit.data == b"50% loss nan"


def test_text_of_any_language_and_bytes_that_are_none(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes("损失 1.5\n".encode() + b"\xff\xfe broken loss\n")
    assert [hit.line for hit in hits_in(LogFile(log), literal("损失"))] == [0]
    assert [hit.line for hit in hits_in(LogFile(log), expression("broken"))] == [1]


def test_an_empty_or_absent_log_has_no_hits(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert hits_in(LogFile(tmp_path / "log"), expression("x*")) == []
    assert hits_in(LogFile(tmp_path / "absent"), literal("x")) == []


def test_a_bad_expression_is_told() -> None:
    with pytest.raises(UserError, match=r"'a\(' is not a valid regular expression") as caught:
        expression("a(")
    assert caught.value.hint
