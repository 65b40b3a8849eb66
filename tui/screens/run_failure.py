"""FailureCard: who failed first, where and when, why the others ended, and what to do now.

While nothing has failed: what holds up a run that makes no progress.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.message import Message

from rankdeck.run.signals import signal_name
from rankdeck.text import CERTAINTIES, UNSURE, duration, other_problems, problem_text, ranks_text
from tui.keys import Scope, bindings
from tui.looks import Line, plain, safe
from tui.screens.run_hang import hang_lines
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from rankdeck.diagnose.hang import Hang
    from rankdeck.run.state import Failure, RunState
    from tui.looks import Piece

_NEXT: Piece = ("next  ", "key")
"""Before what can be done about it; a copy of the card goes without that line."""


def failure_lines(
    run: RunState, to_blame: tuple[str, ...] = (), hang: Hang | None = None
) -> tuple[Line, ...]:
    """The failure card; what there is to say where nothing has failed. Pure.

    Args:
        run: The run.
        to_blame: The nodes that a rerun could do without.
        hang: What holds the run up, or held it up when it was ended.
    """
    failure = run.failure
    over = run.state.final
    if failure is None and hang is not None:
        return (*hang_lines(hang, over=over), *_other_lines(run), (), _hang_keys(over=over))
    if failure is None:
        reason = f": {safe(run.reason)}" if run.reason else ""
        nothing: Line = ((f" {run.state.value}{reason}; no rank has failed.", "dim"),)
        return ((), nothing, *_other_lines(run))
    lines: list[Line] = [
        (("✖ ", "error"), (safe(failure.summary), "error")),
        (),
        (("who   ", "key"), (_culprit(failure), "bold")),
    ]
    if failure.time is not None:
        lines.append((("when  ", "key"), (_when(run, failure.time), "")))
    lines.append((("what  ", "key"), (f"{safe(failure.category)}{_exit(failure)}", "")))
    lines.append((("sure  ", "key"), (CERTAINTIES.get(failure.certainty, UNSURE), "")))
    if failure.hint:
        lines.append((("try   ", "key"), (safe(failure.hint), "")))
    # above the evidence: on a low screen what comes after that is not seen
    lines.append(_keys(to_blame))
    lines += [(("· ", "dim"), (safe(fact), "")) for fact in failure.facts]
    if failure.evidence:
        lines += [(), *((("│ ", "dim"), (safe(line), "")) for line in failure.evidence), ()]
    if failure.collateral_ranks:
        ended = ranks_text(failure.collateral_ranks)
        lines.append((("ended because of it: ", "dim"), (ended, "")))
        lines.append(((_collateral(failure), "dim"),))
    if hang is not None:
        lines += [(), *hang_lines(hang, over=over)]
    lines += _other_lines(run)
    return tuple(lines)


def _keys(to_blame: tuple[str, ...]) -> Line:
    keys: list[Piece] = [_NEXT, ("r", "key"), (" runs it again   ", "")]
    if to_blame:
        more = f" and {len(to_blame) - 1} more" if len(to_blame) > 1 else ""
        keys += [("R", "key"), (f" without {safe(to_blame[0])}{more}   ", "")]
    return (*keys, ("l", "key"), (" its log   ", ""), ("y", "key"), (" copies this", ""))


def _hang_keys(*, over: bool) -> Line:
    keys: list[Piece] = [_NEXT, ("l", "key"), (" the log   ", "")]
    keys += [("y", "key"), (" copies this", "")]
    if not over:
        keys += [("   S", "key"), (" sends a signal   ", ""), ("s", "key"), (" stops the run", "")]
    return tuple(keys)


def _culprit(failure: Failure) -> str:
    where = [f"rank {failure.rank}"] if failure.rank is not None else []
    where += [f"node {safe(failure.node)}"] if failure.node else []
    return ", ".join(where) or "the run"


def _when(run: RunState, moment: float) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
    if run.started is None or moment < run.started:
        return at
    return f"{at}, {duration(moment - run.started)} after the start"


def _exit(failure: Failure) -> str:
    if failure.signal is not None:
        return f" · {signal_name(failure.signal)}"
    return f" · exit code {failure.exit_code}" if failure.exit_code is not None else ""


def _collateral(failure: Failure) -> str:
    count = len(failure.collateral_ranks)
    if failure.rank is None:
        return f"They worked until then: {count} ended with the run, not by a fault of their own."
    return (
        f"Their errors came after rank {failure.rank}'s: {count} lost a peer or were ended with "
        "the run."
    )


def _other_lines(run: RunState) -> list[Line]:
    """What is wrong with nodes, beside the failure itself."""
    lines: list[Line] = []
    for node in other_problems(run):
        lines.append((("also: ", "dim"), (safe(problem_text(node)), "error")))
        if node.problem_hint:
            lines.append((("      try: ", "key"), (safe(node.problem_hint), "")))
    return lines


class FailureCard(TextLines):
    """The card as a page that can be scrolled."""

    BINDINGS = bindings(Scope.FAILURE)

    class LogAsked(Message):
        """The culprit's log is wanted."""

    class CopyAsked(Message):
        """The card is wanted in the clipboard."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def action_open_log(self) -> None:
        """Show the culprit's log."""
        self.post_message(self.LogAsked())

    def action_copy(self) -> None:
        """Copy the card, without the line of keys."""
        lines = [plain(line) for line in self.lines if _NEXT not in line]
        self.post_message(self.CopyAsked("\n".join(lines).strip() + "\n"))
