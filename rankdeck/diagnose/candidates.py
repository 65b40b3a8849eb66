"""Candidates: what each rank that has ended left behind, in a form that can be ranked."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rankdeck.diagnose.collectives import Testimony, heard_in
from rankdeck.diagnose.peer_lost import Complaint, complaint_in
from rankdeck.diagnose.traceback import Trace, last_traceback
from rankdeck.logs.file import LogFile
from rankdeck.logs.times import LogTimes
from rankdeck.run.files import read_regular
from rankdeck.run.node_state import RankState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rankdeck.run.layout import AttemptDir, RunDir
    from rankdeck.run.node_state import NodeState, RankRecord
    from rankdeck.run.state import RunRank, RunState

_TAIL = 64 * 1024
_SHORT_TAIL = 8 * 1024
"""Read of each log where very many ranks failed: one of them will tell."""
_MANY = 128
_LARGEST_RECORD = 1 << 20
_MOST_KILLED = 256
_LAST_LINES = 30
_TOLD = frozenset({"KeyboardInterrupt", "SystemExit", "SignalException"})


class Source(Enum):
    """Where a candidate's exception was found."""

    NONE = "none"
    RECORD = "record"
    """Its error file, written as the exception left the program."""
    LOG = "log"
    """A traceback among its last output; the program may have survived it."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One rank that has ended, and its last words."""

    rank: int
    node: str
    state: RankState
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    core_dumped: bool = False
    seen: bool = True
    """Whether the kernel itself told us how it ended."""
    pid: int | None = None
    source: Source = Source.NONE
    trace: Trace | None = None
    raised: float | None = None
    """When the exception was recorded, or its traceback written."""
    complaint: Complaint | None = None
    """What it complains of if that is another rank."""
    testimony: Testimony = Testimony()
    """What it says of collectives that timed out."""
    last_lines: tuple[str, ...] = ()

    @property
    def time(self) -> float:
        """When it failed: when it raised, else when it ended; far in the future if unknown."""
        known = self.raised if self.raised is not None else self.ended
        return known if known is not None else float("inf")


def find_candidates(
    run: RunState, nodes: Sequence[NodeState], run_dir: RunDir
) -> tuple[Candidate, ...]:
    """Every rank of the current attempt that has ended, however it did.

    Raises:
        OSError: A log is there but cannot be read.
    """
    records = {record.rank: record for node in nodes for record in node.ranks}
    ahead = {node.name: node.clock_ahead for node in run.nodes}
    killed = 0
    found = []
    failed = sum(rank.state is RankState.FAILED for rank in run.ranks)
    tail = _TAIL if failed <= _MANY else _SHORT_TAIL
    for rank in run.ranks:
        if not rank.state.final:
            continue
        paths = run_dir.node(rank.node).attempt(run.attempt)
        killed += rank.state is RankState.KILLED
        # the last words of thousands that were told to end say nothing new
        listen = rank.state is RankState.FAILED or (
            rank.state is not RankState.EXITED and killed <= _MOST_KILLED
        )
        candidate = _candidate(rank, records.get(rank.rank), paths, tail if listen else 0)
        found.append(_by_our_clock(candidate, ahead[rank.node]))
    return tuple(found)


def _by_our_clock(candidate: Candidate, ahead: float) -> Candidate:
    """Only what was read from the node's own files is by its clock; events never are."""
    if not ahead or candidate.raised is None:
        return candidate
    return msgspec.structs.replace(candidate, raised=candidate.raised - ahead)


def _candidate(rank: RunRank, record: RankRecord | None, paths: AttemptDir, tail: int) -> Candidate:
    candidate = Candidate(
        rank=rank.rank,
        node=rank.node,
        state=rank.state,
        ended=rank.times.get(rank.state.value),
        exit_code=rank.exit_code,
        signal=rank.signal,
        core_dumped=record.core_dumped if record else False,
        seen=record is None or record.exit_source != "launcher",
        pid=rank.pid,
    )
    return _with_last_words(candidate, paths, tail) if tail else candidate


