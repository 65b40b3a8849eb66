"""What the filter of runs can be asked for. Pure; `tui.filter_grammar` says how it is written."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rankdeck.run.state import RunPhase
from tui.filter_grammar import Fields, Filter, RowText, parse_filter, row_text

if TYPE_CHECKING:
    from rankdeck.run.summary import RunSummary


def parse_run_filter(text: str) -> Filter[RunSummary]:
    """Understand a filter.

    Raises:
        FilterError: It is not one (yet).
    """
    return parse_filter(text, RUN_FIELDS)


def run_text(run: RunSummary) -> RowText:
    """Everything of a run that plain words are looked for in."""
    return row_text(
        run.id,
        run.name,
        run.state.value,
        run.reason,
        run.backend,
        run.launcher,
        run.project,
        run.failure_node or "",
        run.failure_category,
        run.failure_summary,
        run.nodes,
    )


@lru_cache(maxsize=4096)
def node_names(folded: str) -> tuple[str, ...]:
    """The nodes of `RunSummary.nodes`."""
    from rankdeck.nodes.slurm_list import expand_nodelist

    try:
        return expand_nodelist(folded)
    except ValueError:
        # a name that no host could have: it is looked for as it is
        return (folded,)


def _nodes(run: RunSummary) -> tuple[str, ...]:
    names = node_names(run.nodes) if run.nodes else ()
    return (*names, run.failure_node) if run.failure_node else names


def _elapsed(run: RunSummary, now: float) -> float | None:
    return None if run.started is None else (run.ended or now) - run.started


_STATES = {
    **{phase.value: frozenset({phase.value}) for phase in RunPhase},
    "live": frozenset(phase.value for phase in RunPhase if not phase.final),
    "ended": frozenset(phase.value for phase in RunPhase if phase.final),
}
RUN_FIELDS: Fields[RunSummary] = Fields(
    words={"state": (_STATES, lambda run: run.state.value)},
    texts={
        "name": lambda run: (run.name,),
        "id": lambda run: (run.id,),
        "backend": lambda run: (run.backend,),
        "launcher": lambda run: (run.launcher,),
        "project": lambda run: (run.project, run.project.rstrip("/").rpartition("/")[2]),
        "node": _nodes,
        "why": lambda run: (run.reason, run.failure_category, run.failure_summary),
    },
    numbers={
        "ranks": lambda run: run.world_size,
        "nodes": lambda run: run.nnodes,
        "step": lambda run: run.step,
        "loss": lambda run: run.loss,
        "attempt": lambda run: run.attempt + 1,
        "exit": lambda run: run.exit_code,
    },
    times={"age": lambda run, now: now - run.created, "elapsed": _elapsed},
)
