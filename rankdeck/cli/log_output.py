"""Log lines on stdout: with their rank in front, safe on a terminal, as they are in a pipe."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rankdeck.cli.text import colour_wanted
from rankdeck.logs.ranks import rank_prefix
from rankdeck.logs.sanitise import clean
from rankdeck.logs.tail import Follower
from rankdeck.text import shown, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rankdeck.logs.found_lines import FoundLines
    from rankdeck.logs.search import Query
    from rankdeck.logs.style import Colour, StyledText
    from rankdeck.run.layout import RunDir
    from rankdeck.run.view import RunSnapshot

LAUNCHER = -1
"""Stands for a launcher's own output where a rank is expected; node n is `LAUNCHER - n`."""

_PREFIX_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)

_MANY_PIECES = 1024
_LARGE_PIECE = 16 * 1024
"""After so many pieces, or one so large, what has been gathered is written."""


class LineWriter:
    """Writes lines of ranks to stdout in one write a batch."""

    def __init__(
        self,
        world_size: int,
        *,
        prefixed: bool = True,
        launcher: str = "launcher",
        query: Query | None = None,
    ) -> None:
        """Prepare to write.

        Args:
            world_size: How many ranks there are; prefixes are as wide as the last one's.
            prefixed: Whether each line begins with its rank.
            launcher: What the launcher's own lines begin with.
            query: Only lines that match are written.
        """
        self._world_size = world_size
        self._prefixed = prefixed
        self._launcher = launcher
        self._query = query
        self._nodes: Mapping[int, str] = {}
        self._node_width = 0
        self._terminal = os.isatty(sys.stdout.fileno())
        self._colour = colour_wanted()

    def name_nodes(self, nodes: Mapping[int, str]) -> None:
        """Say with each rank from now on, and with each launcher, which node it is on."""
        self._nodes = {rank: shown(name) for rank, name in nodes.items()}
        self._node_width = max(map(width, self._nodes.values()), default=0)

    def write(self, batch: Iterable[tuple[int, FoundLines]]) -> None:
        """Write what a follower found, much at a time."""
        pieces: list[bytes] = []
        for rank, lines in batch:
            if len(pieces) >= _MANY_PIECES or (pieces and len(pieces[-1]) >= _LARGE_PIECE):
                self._put(pieces)
                pieces = []
            if self._query is None and not self._terminal:
                pieces.append(lines.text(self._prefix(rank) if self._prefixed else b""))
            else:
                pieces += self._formatted(rank, lines)
        self._put(pieces)

    def write_lines(self, rank: int, lines: Iterable[bytes]) -> None:
        """Write some lines of one rank."""
        self._put(self._formatted(rank, lines))

    def write_named(self, lines: Iterable[tuple[str, bytes]]) -> None:
        """Write some lines, each with its own name before it."""
        pieces = []
        for name, line in lines:
            shown_line = line if not self._terminal else self._show(line).encode()
            pieces.append(f"[{name}] ".encode() + shown_line + b"\n")
        self._put(pieces)

    def _put(self, pieces: Sequence[bytes]) -> None:
        if pieces:
            sys.stdout.buffer.write(b"".join(pieces))
            sys.stdout.buffer.flush()

    def _formatted(self, rank: int, lines: Iterable[bytes]) -> list[bytes]:
        prefix = self._prefix(rank) if self._prefixed else b""
        if self._query is not None:
            lines = tuple(lines)
            spans = self._query.find_all(lines)
            lines = [line for line, span in zip(lines, spans, strict=True) if span is not None]
        if not self._terminal:
            return [prefix + line + b"\n" for line in lines]
        return [prefix + self._show(line).encode() + b"\n" for line in lines]

    def _show(self, line: bytes) -> str:
        return _coloured(line) if self._colour else clean(line)

    def _prefix(self, rank: int) -> bytes:
        name = self._name(rank)
        if self._colour:
            colour = _PREFIX_COLOURS[rank % len(_PREFIX_COLOURS)] if rank >= 0 else 2
            return f"\x1b[{colour}m{name}\x1b[0m".encode()
        return name.encode()

    def _name(self, rank: int) -> str:
        node = self._nodes.get(rank, "")
        if rank < 0:
            return f"[{self._launcher} {node}] " if node else f"[{self._launcher}] "
        prefix = rank_prefix(rank, self._world_size)
        if not node:
            return prefix
        return f"{prefix[:-2]} {node}{' ' * (self._node_width - width(node))}] "


