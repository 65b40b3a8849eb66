from __future__ import annotations

import random

import pytest

from rankdeck.logs.assemble import LINE_LIMIT, PROGRESS_GAP, REST_DELAY, LineAssembler
from rankdeck.logs.found_lines import FoundLines


def test_lines_are_complete_however_they_arrive() -> None:
    text = "first\n\n训练 second\nthird".encode()
    for size in (1, 2, 3, 7, 100):
        assembler = LineAssembler()
        lines = []
        for at in range(0, len(text), size):
            lines += assembler.feed(text[at : at + size], 0.0)
        assert lines + assembler.end() == [b"first", b"", "训练 second".encode(), b"third"]


def test_an_unfinished_line_is_given_when_it_has_rested_and_then_only_its_rest() -> None:
    assembler = LineAssembler()
    assert assembler.feed(b"Downloading ...", 0.0) == []
    assert assembler.idle(REST_DELAY * 0.9) == []
    assert assembler.idle(REST_DELAY * 1.1) == [b"Downloading ..."]
    assert assembler.idle(REST_DELAY * 9) == []
    assert assembler.feed(b" done\nnext\n", 9.0) == [b" done", b"next"]


def test_a_line_that_was_given_whole_is_not_ended_by_an_empty_one() -> None:
    assembler = LineAssembler()
    assembler.feed(b"prompt> ", 0.0)
    assert assembler.idle(REST_DELAY * 2) == [b"prompt> "]
    assert assembler.feed(b"\nnext\n", 9.0) == [b"next"]
    assert assembler.end() == []


def test_of_a_progress_line_some_states_and_the_final_one_are_given() -> None:
    assembler = LineAssembler()
    given = []
    ticks = 400
    for tick in range(ticks):
        given += assembler.feed(b"\r%d of 400" % (tick + 1), tick * 0.01)
    given += assembler.feed(b"\ndone\n", ticks * 0.01)
    assert given[-2:] == [b"400 of 400", b"done"]
    assert 2 <= len(given) - 2 <= ticks * 0.01 / PROGRESS_GAP + 2
    assert all(state.endswith(b" of 400") for state in given[:-1])


def test_the_final_state_is_not_given_twice() -> None:
    assembler = LineAssembler()
    assert assembler.feed(b"50%\r100%\r", 0.0) == [b"100%"]
    assert assembler.feed(b"\n", 5.0) == []
    assert assembler.feed(b"100%\r", 10.0) == [b"100%"]
    assert assembler.end() == []


def test_a_progress_line_that_rests_shows_its_state() -> None:
    assembler = LineAssembler()
    assert assembler.feed(b"1%\r", 0.0) == [b"1%"]
    assert assembler.feed(b"2%\r", 0.01) == []
    assert assembler.idle(1.0) == [b"2%"]
    assert assembler.idle(2.0) == []


def test_without_a_clock_only_final_states_are_given() -> None:
    assembler = LineAssembler(live=False)
    lines = assembler.feed(b"a\r\n1%\r2%\r3%", 0.0) + assembler.feed(b"\r4%\nb\n5%\r6%", 0.0)
    assert lines + assembler.end() == [b"a", b"4%", b"b", b"6%"]


def test_windows_line_ends_are_line_ends() -> None:
    assembler = LineAssembler()
    lines = [line for byte in b"one\r\ntwo\r\n" for line in assembler.feed(bytes([byte]), 0.0)]
    assert lines == [b"one", b"two"]


def test_an_endless_line_is_cut_and_its_length_told() -> None:
    assembler = LineAssembler()
    given = []
    for _ in range(100):
        given += assembler.feed(b"x" * LINE_LIMIT, 0.0)
        assert len(assembler._rest) <= LINE_LIMIT
    (head,) = given
    assert head == b"x" * LINE_LIMIT + " …".encode()
    length = 100 * LINE_LIMIT + 3
    assert assembler.feed(b"end\nnext\n", 0.0) == [f"… [{length:,} bytes]".encode(), b"next"]


def test_a_complete_line_too_long_is_cut() -> None:
    line = b"y" * (LINE_LIMIT + 1)
    (given, after) = LineAssembler().feed(line + b"\nafter\n", 0.0)
    assert given == line[:-1] + f" … [{len(line):,} bytes]".encode()
    assert after == b"after"


def test_endless_progress_is_kept_small() -> None:
    assembler = LineAssembler()
    for number in range(3000):
        assembler.feed(b"\rstate %d" % number + b"." * 100, 0.0)
    assert len(assembler._rest) < 200
    assert assembler.end() == [b"state 2999" + b"." * 100]


def test_nothing_is_lost_or_invented_in_plain_text() -> None:
    dice = random.Random(4)
    lines = [dice.randbytes(dice.randrange(60)).hex().encode() for _ in range(3000)]
    text = b"\n".join(lines) + b"\n"
    assembler, given, at = LineAssembler(), [], 0
    while at < len(text):
        size = dice.choice([1, 5, 1000, 70_000])
        given += assembler.feed(text[at : at + size], 0.0)
        at += size
    assert given + assembler.end() == lines


@pytest.mark.parametrize("seed", range(5))
def test_lines_in_one_piece_are_the_same_lines(seed: int) -> None:
    dice = random.Random(seed)
    kinds = (b"plain\n", b"\n", b"10%\r20%\r", b"x" * 9000 + b"\n", b"y" * 40_000, b"end")
    text = b"".join(dice.choices(kinds, (60, 5, 1, 2, 1, 1), k=400))
    by_line, in_pieces, found = LineAssembler(), LineAssembler(), FoundLines()
    expected: list[bytes] = []
    at = now = 0
    while at < len(text):
        size = dice.choice([1, 5, 1000, 65_536, 70_000])
        expected += by_line.feed(text[at : at + size], now)
        found.add(in_pieces.feed_whole(text[at : at + size], now))
        at += size
        now += dice.choice([0, 5])
        if dice.random() < 0.3:
            expected += by_line.idle(now)
            found.add(in_pieces.idle(now))
    found.add(in_pieces.end())
    assert found == expected + by_line.end()
    assert len(found) == len(list(found))
    assert found.text(b"[3] ") == b"".join(b"[3] " + line + b"\n" for line in found)


def test_no_lines_are_false_and_an_empty_one_is_a_line() -> None:
    found = FoundLines()
    found.add([])
    assert not found
    assert found.text(b"> ") == b""
    found.add(LineAssembler().feed_whole(b"\n", 0.0))
    assert found
    assert (list(found), found[0], found.text(b"> ")) == ([b""], b"", b"> \n")
