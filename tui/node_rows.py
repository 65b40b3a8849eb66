"""What a row of the table of nodes knows, and the filter of nodes. Pure; knows no widget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.nodes.expressions import Slots, slots_of
from rankdeck.nodes.notes import NodeNote, note_text
from tui.filter_grammar import Fields, Filter, RowText, parse_filter, row_text
from tui.run_filter import node_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rankdeck.nodes.census import Census
    from rankdeck.probe.verdict import NodeCheck, NodeFacts
    from rankdeck.run.summary import RunSummary
    from tui.node_choice import NodeChoice

STATES: dict[str, tuple[str, str]] = {
    "ready": ("●", "good"),
    "warning": ("!", "warning"),
    "busy": ("◑", "accent"),
    "unusable": ("✖", "error"),
    "unreachable": ("✖", "error"),
    "broken": ("✖", "error"),
    "asking": ("◔", "accent"),
    "unknown": ("?", "dim"),
    "avoid": ("⊘", "warning"),
}
"""What can be said of a node in a word; with its mark and its style."""
_BUSY = frozenset({"alloc", "mix", "comp"})


@dataclass(frozen=True, slots=True)
class NodeUse:
    """What our runs have to do with a node."""

    living: tuple[RunSummary, ...] = ()
    """Those that use it now."""
    blamed: tuple[RunSummary, ...] = ()
    """Those whose first failure was there, newest first."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node."""

    name: str
    address: str
    slots: Slots | None
    gpus: int
    cpus: int
    load: float | None
    memory_free: int | None
    """Bytes that a job could have now."""
    labels: tuple[str, ...]
    origin: str
    scheduler: str
    """What the scheduler says; empty: nobody was asked."""
    state: str
    """One of STATES."""
    trouble: str
    """Why it cannot be used, or what is wrong with it; hostile."""
    hint: str
    check: NodeCheck | None
    note: NodeNote | None
    use: NodeUse
    chosen: Slots | None
    """The chosen slots, none: all; None: the node is not chosen."""

    @property
    def facts(self) -> NodeFacts | None:
        """What it said of itself."""
        return None if self.check is None else self.check.facts

    @property
    def bad(self) -> bool:
        """Whether a job on it would not start, or should not."""
        return self.state in ("unusable", "unreachable", "broken", "avoid")


def uses_of(runs: Sequence[RunSummary]) -> dict[str, NodeUse]:
    """By node, what our runs have to do with it."""
    living: dict[str, list[RunSummary]] = {}
    blamed: dict[str, list[RunSummary]] = {}
    for run in runs:
        if not run.state.final:
            for name in node_names(run.nodes) if run.nodes else ():
                living.setdefault(name, []).append(run)
        elif run.failure_node:
            blamed.setdefault(run.failure_node, []).append(run)
    return {
        name: NodeUse(tuple(living.get(name, ())), tuple(blamed.get(name, ())))
        for name in {**living, **blamed}
    }


def make_rows(
    census: Census,
    checks: Mapping[str, NodeCheck],
    notes: Mapping[str, NodeNote],
    uses: Mapping[str, NodeUse],
    choice: NodeChoice,
    *,
    asking: bool,
    now: float,
) -> tuple[NodeRow, ...]:
    """The nodes as they are known now.

    Args:
        census: Which there are.
        checks: What those that have answered said.
        notes: What is noted of them.
        uses: What our runs have to do with them.
        choice: Which are chosen.
        asking: Whether those that have not answered are being asked.
        now: Seconds since the epoch.
    """
    rows = []
    for listed in census.listed:
        node = listed.node
        check, note = checks.get(node.name), notes.get(node.name)
        facts = None if check is None else check.facts
        busy = census.loads.get(node.name)
        state, trouble = _judged(listed.state, listed.usable, check, asking=asking)
        if note is not None and note.avoids(now) and state in ("ready", "unknown", "warning"):
            state = "avoid"
        rows.append(
            NodeRow(
                name=node.name,
                address=_address(node.user, node.address or node.name, node.port),
                slots=slots_of(node),
                gpus=node.gpus or (facts.gpus if facts else 0),
                cpus=node.cpus or (facts.cpus if facts else 0),
                load=facts.load if facts else busy.load if busy else None,
                memory_free=facts.memory_free if facts else busy.memory_free if busy else None,
                labels=node.labels,
                origin=node.origin,
                scheduler=listed.state,
                state=state,
                trouble=trouble,
                hint="" if check is None else check.hint,
                check=check,
                note=note,
                use=uses.get(node.name) or NodeUse(),
                chosen=choice.selection.get(node.name),
            )
        )
    return tuple(rows)


def _judged(
    scheduler: str, usable: bool | None, check: NodeCheck | None, *, asking: bool
) -> tuple[str, str]:
    if usable is False:
        return "unusable", scheduler
    if check is None:
        if scheduler:
            return ("busy" if scheduler.partition(",")[0] in _BUSY else "ready"), ""
        return ("asking" if asking else "unknown"), ""
    told = "; ".join((*check.failures, *check.warnings))
    if check.result == "fails":
        return ("unreachable" if check.facts is None else "broken"), told
    return ("warning" if check.warnings else "ready"), told


def _address(user: str, host: str, port: int) -> str:
    text = f"{user}@{host}" if user else host
    if not port:
        return text
    return f"[{text}]:{port}" if ":" in host else f"{text}:{port}"


def node_text(row: NodeRow, now: float) -> RowText:
    """Everything of a node that plain words are looked for in."""
    runs = " ".join(run.name for run in row.use.living)
    note = "" if row.note is None else note_text(row.note, now)
    labels = " ".join(row.labels)
    parts = (row.name, row.address, row.state, row.scheduler, row.trouble, labels, note, runs)
    return row_text(*parts)


def parse_node_filter(text: str) -> Filter[NodeRow]:
    """Understand a filter.

    Raises:
        FilterError: It is not one (yet).
    """
    return parse_filter(text, NODE_FIELDS)


def _chosen(row: NodeRow) -> str:
    return "no" if row.chosen is None else "yes"


def _known(words: Iterable[str]) -> dict[str, frozenset[str]]:
    return {word: frozenset({word}) for word in words}


_BAD = frozenset({"unusable", "unreachable", "broken", "avoid"})
NODE_FIELDS: Fields[NodeRow] = Fields(
    words={
        "state": ({**_known(STATES), "bad": _BAD}, lambda row: row.state),
        "in": (_known(("yes", "no")), _chosen),
    },
    texts={
        "name": lambda row: (row.name,),
        "address": lambda row: (row.address,),
        "label": lambda row: row.labels,
        "run": lambda row: tuple(run.name for run in row.use.living),
        "note": lambda row: () if row.note is None else (row.note.text,),
        "why": lambda row: (row.trouble,),
    },
    numbers={
        "slots": lambda row: None if row.slots is None else len(row.slots),
        "gpus": lambda row: row.gpus,
        "cpus": lambda row: row.cpus,
        "load": lambda row: row.load,
        "runs": lambda row: len(row.use.living),
        "failures": lambda row: len(row.use.blamed),
    },
    times={},
)
