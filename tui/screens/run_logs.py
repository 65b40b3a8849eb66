"""RunLogs: the two log panes of a run, and which log each of them shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from rankdeck.run.node_state import RankState
from rankdeck.text import ranges
from tui.log_choices import LogChoices
from tui.log_marks import LogMarks
from tui.looks import Line, safe
from tui.screens.run_layout import OTHER
from tui.screens.run_text import rank_line
from tui.widgets.log_pane import LogPane

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rankdeck.run.layout import RunDir
    from rankdeck.run.view import NodeView, RankView, RunSnapshot
    from tui.deck import Deck
    from tui.log_page import Look

LOGS = ("log", OTHER)
_CHOICES: WeakKeyDictionary[Deck, LogChoices] = WeakKeyDictionary()
"""How logs are shown, for all runs that a deck opens."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a log pane is about: a rank, or a file of a node."""

    rank: int | None = None
    node: str = ""
    what: str = ""
    """`launcher` or `agent`, of a node."""


class RunLogs:
    """Two panes; the grid's cursor leads the active one."""

    def __init__(self, run: RunDir, deck: Deck) -> None:
        """Make the panes; what was marked and chosen in them is kept unless the deck may not."""

        def refuse() -> str:
            return "this deck is read-only" if deck.read_only else ""

        self._run = run
        marks = LogMarks(run, refuse)
        choices = _CHOICES.setdefault(deck, LogChoices(deck.controller.store.home, refuse))
        self.panes = {
            name: LogPane(
                id=name, marks=marks, choices=choices, has_ended=partial(self._has_ended, name)
            )
            for name in LOGS
        }
        self.active = "log"
        self._snapshot: RunSnapshot | None = None
        self._shown: dict[str, Shown] = {}
        self._paths: dict[str, tuple[Path, int]] = {}

    @property
    def pane(self) -> LogPane:
        """The active pane."""
        return self.panes[self.active]

    def shown(self, name: str) -> Shown | None:
        """What a pane is about."""
        return self._shown.get(name)

    def show_rank(self, name: str, rank: RankView, attempt: int) -> None:
        """Show a rank's log; nothing happens where it is shown already."""
        self._shown[name] = Shown(rank=rank.rank)
        if self._paths.get(name) == (rank.log, attempt):
            return
        self._paths[name] = (rank.log, attempt)
        title = f"rank {rank.rank}"
        self.panes[name].open(rank.log, title, run=self._run, attempt=attempt, rank=rank.rank)

    def show_node(self, name: str, node: NodeView, what: str) -> None:
        """Show the log of a node's launcher or agent."""
        path = node.log if what == "launcher" else node.agent_log
        self._shown[name] = Shown(node=node.name, what=what)
        self._paths[name] = (path, 0)
        self.panes[name].open(path, f"{what} · {safe(node.name)}")

    def refresh(self, snapshot: RunSnapshot) -> None:
        """Follow ranks into a new attempt, and to their end."""
        self._snapshot = snapshot
        for name, shown in self._shown.items():
            if shown.rank is not None and shown.rank < len(snapshot.ranks):
                self.show_rank(name, snapshot.ranks[shown.rank], snapshot.run.attempt)

    def _has_ended(self, name: str, look: Look) -> bool:
        """Whether all whose lines a pane shows have ended, as far as is known."""
        snapshot, shown = self._snapshot, self._shown.get(name)
        if snapshot is None or shown is None:
            return False
        if snapshot.run.state.final or shown.rank is None:
            return snapshot.run.state.final
        ranks: Iterable[int] = (shown.rank,)
        if look.merged:
            ranks = look.ranks or range(len(snapshot.ranks))
        states = (snapshot.ranks[rank].state for rank in ranks if rank < len(snapshot.ranks))
        # one that is lost may be writing where it cannot be heard
        return all(state.final and state is not RankState.LOST for state in states)

    def other_rank(self, snapshot: RunSnapshot, first: int) -> int:
        """The rank to compare `first` with: the culprit, else rank 0, else the next one."""
        failure = snapshot.run.failure
        candidates = (failure.rank if failure else None, 0, first + 1)
        known = (rank for rank in candidates if rank is not None and rank != first)
        return min(next(known), len(snapshot.ranks) - 1)

    def title(self, name: str, snapshot: RunSnapshot, now: float) -> Line:
        """The facts of what a pane shows."""
        shown = self._shown.get(name)
        if shown is None:
            return (("no log", "dim"),)
        if shown.rank is None or shown.rank >= len(snapshot.ranks):
            return ((f"{shown.what} of {safe(shown.node)}", ""),)
        look = self.panes[name].look
        if look.merged:
            ranks = f"ranks {ranges(look.ranks)}" if look.ranks else "all ranks"
            return ((f"{ranks} by time", "bold"),)
        rank = snapshot.ranks[shown.rank]
        silent = next((n.silent_since for n in snapshot.nodes if n.name == rank.node), None)
        return rank_line(rank, now, ended=snapshot.run.state.final, silent_since=silent)