def _coloured(line: bytes) -> str:
    from rankdeck.logs.sanitise import styled_spans

    return to_sgr(styled_spans(line))


def to_sgr(styled: StyledText) -> str:
    """The cleaned text with its colours as escape sequences of our own making."""
    if not styled.spans:
        return styled.text
    parts, done = [], 0
    for span in styled.spans:
        style = span.style
        codes = [*_colour_codes(style.fg, 38), *_colour_codes(style.bg, 48)]
        flags = (style.bold, style.dim, style.italic, style.underline, style.reverse, style.strike)
        codes += [code for code, on in zip((1, 2, 3, 4, 7, 9), flags, strict=True) if on]
        opening = ";".join(map(str, codes))
        parts.append(styled.text[done : span.start])
        parts.append(f"\x1b[{opening}m{styled.text[span.start : span.end]}\x1b[0m")
        done = span.end
    return "".join(parts) + styled.text[done:]


def _colour_codes(colour: Colour | None, introducer: int) -> tuple[int, ...]:
    if colour is None:
        return ()
    if isinstance(colour, int):
        return (introducer, 5, colour)
    return (introducer, 2, *colour)


class RunFollower:
    """Follows every log of a run through its attempts."""

    def __init__(
        self, run: RunDir, ranks: frozenset[int] | None = None, *, launcher: bool = True
    ) -> None:
        """Prepare to follow.

        Args:
            run: The run.
            ranks: Which ranks; None: all.
            launcher: Whether to follow the launchers' own output too.
        """
        self._run = run
        self._ranks = ranks
        self._launcher = launcher
        self._attempt = -1
        self._names: tuple[str, ...] = ()
        """The nodes whose logs of that attempt are followed."""
        self._launchers: set[str] = set()
        self._follower = Follower()

    def look_for(self, snapshot: RunSnapshot, starts: dict[int, int] | None = None) -> None:
        """Follow the logs of the attempt that the run is in; those of earlier ones go on."""
        if snapshot.nodes[0].placeholder:
            return  # there is nothing to follow before a scheduler has chosen
        attempt = snapshot.run.attempt
        names = tuple(node.name for node in snapshot.nodes)
        if (attempt, names) == (self._attempt, self._names):
            return
        for earlier in range(self._attempt + 1, attempt):
            self._add_earlier(earlier, starts or {})
        moved = attempt == self._attempt
        self._attempt, self._names = attempt, names
        self._add_current(snapshot, {} if moved else starts or {})

    def _add_current(self, snapshot: RunSnapshot, starts: dict[int, int]) -> None:
        for node in snapshot.nodes:
            paths = self._run.node(node.name)
            self._add_launcher(node.node_rank, node.name)
            for rank in range(node.first_rank, node.first_rank + node.nproc):
                if self._ranks is None or rank in self._ranks:
                    log = paths.attempt(snapshot.run.attempt).log(rank)
                    self._follower.add(rank, log, starts.get(rank, 0))

    def _add_earlier(self, attempt: int, starts: dict[int, int]) -> None:
        """An attempt that was over before anybody followed; it may have run on other nodes."""
        from rankdeck.logs.sources import rank_logs

        node_ranks: dict[str, int] = {}
        for log in rank_logs(self._run, attempt):
            self._add_launcher(node_ranks.setdefault(log.node, len(node_ranks)), log.node)
            if self._ranks is None or log.rank in self._ranks:
                self._follower.add(log.rank, log.path, starts.get(log.rank, 0))

    def _add_launcher(self, node_rank: int, name: str) -> None:
        if self._launcher and name not in self._launchers:
            self._launchers.add(name)
            self._follower.add(LAUNCHER - node_rank, self._run.node(name).launcher_log)

    def skip_to(self, attempt: int) -> None:
        """Leave out the attempts before this one."""
        self._attempt = attempt - 1

    def pass_on(self, writer: LineWriter, *, last: bool) -> None:
        """Write what is new; with `last`, everything to the end, unfinished lines too."""
        if last:
            for batch in self._follower.finish():
                writer.write(batch)
            self._follower.close()
            return
        while True:
            writer.write(self._follower.each())
            if not self._follower.behind:
                return
