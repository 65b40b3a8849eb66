"""What `sinfo` says about a cluster's nodes, as records. The parser is pure, `read_sinfo` runs it.

Read are the compact and the long names of states and every mark behind them, of Slurm 22.05 and
of newer releases; a word that is not known stays as it is and counts as not usable.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import ExitCode, UserError
from rankdeck.job.values import quoted
from rankdeck.nodes.node import Node
from rankdeck.nodes.ranges import check_host_name

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "%N|%P|%t|%c|%m|%G|%f|%E"
"""The last field may hold anything, so the separator cannot be mistaken."""
LOADS = "%N|%O|%e"
"""How busy nodes are: the load, and free memory in MiB."""

_FIELDS = FORMAT.count("|") + 1
_TIMEOUT = 20.0
_LOAD = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_GPU = re.compile(r"gpu(?::[^:,]+)*:([0-9]+)")
_IN_PARENTHESES = re.compile(r"\([^()]*\)")
_STATE = re.compile(r"([a-z_]+)(?:\+([a-z_+]*))?([^a-z0-9]*)", re.IGNORECASE)
_LONG_NAMES = {
    "allocated": "alloc", "mixed": "mix", "completing": "comp", "draining": "drng",
    "drained": "drain", "reserved": "resv", "unknown": "unk", "failing": "failg",
    "future": "futr", "perfctrs": "npc", "planned": "plnd", "blocked": "block",
    "powering_down": "pow_dn", "powering_up": "pow_up", "powered_down": "pow_off",
    "inval": "inval", "error": "error",
}  # fmt: skip
_MARKS = {
    "*": "not responding", "~": "powered off", "#": "powering up", "%": "powering down",
    "!": "power down pending", "$": "maintenance", "@": "reboot pending", "^": "rebooting",
    "-": "planned",
}  # fmt: skip
_USABLE = frozenset({"idle", "mix", "alloc", "comp", "plnd"})
_HARMLESS_MARKS = frozenset({"~", "#", "-"})
"""A node that is powered off is started for a job; a planned one is only promised to another."""


class SlurmNode(msgspec.Struct, frozen=True, kw_only=True):
    """One node of the cluster."""

    name: str
    partitions: tuple[str, ...]
    state: str
    """Slurm's compact name without marks: `idle`, `mix`, `alloc`, `drain`, `down` ..."""
    marks: str = ""
    """What stood behind it: `*`, `~`, `-` ..."""
    cpus: int = 0
    memory_mb: int = 0
    gpus: int = 0
    gres: str = ""
    features: tuple[str, ...] = ()
    reason: str = ""
    """Why it is down or drained; empty: no reason is given."""

    @property
    def usable(self) -> bool:
        """Whether a job that is submitted now could ever get it as it is."""
        return self.state in _USABLE and set(self.marks) <= _HARMLESS_MARKS

    @property
    def state_text(self) -> str:
        """The state in words: `idle, not responding`."""
        words = [_MARKS.get(mark, mark) for mark in self.marks]
        return ", ".join([self.state, *dict.fromkeys(words)])

    @property
    def node(self) -> Node:
        """It as a member of an inventory."""
        return Node(
            name=self.name,
            cpus=self.cpus,
            gpus=self.gpus,
            labels=(*self.partitions, *self.features),
            origin="sinfo",
        )


def parse_sinfo(text: str) -> tuple[SlurmNode, ...]:
    """The nodes in sinfo's order; a node of several partitions is one record.

    Args:
        text: What `sinfo --noheader --Node --format FORMAT` printed.

    Raises:
        ValueError: A line is not of that form; names the line.
    """
    found: dict[str, SlurmNode] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            node = _record(line)
        except ValueError as error:
            raise ValueError(f"line {number} of sinfo's output {error}") from None
        earlier = found.get(node.name)
        if earlier is not None:
            partitions = tuple(dict.fromkeys((*earlier.partitions, *node.partitions)))
            node = msgspec.structs.replace(earlier, partitions=partitions)
        found[node.name] = node
    return tuple(found.values())


