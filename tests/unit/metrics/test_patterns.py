from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.metrics.patterns import compile_patterns, parse_patterns, project_patterns

if TYPE_CHECKING:
    from pathlib import Path


def test_a_projects_expressions_are_read(tmp_path: Path) -> None:
    assert project_patterns(tmp_path) == ((), ())
    (tmp_path / "metrics.yaml").write_text("patterns:\n  - 'score (?P<score>\\d+)'\n")
    patterns, problems = project_patterns(tmp_path)
    assert [pattern.pattern for pattern in patterns] == [r"score (?P<score>\d+)"]
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
    assert "is no regular expression" in problems[0].message
    for broken in (b"patterns: [", b"- a", b"\xff", b"patterns: 5", b"a: &x *y"):
        patterns, problems = parse_patterns(broken, "f")
        assert not patterns
        assert problems
        assert problems[0].file == "f"


def test_the_users_own_are_told_by_their_place() -> None:
    patterns, problems = compile_patterns(["(?P<a>1)", "["])
    assert len(patterns) == 1
    assert "metric_patterns[2]" in str(problems[0])
