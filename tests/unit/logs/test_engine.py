"""Without RE2 everything is found too, and nothing that may go astray runs in this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from rankdeck.errors import UserError
from rankdeck.logs import engine
from rankdeck.logs.engine import ReFinder
from rankdeck.logs.file import LogFile
from rankdeck.logs.filtered import FilteredSource, Filters
from rankdeck.logs.plain_source import FileSource
from rankdeck.logs.query import at_once
from rankdeck.logs.search import expression, literal, search

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def without_re2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    caches = (engine._re2, engine.finder)
    monkeypatch.setitem(sys.modules, "re2", None)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What `re` is asked to find in this process."""
    patterns: list[bytes] = []
    made = ReFinder.__init__

    def watched(self: ReFinder, pattern: bytes) -> None:
        patterns.append(pattern)
        made(self, pattern)

    monkeypatch.setattr(ReFinder, "__init__", watched)
    return patterns


LOG = b"step 1 loss 2.5\nstep 2 LOSS 3.5\nNone of them\nstep 3 loss 4.5\n"


@pytest.mark.usefixtures("without_re2")
def test_lines_are_found_and_left_out(tmp_path: Path, used: list[bytes]) -> None:
    path = tmp_path / "log"
    path.write_bytes(LOG)
    queries = (
        (literal("LOSS"), [1]),
        (literal("loss", ignore_case=True), [0, 1, 3]),
        (expression(r"loss [3-9](\.\d+)+$"), [3]),
        (expression("(a|b|c|None)+ of|1 loss"), [0, 2]),
        (expression(r"\d$"), [0, 1, 3]),
        (expression("s+(?! 1)"), [0, 1, 3]),
    )
    for query, found in queries:
        hits = [hit.line for step in search(LogFile(path), query) for hit in step.hits]
        assert hits == found, query.text
    filters = Filters((expression("step [0-9]+"),), (expression("(L|O)+SS"),))
    shown = [line.data for line in FilteredSource(FileSource(path), filters).after(0, 9)]
    assert shown == [b"step 1 loss 2.5", b"step 3 loss 4.5"]
    assert used
    for pattern in used:
        # nothing is repeated, so nothing is tried twice
        assert not set(pattern.removeprefix(b"(?m)")) & set(b"*+?{|("), pattern


@pytest.mark.usefixtures("without_re2")
def test_only_texts_are_found_at_once() -> None:
    assert at_once("Loss: 1", ignore_case=True).first(b"a loss: 1", 0, 9) == (2, 9)
    with pytest.raises(UserError, match="RE2 is not installed"):
        at_once("(a+)+$")
    assert expression("(a+)+$").slow == "RE2 is not installed"


def test_what_re2_can_do_it_does(used: list[bytes]) -> None:
    assert at_once("(a+)+$").first(b"a" * 4000 + b"b", 0, 4001) is None
    assert not used
    with pytest.raises(UserError, match="may take too long to look for here: lookahead"):
        at_once("a(?=b)")
