from __future__ import annotations

import random
import re

import pytest

from rankdeck.logs.needles import best, lowered, required

PATTERNS = [
    "abc",
    "ab|cd",
    "ab|cd|",
    "(ab|cd)+x",
    "(ab)?cd",
    "(?:ab)*cdx",
    "a.*bc",
    "a[bc]d",
    r"\bab",
    "^ab.*x$",
    "(?=cd)cd",
    "ab(?!cd)",
    "(?i:ab)cd",
    "(?i)ab",
    "A[BC]D",
    "[^A-C]ab",
    r"\S\Dab",
    "(a(b|c)){2}",
    "a{2,3}b",
    "(?P<Word>a)(?P=Word)",
    r"\x61bc",
    "x+",
    "ab|c.*d|bcd",
]


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("text", PATTERNS)
def test_every_match_contains_a_needle_and_is_found_in_lower_case(
    text: str, ignore_case: bool
) -> None:
    dice = random.Random(text)
    pattern = re.compile(text.encode(), re.IGNORECASE if ignore_case else 0)
    wanted = required(pattern)
    fast = lowered(pattern)
    folded = bool(pattern.flags & re.IGNORECASE)
    matched = 0
    for _ in range(1500):
        line = "".join(dice.choices("abcdABCDx 1", k=dice.randrange(14))).encode()
        found = pattern.search(line) is not None
        seen = line.lower() if folded else line
        matched += found
        if fast is not None:
            assert (fast.search(seen) is not None) is found
        if wanted is not None and found:
            for sample in (b"", b"ababab cd", seen):
                assert any(needle in seen for needle in best(wanted, sample))
    assert matched


@pytest.mark.parametrize(
    ("text", "sample", "needles"),
    [
        ("error.*memory", "", {"memory"}),
        ("error.*memory", "memory memory", {"error"}),
        (r"\d+%", "", None),
        ("(runtime|value)error", "error error error", {"runtime", "value"}),
        (r"loss\s+nan|acc\s+inf", "loss acc loss acc", {"nan", "inf"}),
        ("a|bcd", "", None),
        ("(?:maybe)?", "", None),
    ],
)
def test_the_rarest_texts_are_looked_for(text: str, sample: str, needles: set[str] | None) -> None:
    wanted = required(re.compile(text.encode()))
    if needles is None:
        assert wanted is None
    else:
        assert wanted is not None
        assert {needle.decode() for needle in best(wanted, sample.encode())} == needles


@pytest.mark.parametrize("text", ["[A-z]", "[+-Z]", r"\x41", "(?P<N>a)", "[0-Z]", "(?i:a)"])
def test_what_might_mean_something_else_is_left_alone(text: str) -> None:
    assert lowered(re.compile(text.encode(), re.IGNORECASE)) is None
