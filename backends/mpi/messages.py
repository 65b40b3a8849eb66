"""What mpirun and the ssh it called have said, as causes. Pure."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import msgspec

from backends.ssh.config import HostConfig
from backends.ssh.openssh_faults import fault_from

if TYPE_CHECKING:
    from collections.abc import Mapping

MPIRUN = "mpirun"
"""The category of everything that is mpirun's own."""
_NO_EXECUTABLE = re.compile(r"Executable:\s*(.+)\n\s*Node:\s*(\S+)")
_NO_EXECUTABLE_HYDRA = re.compile(
    r"\[proxy:\S*@(\S+)\] HYDU_create_process \(.*\): execvp error on file (\S+) \((.+)\)"
)
_LOST_DAEMON = re.compile(r"Remote daemon: \S+ on node (\S+)")
_SIGNALLED = re.compile(r"process rank (\d+) with PID \d+ on node (\S+) exited on\s+signal (\d+)")
_NO_DAEMON = re.compile(
    r"(orted|prted|hydra_pmi_proxy)\S*: .*(not found|no such file|permission denied|cannot exec)",
    re.IGNORECASE,
)
_SLOTS = re.compile(
    r"not enough slots available|requested more processes than|not listed in the allocation"
    r"|All nodes which are allocated"
)
_ROOT = re.compile(r"detected an attempt to run as root")
_NOISE = re.compile(
    r"^-+$|setpgid\(|Type '.*' for usage|^\*+$|^=+$|^Primary job|^a non-zero exit code"
)


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why something ended, or did not begin."""

    category: str
    message: str
    hint: str = ""
    node: str | None = None
    """The node it happened on, as mpirun calls it."""


def ssh_cause(node: str, address: str, said: str) -> Cause:
    """Why mpirun's ssh could not start its daemon on a node; `said` is that ssh's own output."""
    if _NO_DAEMON.search(said):
        return Cause(
            node=node,
            category="no-mpi",
            message=f"{node} has no MPI where mpirun looks for it: {_last_line(said)}",
            hint="install the same MPI there; if it is elsewhere: --mpirun-arg '--prefix DIR'",
        )
    port = re.search(r"port (\d+)", said)
    user = re.search(r"^(\S+)@\S+: Permission denied", said, re.MULTILINE)
    host = HostConfig(
        name=node,
        hostname=address,
        port=int(port.group(1)) if port else 22,
        user=user.group(1) if user else "",
    )
    fault = fault_from(said, host)
    return Cause(node=node, category=fault.fault.value, message=fault.message, hint=fault.hint)


def start_cause(said: str, status: int | None) -> Cause:
    """Why an mpirun that has ended did not start anything."""
    if match := _NO_EXECUTABLE.search(said):
        program, node = match.group(1).strip(), match.group(2)
        return Cause(
            node=node,
            category="no-python",
            message=f"{program} cannot be run on {node}",
            hint="give an interpreter that is there on every node, with --python",
        )
    if match := _NO_EXECUTABLE_HYDRA.search(said):
        return Cause(
            node=match.group(1),
            category="no-python",
            message=f"{match.group(2)} cannot be run on {match.group(1)} ({match.group(3)})",
            hint="give an interpreter that is there on every node, with --python",
        )
    if _ROOT.search(said):
        return Cause(
            category=MPIRUN,
            message="mpirun refuses to run as root",
            hint="run as another user, or add --mpirun-arg --allow-run-as-root",
        )
    if _SLOTS.search(said):
        return Cause(
            category=MPIRUN,
            message=f"mpirun may not use these nodes: {_first_words(said)}",
            hint="inside an allocation only its nodes can be used",
        )
    if match := _LOST_DAEMON.search(said):
        return _lost_daemon(match.group(1))
    words = _first_words(said)
    return Cause(
        category=MPIRUN,
        message=f"mpirun {_how(status)} before it had started the agents{_colon(words)}",
        hint="see what it printed: mpi/mpirun-*.log in the run's folder",
    )


def end_cause(said: str, status: int | None, who: str) -> Cause:
    """Why mpirun ended while agents were still at work; `who` is its pid and host."""
    if match := _LOST_DAEMON.search(said):
        return _lost_daemon(match.group(1))
    if match := _SIGNALLED.search(said):
        node, number = match.group(2), int(match.group(3))
        return Cause(
            node=node,
            category=MPIRUN,
            message=f"what mpirun had started on {node} was ended by {_signal_name(number)},"
            " so it ended all the rest",
        )
    words = "" if status is not None and status < 0 else _first_words(said)
    return Cause(
        category=MPIRUN,
        message=f"mpirun ({who}) {_how(status)} while the run was going on{_colon(words)}",
        hint="whoever ended it ended the run; see also mpi/mpirun-*.log in the run's folder",
    )


def named(cause: Cause, nodes: Mapping[str, str]) -> Cause:
    """With the plan's name of its node; `nodes` is addresses by name."""
    if cause.node is None or cause.node in nodes:
        return cause
    short = cause.node.partition(".")[0]
    for name, address in nodes.items():
        if cause.node == address or short in (name, address, name.partition(".")[0]):
            return msgspec.structs.replace(cause, node=name)
    return msgspec.structs.replace(cause, node=None)


def _lost_daemon(node: str) -> Cause:
    return Cause(
        node=node,
        category="node-failure",
        message=f"mpirun has lost {node}",
        hint="the node or its network went down, or its MPI daemon was killed",
    )


def _how(status: int | None) -> str:
    if status is None:
        return "ended"
    if status < 0:
        return f"was killed by {_signal_name(-status)}"
    return f"ended with exit code {status}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _colon(words: str) -> str:
    return f": {words}" if words else ""


def _first_words(said: str) -> str:
    """The first paragraph that is no decoration, on one line."""
    paragraph: list[str] = []
    for line in said.splitlines():
        text = line.strip()
        if not text and paragraph:
            break
        if text and not _NOISE.search(text):
            paragraph.append(text)
    return " ".join(paragraph)[:300]


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
