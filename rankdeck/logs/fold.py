"""Which lines of several ranks say the same, and which only few of them say. Pure policy.

Two lines say the same if their texts are equal after what tells the ranks apart, or moments, has
been taken out; see `Sameness`. A rank's n-th line of a text goes with the others' n-th.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rankdeck.logs.lines import LogLine

WINDOW = 2.0
"""Seconds between the first rank's line and the last one's that is folded into it."""
_TOLERANCE = 0.05
_MOST_OPEN = 64
_MOST_KNOWN = 4096

_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
_PREFIX = re.compile(rb"^\s*\[(?:rank|default)?(\d+)\]:? ?")
_BEFORE_PREFIX = b"[ \t\n\v\f\r"
_OWN = re.compile(
    rb"\b((?:(?:global|world)[ _-]?)?rank|(?:local[ _-]?rank|device|cuda|npu|gpu|worker))"
    rb"([\s:=#]{0,3}|\[)(\d{1,9})\b",
    re.IGNORECASE,
)
_OWN_WORDS = (b"rank", b"device", b"cuda", b"npu", b"gpu", b"worker")
_MOMENT = re.compile(
    rb"\d{4}[-/.]\d\d[-/.]\d\d(?:[T _]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
    rb"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?"
    # as glog begins a line: I0102 03:04:05.678901
    rb"|(?<=^[IWEF])\d{4}(?= )"
    rb"|(?<=\[[IWEF])\d{4}(?= )"
)
_PROCESS = re.compile(rb"\b(pid|process|thread|tid)([\s:=#]{0,3}|\[)\d+\b", re.IGNORECASE)
_ADDRESS = re.compile(rb"\b0x[0-9a-fA-F]{5,}\b")
_NUMBER = re.compile(
    rb"(?<![\w.])[-+]?\d+\.\d+(?:[eE][-+]?\d+)?(?![\w.])|\b\d+(?:\.\d+)?[eE]-?\d+\b"
)


class Text(NamedTuple):
    """What a line says."""

    words: bytes
    numbers: tuple[float, ...] = ()
    """Its decimal numbers, which may differ a little; none if they must be equal."""


@dataclass(frozen=True, slots=True)
class Sameness:
    """What may differ between lines that say the same.

    Always colours, the writer's own rank (`[rank3]:`, `rank=3`) or local rank (`cuda:3`,
    `[default3]:`), and dates and times of day. Another rank's number counts: who waits for whom
    is what people look for.
    """

    loose: bool = False
    """Whether also process numbers and addresses may differ, and decimal numbers by a twentieth;
    `nan` and `inf` are no numbers."""

    def text(self, line: bytes, rank: int, local_rank: int) -> Text:
        """What a line says that this rank wrote."""
        return self.read(_bare(line, rank, local_rank), rank, local_rank)[0]

    def read(self, line: bytes, rank: int, local_rank: int) -> tuple[Text, bool]:
        """What a line says that has no colours and no rank before it.

        And whether it says so whoever wrote it.
        """
        own = False

        def without_own(match: re.Match[bytes]) -> bytes:
            nonlocal own
            own = True
            local = not match[1].lower().endswith(b"rank") or b"local" in match[1].lower()
            number = int(match[3])
            known = number == local_rank or (match[1].lower() == b"worker" and number == rank)
            return match[1] + match[2] + b"#" if (known if local else number == rank) else match[0]

        folded = line.lower()
        if any(word in folded for word in _OWN_WORDS):
            line = _OWN.sub(without_own, line)
        line = _MOMENT.sub(b"@", line).strip()
        if not self.loose:
            return Text(line), not own
        line = _ADDRESS.sub(b"0x#", _PROCESS.sub(rb"\1\2#", line))
        numbers = tuple(map(float, _NUMBER.findall(line)))
        return Text(_NUMBER.sub(b"~", line), numbers), not own


def _bare(line: bytes, rank: int, local_rank: int) -> bytes:
    """The line without colours, and without the rank that the writer has put before it."""
    if b"\x1b" in line:
        line = _COLOUR.sub(b"", line)
    if line[:1] in _BEFORE_PREFIX:
        prefix = _PREFIX.match(line)
        if prefix is not None and prefix[1] in (b"%d" % rank, b"%d" % local_rank):
            return line[prefix.end() :]
    return line


class Texts:
    """What lines say, remembered: most are written by several ranks."""

    def __init__(self, sameness: Sameness, local_ranks: Mapping[int, int]) -> None:
        """Prepare.

        Args:
            sameness: What may differ.
            local_ranks: The local rank of each rank that may have written.
        """
        self._sameness = sameness
        self._local_ranks = local_ranks
        self._known: dict[bytes, Text] = {}

    def of(self, line: bytes, rank: int) -> Text:
        """What a line says that this rank wrote."""
        local_rank = self._local_ranks.get(rank, -1)
        line = _bare(line, rank, local_rank)
        known = self._known.get(line)
        if known is not None:
            return known
        text, anyones = self._sameness.read(line, rank, local_rank)
        if anyones:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[line] = text
        return text


def alike(first: Text, second: Text) -> bool:
    """Whether two texts say the same."""
    # what stands for a number in the words may have been written as such
    if first.words != second.words or len(first.numbers) != len(second.numbers):
        return False
    return all(
        abs(one - other) <= _TOLERANCE * max(abs(one), abs(other))
        for one, other in zip(first.numbers, second.numbers, strict=True)
    )


@dataclass(slots=True)
class Group:
    """Lines that say the same, one a rank."""

    line: LogLine
    """The first of them."""
    text: Text
    time: float
    ranks: set[int] = field(default_factory=set)

    @property
    def shown(self) -> LogLine:
        """The line that stands for all."""
        if len(self.ranks) < 2:
            return self.line
        return self.line._replace(ranks=tuple(sorted(self.ranks)))


class Folder:
    """Puts lines into groups as they come."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        """By their first lines."""
        self._open: dict[bytes, list[Group]] = {}
        self._saying: dict[bytes, list[Group]] = {}
        self._sorted = 0

    def add(self, line: LogLine, text: Text, time: float) -> None:
        """Take the next line.

        Args:
            line: The line, with its rank.
            text: What it says.
            time: When it was written.
        """
        if not self.join(line.rank, text, time):
            self.begin(line, text, time)

    def join(self, rank: int, text: Text, time: float) -> bool:
        """Put the next line to those that say the same; whether there are any."""
        several = self._open.get(text.words)
        if several:
            if time - several[0].time > WINDOW or len(several) > _MOST_OPEN:
                several[:] = [
                    group for group in several[-_MOST_OPEN:] if time - group.time <= WINDOW
                ]
            for group in several:
                if rank not in group.ranks and alike(group.text, text):
                    group.ranks.add(rank)
                    return True
        return False

    def begin(self, line: LogLine, text: Text, time: float) -> None:
        """Take the next line as the first that says this."""
        group = Group(line, text, time, {line.rank})
        self.groups.append(group)
        self._open.setdefault(text.words, []).append(group)

    def saying(self, words: bytes) -> Sequence[Group]:
        """All groups with these words."""
        for group in self.groups[self._sorted :]:
            self._saying.setdefault(group.text.words, []).append(group)
        self._sorted = len(self.groups)
        return self._saying.get(words, ())


def said_near(groups: Iterable[Group], text: Text, time: float) -> set[int]:
    """The ranks that said this within a window of this time."""
    found: set[int] = set()
    for group in groups:
        if abs(group.time - time) <= WINDOW and alike(group.text, text):
            found |= group.ranks
    return found


def minority(ranks: int, total: int) -> bool:
    """Whether what so many of the ranks said is worth showing: fewer than half, one of two."""
    return 2 * ranks < total or (ranks == 1 and total == 2)
