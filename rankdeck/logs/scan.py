"""Scan: one way through a piece of a log that finds the lines that match.

Which way is quickest depends on the log: the expression itself, or texts that every match
contains. Both are told by a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rankdeck.logs.engine import fast_finder, slowness, text_finder
from rankdeck.logs.needles import EXACT_PASS, FOLDED_PASS, FOLDING, FULL_PASS, HEAD, best

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rankdeck.logs.dialect import Dialect
    from rankdeck.logs.engine import Finder, Judge, Span

_MOST_AT_ONCE = 256
_SHORTEST_HEAD = 2


class Found(NamedTuple):
    """One line that matches, by places in the piece."""

    begin: int
    end: int
    at: int
    """Where its first match is."""
    last: int
    """Where that ends."""


class Scan(Protocol):
    """A way through pieces of a log; several threads may go it."""

    @property
    def cost(self) -> float:
        """About how many nanoseconds a byte takes."""

    def lines(self, text: bytes, begin: int, stop: int) -> Iterator[Found]:
        """Every matching line between the begin of one and the end of another, in order.

        Raises:
            UserError: It takes too long.
        """


@dataclass(frozen=True, slots=True)
class Candidates:
    """What finds the lines that may match."""

    finders: tuple[Finder, ...]
    """Such a line has a match of one of these."""
    decided: bool
    """Whether such a line matches, and there."""
    cost: float
    """Nanoseconds for each byte."""
    folds: bool = False
    """Whether they look through lower-case text."""

    def places(self, text: bytes, begin: int, stop: int) -> Iterator[Span]:
        """The first place in each such line."""
        text = self.prepared(text)
        nexts = [finder.first(text, begin, stop) for finder in self.finders]
        while True:
            # of two at the same place the one that the expression tries first
            found = (span for span in nexts if span is not None)
            first = min(found, key=lambda span: span[0], default=None)
            if first is None:
                return
            end = text.find(b"\n", first[0], stop)
            begin = stop if end < 0 else end + 1
            if text.rfind(b"\n", 0, first[0]) + 1 >= stop:
                return  # an empty match behind the last line
            yield first
            if begin >= stop:
                return
            for number, span in enumerate(nexts):
                if span is not None and span[0] < begin:
                    nexts[number] = self.finders[number].first(text, begin, stop)

    def prepared(self, text: bytes) -> bytes:
        """The text to look through."""
        return text.lower() if self.folds else text


def cheapest(dialect: Dialect, sample: bytes, *, loose: bool = False) -> Candidates:
    """What finds the lines that may match at the least cost in a log that looks like this.

    Args:
        dialect: The expression.
        sample: A piece of the log.
        loose: Whether each state of a line that is written over begins anew.
    """
    sample = sample.lower() if dialect.folded else sample
    exact = not loose and not slowness(dialect)
    ways = [Candidates((fast_finder(dialect, loose=loose),), exact, _cost((dialect,), sample))]
    if not slowness(dialect) and dialect.branches:
        finders = tuple(fast_finder(branch, loose=loose) for branch in dialect.branches)
        ways.append(Candidates(finders, exact, _cost(dialect.branches, sample)))
    if dialect.required is not None:
        cost, texts = best(dialect.required, sample, folded=dialect.folded)
        finders = tuple(text_finder(text, folded=dialect.folded) for text in texts)
        ways.append(Candidates(finders, False, cost))
        if dialect.folded:
            cost, texts = best(dialect.required, sample, folded=False)
            finders = tuple(text_finder(text, folded=False) for text in texts)
            ways.append(Candidates(finders, False, cost + FOLDING, folds=True))
    return min(ways, key=lambda way: way.cost)


def _cost(dialects: Sequence[Dialect], sample: bytes) -> float:
    """What it costs to look for several expressions one after another."""
    cost = 0.0
    for dialect in dialects:
        if len(dialect.head) < _SHORTEST_HEAD:
            cost += FULL_PASS
            continue
        letters = dialect.folded and dialect.head.upper() != dialect.head
        heads = sample.count(dialect.head) / max(1, len(sample))
        cost += (FOLDED_PASS if letters else EXACT_PASS) + heads * HEAD
    return cost


class LineScan:
    """Finds the lines that match one expression."""

    def __init__(self, candidates: Candidates, judge: Judge) -> None:
        self._candidates = candidates
        self._judge = judge

    @property
    def cost(self) -> float:
        """About how many nanoseconds a byte takes."""
        return self._candidates.cost

    def lines(self, text: bytes, begin: int, stop: int) -> Iterator[Found]:
        """Every matching line."""
        batch: list[Found] = []
        size = 1
        for first, last in self._candidates.places(text, begin, stop):
            start = text.rfind(b"\n", 0, first) + 1
            end = text.find(b"\n", first, stop)
            line = Found(start, stop if end < 0 else end, first, last)
            if self._candidates.decided:
                yield line
                continue
            batch.append(line)
            if len(batch) >= size:
                yield from self._judged(text, batch)
                batch, size = [], min(_MOST_AT_ONCE, size * 2)
        if batch:
            yield from self._judged(text, batch)

    def _judged(self, text: bytes, batch: Sequence[Found]) -> Iterator[Found]:
        spans = self._judge.judge([text[line.begin : line.end] for line in batch])
        for line, span in zip(batch, spans, strict=True):
            if span is not None:
                yield Found(line.begin, line.end, line.begin + span[0], line.begin + span[1])


class SieveScan:
    """Finds the lines that may match several expressions and none of others."""

    def __init__(self, wanted: Sequence[Candidates], run: Finder | None) -> None:
        """Prepare.

        Args:
            wanted: What finds the lines that may match, of each expression.
            run: What finds lines in a row that match one of the others.
        """
        self._wanted = wanted
        self._run = run

    @property
    def cost(self) -> float:
        """About how many nanoseconds a byte takes."""
        return sum(candidates.cost for candidates in self._wanted) + FULL_PASS * (
            self._run is not None
        )

    def lines(self, text: bytes, begin: int, stop: int) -> Iterator[Found]:
        """Every line that may match."""
        seekers = [_Seeker(candidates, text, stop) for candidates in self._wanted]
        while begin < stop:
            at = begin
            for seeker in seekers:
                at = seeker.line_from(at)
            if self._run is not None and at < stop:
                at = self._run.end_of(text, at, stop)
            if at > begin:
                # what passes one may not pass another
                begin = at
                continue
            end = text.find(b"\n", begin, stop)
            end = stop if end < 0 else end
            yield Found(begin, end, begin, begin)
            begin = end + 1


class _Seeker:
    """Goes from one line that may match to another in a piece."""

    def __init__(self, candidates: Candidates, text: bytes, stop: int) -> None:
        self._finders = candidates.finders
        self._text = candidates.prepared(text)
        self._stop = stop
        self._nexts = [-1] * len(candidates.finders)

    def line_from(self, begin: int) -> int:
        """Where the first such line begins, from the begin of a line on; the end: nowhere."""
        if begin >= self._stop:
            return self._stop
        for number, known in enumerate(self._nexts):
            if known < begin:
                span = self._finders[number].first(self._text, begin, self._stop)
                self._nexts[number] = (
                    self._stop if span is None else self._text.rfind(b"\n", 0, span[0]) + 1
                )
        return min(self._nexts)
