from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest

from rankdeck.logs.dialect import dialect_of
from rankdeck.logs.needles import best
from rankdeck.logs.scan import cheapest

if TYPE_CHECKING:
    from rankdeck.logs.needles import Required

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
    "éa|aé",
]


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("text", PATTERNS)
def test_every_match_contains_a_text_that_is_looked_for(text: str, ignore_case: bool) -> None:
    dice = random.Random(text)
    dialect = dialect_of(text, ignore_case=ignore_case)
    pattern = re.compile(dialect.exact)
    matched = 0
    for _ in range(3000):
        line = "".join(dice.choices("abcdABCDxxéÉ 1", k=dice.randrange(1, 14))).encode()
        if pattern.search(line) is None:
            continue
        matched += 1
        folded = line.lower() if dialect.folded else line
        for sample in (b"", b"ababab cd" * 9, folded):
            if dialect.required is not None:
                assert any(needle in folded for needle in texts(dialect.required, sample))
            assert list(cheapest(dialect, sample).places(line, 0, len(line)))
    assert matched


def texts(wanted: Required, sample: bytes) -> tuple[bytes, ...]:
    return best(wanted, sample, folded=False)[1]


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
        ("损失.*x", "", {"损失"}),
    ],
)
def test_the_rarest_texts_are_looked_for(text: str, sample: str, needles: set[str] | None) -> None:
    wanted = dialect_of(text, ignore_case=False).required
    if needles is None:
        assert wanted is None
    else:
        assert wanted is not None
        assert {needle.decode() for needle in texts(wanted, sample.encode())} == needles


def test_letters_with_two_forms_are_not_required_where_case_does_not_count() -> None:
    assert dialect_of("éé", ignore_case=True).required is None
    assert dialect_of("损失", ignore_case=True).required is not None
