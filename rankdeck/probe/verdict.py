"""What the answers of all nodes come to: results, and what differs between them. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from rankdeck.probe.script import NO_PYTHON
from rankdeck.text import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rankdeck.backend_reach import NodeAnswer

_LEAST_FREE = 256 << 20
_CLOCK_SECONDS = 1.0


class NodeFacts(msgspec.Struct, frozen=True):
    """What a node says of itself."""

    host: str
    python: str
    version: str
    torch: str | None
    cpus: int
    gpus: int
    free: int | None
    """Bytes free where a run's files would go; null: unknown."""
    missing: tuple[str, ...]
    """Of the paths the job needs, those that are not there."""
    clock: float
    output_free: int | None = None
    """Bytes free where the job's own output would go; null: unknown."""
    busy_ports: tuple[int, ...] = ()
    """Of the ports the job names, those that something listens on."""
    busy_gpus: int | None = None
    """GPUs that something computes on; null: unknown."""
    load: float | None = None
    """Processes that wanted a CPU, over the last minute."""
    memory: int | None = None
    memory_free: int | None = None
    """Bytes that a job could have now."""
    gpu_names: tuple[str, ...] = ()
    module: bool | None = None
    """Whether the package is there that the launcher needs; null: it needs none."""


class NodeCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One node's result."""

    node: str
    result: str
    """`ok`, `warning`, `fails`, or `unknown`: nobody could look."""
    facts: NodeFacts | None = None
    clock_ahead: float | None = None
    """Seconds its clock is ahead of this machine's, at least; 0 when it may be the same."""
    category: str = ""
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    hint: str = ""
    concerns: dict[str, str] = msgspec.field(default_factory=dict)
    """By failure or warning: the job's field that it is about."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the job needs on a node."""

    python: str
    module: str | None
    """A module the interpreter must have."""
    entry: str = ""
    """The file the job runs."""
    master: str = ""
    """The node whose ports the job needs."""


def judge(answers: Sequence[NodeAnswer], wanted: Wanted) -> tuple[NodeCheck, ...]:
    """The result of each node; those that differ from most of the others are told apart."""
    checks = [_one(answer, wanted) for answer in answers]
    facts = [check.facts for check in checks if check.facts is not None]
    most = {
        "torch": _most(f.torch for f in facts),
        "Python": _most(_minor(f.version) for f in facts),
    }
    return tuple(_compared(check, most, len(facts)) for check in checks)


def _one(answer: NodeAnswer, wanted: Wanted) -> NodeCheck:
    if answer.trouble:
        return NodeCheck(
            node=answer.node,
            result="fails",
            category=answer.category,
            failures=(answer.trouble,),
            hint=answer.hint,
        )
    if answer.status == NO_PYTHON:
        return _failed(answer, "no-python", "there is no Python on the node")
    facts = _facts(answer.output)
    if facts is None:
        last = (answer.error_text.strip().splitlines() or ["it said nothing"])[-1]
        return _failed(answer, "probe", f"the node could not be looked at: {last[:200]}")
    remarks = _Remarks()
    for path in facts.missing:
        remarks.fail("entry" if path == wanted.entry else "project", f"{path} is not there")
    if "/" in wanted.python and facts.python != wanted.python:
        remarks.fail("python", f"the interpreter {wanted.python} is not there")
    elif wanted.module == "torch" and facts.torch is None:
        remarks.fail("python", f"{facts.python} has no torch")
    elif facts.module is False:
        remarks.fail("python", f"{facts.python} has no {wanted.module}")
    if answer.node == wanted.master:
        for port in facts.busy_ports:
            remarks.fail("master_port", f"port {port} is taken")
    if facts.free is not None and facts.free < _LEAST_FREE:
        remarks.warn("", f"only {size(facts.free)} are free for logs")
    if facts.output_free is not None and facts.output_free < _LEAST_FREE:
        remarks.warn("output_dir", f"only {size(facts.output_free)} are free for its output")
    if facts.busy_gpus:
        remarks.warn("nproc_per_node", f"{facts.busy_gpus} of its {facts.gpus} GPUs are in use")
    ahead = _ahead(facts.clock, answer)
    if abs(ahead) > _CLOCK_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        remarks.warn("", f"its clock is {abs(ahead):.1f} s {way} this machine's")
    check = NodeCheck(node=answer.node, result="", facts=facts, clock_ahead=ahead)
    return remarks.put_into(check)


class _Remarks:
    """What is found on a node, and which field of the job each thing is about."""

    def __init__(self) -> None:
        self._failures: list[str] = []
        self._warnings: list[str] = []
        self._concerns: dict[str, str] = {}

    def fail(self, field: str, text: str) -> None:
        self._failures.append(text)
        self._concerns[text] = field

    def warn(self, field: str, text: str) -> None:
        self._warnings.append(text)
        self._concerns[text] = field

    def put_into(self, check: NodeCheck) -> NodeCheck:
        """The check with these remarks after its own."""
        failures = (*check.failures, *self._failures)
        warnings = (*check.warnings, *self._warnings)
        return msgspec.structs.replace(
            check,
            result="fails" if failures else "warning" if warnings else "ok",
            failures=failures,
            warnings=warnings,
            concerns={**check.concerns, **self._concerns},
        )


def _ahead(clock: float, answer: NodeAnswer) -> float:
    """How far the clock is ahead at least: it was read some time between asking and answer."""
    if clock > answer.ended:
        return clock - answer.ended
    return min(0.0, clock - answer.began)


def _compared(check: NodeCheck, most: dict[str, str | None], count: int) -> NodeCheck:
    facts = check.facts
    if facts is None or count < 2:
        return check
    remarks = _Remarks()
    own = {"torch": facts.torch, "Python": _minor(facts.version)}
    for name, value in own.items():
        usual = most[name]
        if value is not None and usual is not None and value != usual:
            remarks.warn("python", f"{name} {value}, most others have {usual}")
    return remarks.put_into(check)


def _failed(answer: NodeAnswer, category: str, why: str) -> NodeCheck:
    return NodeCheck(node=answer.node, result="fails", category=category, failures=(why,))


def _facts(output: bytes) -> NodeFacts | None:
    # a login shell's start-up files may print something first
    for line in reversed(output.splitlines()):
        try:
            return msgspec.json.decode(line, type=NodeFacts)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return None


def _most(values: Iterable[str | None]) -> str | None:
    counted = Counter(value for value in values if value is not None)
    return counted.most_common(1)[0][0] if counted else None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
