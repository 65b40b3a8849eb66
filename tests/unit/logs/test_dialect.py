"""The dialect means to RE2, to `re` and to a reader of Python's documentation the same."""

from __future__ import annotations

import random
import re
import sys

import pytest

from rankdeck.logs.byte_classes import class_of
from rankdeck.logs.dialect import dialect_of, quoted
from rankdeck.logs.engine import Re2Finder, ReFinder, fast_finder, run_finder, slowness
from rankdeck.logs.lines import last_state

EXPRESSIONS = [
    "ab",
    "a|bc|",
    "^a",
    "b$",
    "^$",
    r"\Aa.*b\Z",
    r"\bab\b",
    r"a\Bb",
    "a.c",
    ".+?x",
    r"a\s+b",
    r"\S+\d\W",
    "[^ab]c",
    "[a-c]{2,3}x",
    "(?:ab|c)*d",
    "(a|b)+?c{2}",
    "(?i:ab)C",
    "(?s)a.b",
    "(?x) a b # c",
    "a{0}b",
    "x{,2}y",
    "é+x",
    "[éa]b",
    "[^é]b",
    "[à-ü]{2}",
    "损.失",
    r"\xe9|\u635f",
    r"a\nb|a\rb|c",
    "(?P<one>a)b",
    "[]a]|[-b]|[\\]^]",
    r"a{1,60}b{1,3}",
    "(a*)*b",
    "()",
]
SLOW = [
    ("(?<=a)b", "lookbehind"),
    ("(?<!a)b", "lookbehind"),
    ("a(?=b)", "lookahead"),
    ("a(?!b)c?", "lookahead"),
    ("x(?=a)a|(?<=c)b", "lookahead"),
    ("(?=b)b|a(?=c)", "lookahead"),
    ("(?!^)a", "lookahead"),
    (r"(a|b)\1", "backreference"),
    (r"(?P<x>[ab])(?P=x)$", "backreference"),
    (r"(a)?b(?(1)c|d)", "condition"),
    ("a{1001}", "a long repetition"),
    ("(?:a{40}){0,40}b", "a long repetition"),
]
if sys.version_info >= (3, 11):
    SLOW += [("a++b", "possessive repetition"), ("(?>a|ab)c", "atomic group")]
ALPHABET = [b"a", b"b", b"c", b"d", b"x", b"y", b" ", b"1", b"-", b"A", b"B", b"C", b"\r", b"\xff"]
ALPHABET += ["é".encode(), "É".encode(), "ü".encode(), "损".encode(), "失".encode(), b"\xc3"]


def lines(dice: random.Random, count: int) -> list[bytes]:
    """Half of them of few letters, so that something matches."""
    found = []
    for _ in range(count):
        letters = dice.choice((ALPHABET, dice.sample(ALPHABET, 3)))
        found.append(b"".join(dice.choices(letters, k=dice.randrange(12))))
    return found


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_both_engines_find_the_same_spans(text: str, ignore_case: bool) -> None:
    dice = random.Random(text)
    dialect = dialect_of(text, ignore_case=ignore_case)
    assert slowness(dialect) == ""
    ours, theirs = Re2Finder(dialect.fast), ReFinder(dialect.exact)
    corpus = lines(dice, 4000)
    piece = b"\n".join(corpus) + b"\n" * dice.randrange(2)
    matched = 0
    begin = 0
    for line in corpus:
        end = begin + len(line)
        span = theirs.first(line, 0, len(line))
        assert ours.first(line, 0, len(line)) == span, line
        # within a piece it is the same, at whatever place the line stands
        inside = ours.first(piece, begin, end)
        assert inside == (None if span is None else (begin + span[0], begin + span[1])), line
        matched += span is not None
        begin = end + 1
    assert matched


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_it_means_what_python_means_by_it(text: str, ignore_case: bool) -> None:
    dice = random.Random(text)
    dialect = dialect_of(text, ignore_case=ignore_case)
    finder = fast_finder(dialect)
    # without case Python knows one alphabet or all of them; ASCII alone has the same words
    flags = re.IGNORECASE if ignore_case else re.ASCII
    letters = "abcdxy 1-ABC" + ("" if ignore_case else "éÉü损失")
    python = re.compile(text, re.MULTILINE | flags)
    for _ in range(2000):
        line = "".join(dice.choices(letters, k=dice.randrange(12)))
        found = finder.first(line.encode(), 0, len(line.encode()))
        assert (found is not None) is (python.search(line) is not None), line


