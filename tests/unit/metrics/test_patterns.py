from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import UserError
from rankdeck.logs.engine import Re2Finder
from rankdeck.metrics.extract import Reader, Said
from rankdeck.metrics.patterns import (
    MetricPattern,
    compile_patterns,
    parse_patterns,
    project_patterns,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_projects_expressions_are_read(tmp_path: Path) -> None:
    assert project_patterns(tmp_path) == ((), ())
    (tmp_path / "metrics.yaml").write_text("patterns:\n  - 'score (?P<score>\\d+)'\n")
    patterns, problems = project_patterns(tmp_path)
    assert [pattern.query.text for pattern in patterns] == [r"score (?P<score>\d+)"]
    assert problems == ()


def test_each_mistake_is_told_with_file_and_line() -> None:
    text = b"patterns:\n  - '(?P<a>x'\n  - 'no group'\n  - 'ok (?P<b>1)'\nother: 1\n"
    patterns, problems = parse_patterns(text, "metrics.yaml")
    assert len(patterns) == 1
    assert [(p.file, p.line) for p in problems] == [
        ("metrics.yaml", 2),
        ("metrics.yaml", 3),
        ("metrics.yaml", 5),
    ]
    assert "is not a valid regular expression" in problems[0].message
    for broken in (b"patterns: [", b"- a", b"\xff", b"patterns: 5", b"a: &x *y"):
        patterns, problems = parse_patterns(broken, "f")
        assert not patterns
        assert problems
        assert problems[0].file == "f"


def test_the_users_own_are_told_by_their_place() -> None:
    patterns, problems = compile_patterns(["(?P<a>1)", "["])
    assert len(patterns) == 1
    assert "metric_patterns[2]" in str(problems[0])


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (r"(?P<a>\d+)", "x 12 y 13", [("a", "12")]),
        ("(?P<a>1)|(?P<b>2)", "2", [("b", "2")]),
        ("(?P<a>1)$|(?P<b>1)", "12", [("b", "1")]),
        (r"x(?P<a>1\b|1)", "1 x12", [("a", "1")]),
        ("(x|y)(?P<a>1)?(?:z)(?P<b>2)", "yz2", [("b", "2")]),
        ("(?i)LOSS (?P<loss>[^ ]+)", "é loss 1.5é x", [("loss", "1.5é")]),
        ("(?:(?P<a>[0-9]) ?)+$", "1 2 3", [("a", "3")]),
        ("^(?P<损失>[0-9]{1,3}?)", "123", [("损失", "1")]),
        ("(?P<a>1)", "2", []),
        ("(?P<a>)", "", [("a", "")]),
    ],
)
def test_groups_are_told_by_their_names(text: str, line: str, told: list[tuple[str, str]]) -> None:
    found = MetricPattern(text).told(line.encode())
    assert [(name, group.decode()) for name, group in found] == told


def test_an_expression_does_not_go_astray_on_any_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    first = Re2Finder.first

    def watched(self: Re2Finder, line: bytes, begin: int, stop: int) -> tuple[int, int] | None:
        asked.append(line)
        return first(self, line, begin, stop)

    monkeypatch.setattr(Re2Finder, "first", watched)
    reader = Reader([MetricPattern("^(a+)+ (?P<step>[0-9]+) (?P<score>([0-9]+)+)$")])
    # `re` would not come back from this in a lifetime, and the interface would stand still with it
    assert reader.read("a" * 2000 + " 1 " + "1" * 2000 + "b") is None
    assert asked
    assert reader.read("aa 7 5") == Said(7, None, None, False, False, {"score": 5.0})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(?P<a>1)(?=b)", "may take too long to look for here: lookahead"),
        ("(?P<a>1)(?P=a)", "may take too long to look for here: backreference"),
        ("(?P<a>1{2000})", "may take too long to look for here: a long repetition"),
        ("(a)", "has no named group"),
        ("(?P<a>", "is not a valid regular expression"),
    ],
)
def test_what_cannot_be_used_is_told(text: str, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        MetricPattern(text)
    assert repr(text) in caught.value.message
    assert caught.value.hint
