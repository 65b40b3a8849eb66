"""Which lines of a large log are worth a closer look. Pure; bytes in, bytes out.

A few words are looked for in a whole block at once, far faster than its lines can be told apart.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

WORDS = (
    b"loss",
    b"step",
    b"iter",
    b"epoch",
    b"batch",
    b"norm",
    b"grad",
    b"acc",
    b"lr",
    b"ppl",
    b"perplex",
    b"it/s",
    b"s/it",
    b"/sec",
    b"tok",
    b"sample",
    b"reward",
    b"score",
    b"throughput",
    b"flops",
    b"mfu",
)
"""Nearly every line that tells a number of a training has one of these."""
_MOST_WORDS = 64
_PART = re.compile(r"[^\W_]+")


def all_lines(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Every line and where it begins; carriage returns end lines, too."""
    begin = 0
    for line in even(block).split(b"\n"):
        if line:
            yield begin, line
        begin += len(line) + 1


def lines_with(block: bytes, words: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that have one of the words (lower case), and where each begins."""
    block = even(block)
    lower = block.lower()
    begins: set[int] = set()
    for word in words:
        at = lower.find(word)
        while at >= 0:
            begins.add(lower.rfind(b"\n", 0, at) + 1)
            end = lower.find(b"\n", at)
            if end < 0:
                break
            at = lower.find(word, end)
    for begin in sorted(begins):
        end = block.find(b"\n", begin)
        yield begin, block[begin : end if end >= 0 else len(block)]


def some_with(
    lines: Sequence[tuple[int, bytes]], words: Iterable[bytes]
) -> Iterator[tuple[int, bytes]]:
    """Of numbered lines those that have one of the words (lower case)."""
    if not lines:
        return
    begins = [0, *accumulate(len(line) + 1 for _, line in lines)]
    for begin, _ in lines_with(b"\n".join(line for _, line in lines), words):
        yield lines[bisect_left(begins, begin)]


def even(block: bytes) -> bytes:
    """The block with newlines only: carriage returns end lines, too."""
    return block.replace(b"\r", b"\n") if b"\r" in block else block


class KnownWords:
    """The words that lines are chosen by; learns those of metrics with other names."""

    def __init__(self) -> None:
        self.words: list[bytes] = list(WORDS)

    def learn(self, key: str) -> None:
        """A metric goes by this name: its lines are to be found, too."""
        lower = key.lower().encode("utf-8", "replace")
        if any(word in lower for word in self.words) or len(self.words) >= _MOST_WORDS:
            return
        parts = _PART.findall(key.lower())
        if parts:
            self.words.append(max(parts, key=len).encode("utf-8", "replace"))