def read_sinfo(environ: Mapping[str, str], timeout: float = _TIMEOUT) -> tuple[SlurmNode, ...]:
    """Ask Slurm for its nodes.

    Raises:
        UserError: There is no sinfo, it failed or gave no answer in time, or cannot be read.
    """
    printed = _run(FORMAT, environ, timeout)
    try:
        return parse_sinfo(printed)
    except ValueError as error:
        raise _failed(str(error)) from error


class SlurmLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a node is, as Slurm heard last."""

    load: float | None
    memory_free: int | None
    """Bytes."""


def read_loads(environ: Mapping[str, str], timeout: float = _TIMEOUT) -> dict[str, SlurmLoad]:
    """Ask Slurm how busy its nodes are.

    Raises:
        UserError: There is no sinfo, or it failed.
    """
    return parse_loads(_run(LOADS, environ, timeout))


def parse_loads(text: str) -> dict[str, SlurmLoad]:
    """By node, what `sinfo --noheader --Node --format LOADS` printed; what is not known is None."""
    found = {}
    for line in text.splitlines():
        words = [word.strip() for word in line.split("|")]
        if len(words) == LOADS.count("|") + 1 and words[0]:
            load = float(words[1]) if _LOAD.fullmatch(words[1]) else None
            free = int(words[2]) << 20 if words[2].isdecimal() else None
            found[words[0]] = SlurmLoad(load=load, memory_free=free)
    return found


def _run(wanted: str, environ: Mapping[str, str], timeout: float) -> str:
    # imported late: only those who ask Slurm pay for it
    import subprocess
    import time

    from rankdeck.command_log import executed

    began = time.monotonic()
    command = ["sinfo", "--noheader", "--Node", "--format", wanted]
    try:
        done = subprocess.run(
            command,
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        hint = "run this where Slurm's commands are, or name the nodes with --host"
        raise _failed("there is no sinfo on PATH", hint) from error
    except subprocess.TimeoutExpired as error:
        message = f"sinfo gave no answer in {timeout:g} s"
        raise _failed(message, "is slurmctld running? try: scontrol ping") from error
    except OSError as error:
        raise _failed(f"sinfo cannot be started: {error.strerror}") from error
    seconds = time.monotonic() - began
    executed(command, why="ask Slurm for its nodes", seconds=seconds, exit_code=done.returncode)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split()[:40])
        raise _failed(f"sinfo failed: {said or f'exit code {done.returncode}'}")
    return done.stdout.decode(errors="replace")


def _record(line: str) -> SlurmNode:
    fields = [field.strip() for field in line.split("|", _FIELDS - 1)]
    if len(fields) < _FIELDS:
        raise ValueError(f"has {len(fields)} fields instead of {_FIELDS}: {quoted(line)}")
    name, partition, state, cpus, memory, gres, features, reason = fields
    try:
        check_host_name(name)
    except ValueError as error:
        raise ValueError(f"begins with {quoted(name)}, which {error}") from None
    word, marks = _state(state)
    return SlurmNode(
        name=name,
        partitions=(partition.rstrip("*"),) if partition else (),
        state=word,
        marks=marks,
        cpus=_number(cpus),
        memory_mb=_number(memory),
        gpus=_gpus(gres),
        gres=_given(gres),
        features=tuple(part for part in _given(features).split(",") if part),
        reason="" if reason.lower() in {"none", "(null)", "n/a"} else reason,
    )


def _state(text: str) -> tuple[str, str]:
    match = _STATE.fullmatch(text)
    if match is None:
        raise ValueError(f"has {quoted(text)} where a node's state belongs")
    word = match[1].lower()
    return _LONG_NAMES.get(word, word), match[3]


def _number(text: str) -> int:
    digits = text.rstrip("+")
    return int(digits) if digits.isdecimal() else 0


def _gpus(gres: str) -> int:
    plain = _IN_PARENTHESES.sub("", gres)
    return sum(int(match[1]) for part in plain.split(",") if (match := _GPU.fullmatch(part)))


def _given(text: str) -> str:
    return "" if text in {"(null)", "N/A"} else text


def _failed(message: str, hint: str = "") -> UserError:
    return UserError(message, hint, exit_code=ExitCode.UNUSABLE)
