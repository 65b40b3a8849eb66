"""The sentences of a diagnosis: what happened, and what to try next. Pure."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from rankdeck.run.node_state import RankState
from rankdeck.run.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.diagnose.candidates import Candidate
    from rankdeck.diagnose.ranking import Verdict

_LONGEST_MESSAGE = 240
_LONGEST_LINE = 500
_MOST_LINES = 40
_HEAD_LINES = 8
_SHELL_OFFSET = 128

_SIGNALS = {
    signal.SIGSEGV: (
        "crashed with SIGSEGV (an invalid memory access in native code)",
        "the stack of the crash is in its log; look at the extension or library it names, and try "
        "without it",
    ),
    signal.SIGBUS: (
        "crashed with SIGBUS, often a full /dev/shm or a file that was truncated while mapped",
        "check `df -h /dev/shm` on {node}; fewer DataLoader workers need less of it",
    ),
    signal.SIGABRT: (
        "aborted (SIGABRT): native code gave up",
        "the lines before its end in its log say why",
    ),
    signal.SIGFPE: (
        "crashed with SIGFPE (an invalid computation in native code)",
        "the stack of the crash is in its log",
    ),
    signal.SIGILL: (
        "crashed with SIGILL: code built for another processor",
        "compare the processors of the nodes; rebuild the extension on {node}",
    ),
}


def summary_of(verdict: Verdict) -> str:
    """One sentence on the first failure."""
    first = verdict.first
    if first is None:
        return _unknown(verdict)
    who = f"rank {first.rank} on {first.node}"
    what = _what(first)
    alike = len(verdict.alike)
    more = f", and so did {alike} other rank{'s' if alike > 1 else ''}" if alike else ""
    return f"{who} {what}{more}"


def hint_of(verdict: Verdict) -> str:
    """What to do next; empty where the evidence speaks for itself."""
    first = verdict.first
    if first is None:
        return (
            f"look at the logs of rank {_listed(verdict.suspects)} first: "
            "they do not complain of another rank"
            if 0 < len(verdict.suspects) <= 8
            else "look at the ranks' last lines, and at the nodes' kernel logs"
        )
    if first.state is RankState.EXITED:
        return "do all ranks make the same number of steps? uneven data ends one of them early"
    if first.trace is not None and not first.trace.crash:
        return ""
    if first.signal is not None:
        return _signal_hint(first)
    if first.exit_code is not None:
        return _exit_hint(first)
    return f"see the log of the agent on {first.node}"


def evidence_of(candidate: Candidate) -> tuple[str, ...]:
    """The lines that show it: its traceback, else its last lines."""
    lines = candidate.trace.lines if candidate.trace is not None else candidate.last_lines
    return bounded(lines)


def bounded(lines: Sequence[str]) -> tuple[str, ...]:
    """Not too many lines, none too long; of many, the first few and the last."""
    several = [line.rstrip()[:_LONGEST_LINE] for line in lines]
    if len(several) > _MOST_LINES:
        tail = _MOST_LINES - _HEAD_LINES - 1
        gap = f"… {len(several) - _HEAD_LINES - tail} lines …"
        several = [*several[:_HEAD_LINES], gap, *several[-tail:]]
    return tuple(several)


def _what(first: Candidate) -> str:
    if first.state is RankState.EXITED:
        return "ended with exit code 0 while the others still worked; they lost it"
    trace = first.trace
    if trace is not None and not trace.crash:
        message = trace.message[:_LONGEST_MESSAGE]
        said = f"{trace.type}: {message}" if message else trace.type
        return f"raised {said}" + (f" ({trace.where})" if trace.where else "")
    if first.signal is not None:
        return _signal_words(first)
    if first.exit_code is not None:
        return _exit_words(first)
    return "was lost: nobody saw how it ended"


def _signal_words(first: Candidate) -> str:
    number = first.signal or 0
    if number == signal.SIGKILL:
        return "was killed by SIGKILL, often the kernel's out-of-memory killer"
    if number in _SIGNALS:
        words = _SIGNALS[signal.Signals(number)][0]
    elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        words = f"was told to end by {signal_name(number)}, which this run did not send"
    else:
        words = f"was ended by {signal_name(number)}"
    trace = first.trace
    if trace is not None and trace.where:
        words += f" at {trace.where}"
    elif trace is not None and trace.message:
        words += f": {trace.message[:_LONGEST_MESSAGE]}"
    return words + (" (core dumped)" if first.core_dumped else "")


def _signal_hint(first: Candidate) -> str:
    number = first.signal or 0
    if number == signal.SIGKILL:
        return (
            f"check `dmesg -T | grep -i -e oom -e killed` (or `journalctl -k`) on {first.node} "
            f"for pid {first.pid}; if memory was short, use fewer or smaller batches and workers"
        )
    if number in _SIGNALS:
        return _SIGNALS[signal.Signals(number)][1].format(node=first.node)
    return "somebody, a scheduler or a limit on the node sent it"


def _exit_words(first: Candidate) -> str:
    code = first.exit_code or 0
    last = first.last_lines[-1].strip() if first.last_lines else ""
    if code == 2 and ": error: " in last:
        return f"did not accept its arguments: {last[:_LONGEST_MESSAGE]}"
    if code == 127:
        return "ended with exit code 127: a command was not found"
    if code == 126:
        return "ended with exit code 126: a command could not be executed"
    if _SHELL_OFFSET < code < _SHELL_OFFSET + 65:
        return (
            f"ended with exit code {code}, as a shell does when its command was ended by "
            f"{signal_name(code - _SHELL_OFFSET)}"
        )
    return f"ended itself with exit code {code}; no exception was recorded"


def _exit_hint(first: Candidate) -> str:
    if first.exit_code in (2, 126, 127):
        return "its last lines say which"
    return f"look for what exits with {first.exit_code} in the program; its last lines may tell"


def _unknown(verdict: Verdict) -> str:
    if not verdict.complainers:
        return "no rank left behind why it ended"
    first = verdict.complainers[0]
    assert first.complaint is not None
    what = f"rank {first.rank} on {first.node} {first.complaint.value}"
    if len(verdict.suspects) == 1:
        return (
            f"{what}; only rank {verdict.suspects[0]} does not complain so, "
            "but it left no reason behind"
        )
    return f"{what}; which rank was the first to fail is not in what they left behind"


def _listed(ranks: Sequence[int]) -> str:
    *most, last = [str(rank) for rank in ranks]
    return f"{', '.join(most)} and {last}" if most else last