def _with_last_words(candidate: Candidate, paths: AttemptDir, tail: int) -> Candidate:
    """The candidate with what its error file says, or else the last `tail` bytes of its log."""
    recorded = _recorded(paths.error(candidate.rank))
    if recorded is not None:
        return _with_record(candidate, *recorded, paths, tail)
    base, data = _tail(paths.log(candidate.rank), tail)
    text = data.decode("utf-8", "replace")
    candidate = msgspec.structs.replace(candidate, testimony=heard_in(text))
    last_lines = tuple(line for line in text.splitlines() if line.strip())[-_LAST_LINES:]
    logged = last_traceback(text)
    if logged is None or _survived(candidate, logged):
        return msgspec.structs.replace(
            candidate, complaint=_complaint(None, last_lines), last_lines=last_lines
        )
    at = base + _offset_of_line(data, logged.first_line)
    return msgspec.structs.replace(
        candidate,
        source=Source.LOG,
        trace=logged,
        raised=LogTimes(paths.times(candidate.rank)).time_at(at),
        complaint=_complaint(logged, last_lines),
        last_lines=last_lines,
    )


def _with_record(
    candidate: Candidate, trace: Trace, raised: float | None, paths: AttemptDir, tail: int
) -> Candidate:
    complaint = _complaint(trace, ())
    said = "\n".join(trace.lines)
    if complaint is not None:
        # torch's own threads write into the log, not into the exception
        said += "\n" + _tail(paths.log(candidate.rank), tail)[1].decode("utf-8", "replace")
    return msgspec.structs.replace(
        candidate,
        source=Source.RECORD,
        trace=trace,
        raised=raised,
        complaint=complaint,
        testimony=heard_in(said) if complaint is not None else Testimony(),
    )


def _survived(candidate: Candidate, logged: Trace) -> bool:
    """Whether the way it ended shows that this is an old traceback: Python exits with 1 then."""
    if candidate.state is not RankState.FAILED or logged.crash:
        return False
    return candidate.exit_code not in (None, 1) or candidate.signal is not None


def _complaint(trace: Trace | None, last_lines: tuple[str, ...]) -> Complaint | None:
    """A traceback speaks for itself; without one the last lines do."""
    if trace is None:
        return complaint_in("\n".join(last_lines))
    if trace.type.rsplit(".", 1)[-1] in _TOLD:
        return Complaint.TOLD
    return complaint_in("\n".join(trace.lines))


def _tail(path: Path, size: int) -> tuple[int, bytes]:
    """The end of a log from the begin of a line, and where that is."""
    try:
        log = LogFile(path)
    except OSError:
        return 0, b""
    base = max(0, log.size - size)
    data = log.read(base, size)
    cut = data.find(b"\n") + 1 if base else 0
    return base + cut, data[cut:]


def _offset_of_line(data: bytes, line: int) -> int:
    return sum(len(part) + 1 for part in data.split(b"\n")[:line])


class _Extra(msgspec.Struct):
    py_callstack: str = ""
    timestamp: str | float | int = ""
    time: str | float | int = ""


class _Message(msgspec.Struct):
    message: str = ""
    extraInfo: _Extra = msgspec.field(default_factory=_Extra)  # noqa: N815


class _ErrorFile(msgspec.Struct):
    message: _Message | str


def _recorded(path: Path) -> tuple[Trace, float | None] | None:
    """The exception of an error file; None if there is none, or none that can be read."""
    try:
        data = read_regular(path, _LARGEST_RECORD)
        if data is None:
            return None
        told = msgspec.json.decode(data, type=_ErrorFile).message
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if isinstance(told, str):
        told = _Message(message=told)
    trace = last_traceback(told.extraInfo.py_callstack) or last_traceback(told.message)
    if trace is None:
        kind, _, message = told.message.partition(": ")
        lines = tuple(told.extraInfo.py_callstack.splitlines()) or (told.message,)
        trace = Trace(lines, kind, message)
    return trace, _precise(told.extraInfo.time) or _precise(told.extraInfo.timestamp)


def _precise(timestamp: str | float) -> float | None:
    """The time, unless it is in whole seconds: too coarse to tell who was first."""
    try:
        time = float(timestamp)
    except ValueError:
        return None
    return time if math.isfinite(time) and "." in str(timestamp) else None