@pytest.mark.parametrize(("text", "why"), SLOW)
def test_what_is_left_out_for_re2_loses_no_line(text: str, why: str) -> None:
    dice = random.Random(text)
    for ignore_case in (False, True):
        dialect = dialect_of(text, ignore_case=ignore_case)
        assert dialect.slow == why
        exact, fast = ReFinder(dialect.exact), fast_finder(dialect)
        corpus = [*lines(dice, 3000), b"a" * 1001 + b"b", b"a" * 1600 + b"b"]
        matched = [line for line in corpus if exact.first(line, 0, len(line))]
        assert matched
        for line in matched:
            assert fast.first(line, 0, len(line))


@pytest.mark.parametrize("text", [*EXPRESSIONS, *(text for text, _ in SLOW)])
def test_the_loose_form_finds_every_last_state(text: str) -> None:
    dice = random.Random(text)
    dialect = dialect_of(text, ignore_case=False)
    exact, loose = ReFinder(dialect.exact), fast_finder(dialect, loose=True)
    for line in lines(dice, 3000):
        state = last_state(line)
        if exact.first(state, 0, len(state)):
            assert loose.first(line, 0, len(line)), line


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_runs_of_lines_end_where_one_may_not_match(text: str) -> None:
    dice = random.Random(text)
    dialect = dialect_of(text, ignore_case=False)
    other = dialect_of("y", ignore_case=False)
    run = run_finder((dialect, other))
    assert run is not None
    finders = (ReFinder(dialect.exact), ReFinder(other.exact))
    corpus = lines(dice, 700)
    piece = b"\n".join(corpus) + b"\n"
    begin = 0
    for number in range(len(corpus)):
        end = begin
        for line in corpus[number:]:
            plain = b"\r" not in line.rstrip(b"\r")
            if not plain or not any(finder.first(line, 0, len(line)) for finder in finders):
                break
            end += len(line) + 1
        assert run.end_of(piece, begin, len(piece)) == end
        begin += len(corpus[number]) + 1


def test_there_is_no_run_for_what_is_slow() -> None:
    assert run_finder(()) is None
    assert run_finder([dialect_of("a(?!b)", ignore_case=False)]) is None


def test_ranges_of_characters_are_those_of_their_bytes() -> None:
    dice = random.Random(5)
    for _ in range(400):
        first = dice.choice((dice.randrange(0x80, 0x900), dice.randrange(0x80, 0x110000)))
        last = min(0x10FFFF, first + dice.choice((0, 1, 70, 5000, 200_000)))
        pattern = re.compile(class_of([("RANGE", (first, last))], False))
        around = (first, last, first - 1, last + 1, *(dice.randrange(128, 1 << 20) for _ in "1234"))
        for code in around:
            if 0x80 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:
                matched = pattern.fullmatch(chr(code).encode()) is not None
                assert matched is (first <= code <= last), (first, last, code)


def test_bytes_that_are_no_text_can_be_typed() -> None:
    typed = b"\xff[\xfe]".decode("utf-8", "surrogateescape")
    finder = fast_finder(dialect_of(typed, ignore_case=True))
    assert finder.first(b"a\xff\xfe", 0, 3) == (1, 3)
    assert fast_finder(quoted(typed, ignore_case=False)).first(b"\xff[\xfe]", 0, 4) == (0, 4)


def test_letters_are_folded_within_their_own_alphabet() -> None:
    kelvin = "\N{KELVIN SIGN}".encode()
    finder = fast_finder(quoted("k", ignore_case=True))
    assert finder.first(kelvin, 0, len(kelvin)) is None
    finder = fast_finder(dialect_of("ÄÖ", ignore_case=True))
    assert finder.first("äö".encode(), 0, 4) == (0, 4)
    # what is one byte in Latin-1 has two cases there, and none in UTF-8
    assert finder.first(b"\xe3\xa4\xc3\xb6", 0, 4) is None
