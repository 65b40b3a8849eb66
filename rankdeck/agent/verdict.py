"""Judging ends: what a rank's exit means, what a launcher's last words say, how the node did.

Pure functions. torchrun's own report is used for one thing only: an exit status that the kernel
did not show us.
"""

from __future__ import annotations

import re
import signal

from rankdeck.agent.exits import Exit
from rankdeck.agent.problem import ProblemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rankdeck.agent.node import Node

_ENDING = {signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
# torchrun and deepspeed; the latter says so a moment after a rank has failed, too
_TOLD = re.compile(rb"death signal, shutting down workers|\] Killing subprocess \d+")
_REPORTED = re.compile(
    rb"rank\s*: (\d{1,9}) \(local_rank: \d+\)\s+exitcode\s*: (-?\d{1,9}) \(pid: (\d{1,9})\)"
)
_IN_USE = re.compile(rb"EADDRINUSE|address already in use", re.IGNORECASE)


def ended_by_request(how: Exit) -> bool:
    """Whether this is how a process ends that was told to."""
    return how.signal in _ENDING


def ended_by_term(how: Exit) -> bool:
    """Whether it was ended by the signal that schedulers send to every process of a job."""
    return how.signal == signal.SIGTERM


def final_state(how: Exit, stopping: bool, torn_down: bool) -> str:
    """The final state of a rank.

    `stopping`: we had already told it to end. `torn_down`: its launcher had, or may have.
    """
    if how.clean:
        return "exited"
    if stopping or (torn_down and ended_by_request(how)):
        return "killed"
    return "failed"


def launcher_was_told(log_tail: bytes) -> bool:
    """Whether a launcher says that it was signalled and ends its ranks therefore."""
    return _TOLD.search(log_tail) is not None


def reported_exits(log_tail: bytes) -> dict[int, tuple[int, Exit]]:
    """Pid and exit by rank, as torchrun's failure report tells them."""
    exits = {}
    for rank, code, pid in _REPORTED.findall(log_tail):
        number = int(code)
        by_signal = number < 0
        how = Exit(None if by_signal else number, -number if by_signal else None, False, "launcher")
        exits[int(rank)] = (int(pid), how)
    return exits


def launcher_problem(name: str, how: Exit, log_tail: bytes, ranks_seen: bool) -> ProblemError:
    """Why the node failed when no rank is to blame: its launcher ended badly."""
    if how.signal is not None:
        ended = f"was ended by {_signal_name(how.signal)}"
    elif launcher_was_told(log_tail):
        ended = "was told by a signal to end"
    else:
        ended = f"ended with exit code {how.code}"
    when = "while its ranks were running" if ranks_seen else "before it had started a rank"
    if not ranks_seen and _IN_USE.search(log_tail):
        return ProblemError(
            "port-in-use",
            "the master port was taken when the launcher wanted to use it",
            "run again, or give another --master-port",
        )
    words = _last_line(log_tail)
    said = f"; its last words: {words}" if words else ""
    return ProblemError("launcher", f"{name} {ended} {when}{said}", "see launcher.log")


def outcome(node: Node, asked_to_stop: bool) -> str:
    """How the node's part ended."""
    states = {rank.state for rank in node.ranks}
    if node.problem is not None or "failed" in states:
        return "failed"
    if asked_to_stop:
        return "stopped"
    launcher = node.launcher
    launcher_failed = launcher is not None and launcher.exit is not None and not launcher.exit.clean
    return "failed" if launcher_failed or states & {"killed", "lost"} else "succeeded"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(tail: bytes) -> str:
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return lines[-1].decode("utf-8", "replace")[:200] if lines else ""
