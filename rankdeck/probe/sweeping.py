"""Searching places for what runs have left behind, and ending it.

A place is this machine, or nodes that a backend reaches. A backend that reaches its nodes only
within a job sweeps by a session of the run, which cannot say beforehand what it will end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rankdeck.errors import ExitCode, UserError
from rankdeck.probe.leftover_policy import leftovers, read_found
from rankdeck.probe.script import probe_command, probe_input

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.ask import Ask
    from rankdeck.backend_reach import NodeAnswer, ReachesNodes
    from rankdeck.backend_reports import Swept
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.probe.leftover_policy import Found, Leftover
    from rankdeck.run.layout import RunDir
    from rankdeck.run.store import RunStore

_SESSION_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look."""

    spec: JobSpec
    nodes: tuple[Node, ...]
    secrets: Mapping[str, str]
    reach: ReachesNodes | None
    """None: only a session of `run` can get there."""
    run: RunDir | None = None


def here() -> Place:
    """This machine."""
    from rankdeck.ask import Nobody
    from rankdeck.job.spec import JobSpec

    return place_of_nodes(JobSpec(name="sweep", entry="", project="/"), Nobody())


def place_of_nodes(spec: JobSpec, ask: Ask) -> Place:
    """The nodes that these options name.

    Raises:
        UserError: There are none, or the backend cannot get there outside of a job.
    """
    from rankdeck.backend import load_backend
    from rankdeck.backend_reach import ReachesNodes

    backend = load_backend(spec.backend)
    if not isinstance(backend, ReachesNodes):
        raise UserError(
            f"the {backend.name} backend reaches its nodes only while a job runs",
            "name a run: rankdeck sweep RUN; or reach the nodes by a backend that can",
            exit_code=ExitCode.UNUSABLE,
        )
    nodes = backend.nodes(spec)
    return Place(spec, nodes, backend.prepare(spec, nodes, ask), backend)


def place_of_run(run: RunDir, ask: Ask) -> Place:
    """The nodes on which a run was.

    Raises:
        UserError: It cannot be read, or its backend is not installed.
    """
    from rankdeck.backend import load_backend
    from rankdeck.backend_reach import ReachesNodes
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.run.stored import read_plan

    plan = read_plan(run)
    backend = load_backend(plan.backend)
    spec = JobSpec(
        name="sweep",
        entry="",
        project=plan.project or "/",
        backend=plan.backend,
        backend_options=plan.backend_options,
        python=plan.nodes[0].python,
    )
    nodes = tuple(
        Node(name=node.name, address=node.address, user=node.user, port=node.port)
        for node in plan.nodes
        if not node.placeholder
    )
    if not isinstance(backend, ReachesNodes):
        return Place(spec, nodes, {}, None, run)
    return Place(spec, nodes, backend.prepare(spec, nodes, ask), backend, run)


def search(
    places: Sequence[Place], store: RunStore, only: frozenset[str] | None
) -> tuple[tuple[Leftover, ...], tuple[UserError, ...]]:
    """What is left in places that can be searched, and which nodes could not be."""
    reports: list[tuple[str, Found]] = []
    troubles: list[UserError] = []
    for place in places:
        for answer in _ask(place, {}) if place.reach else ():
            report = None if answer.trouble else read_found(answer.output)
            if report is None:
                troubles.append(_trouble(answer))
            else:
                reports.append((answer.node, report))
    # read after the nodes were asked: a run that has begun meanwhile lives
    runs = store.list()
    ended = {run.id: run.state.value for run in runs if run.state.final}
    living = {run.id for run in runs if not run.state.final}
    found = [
        one
        for node, report in reports
        for one in leftovers(node, report.found, ended, living, only)
    ]
    return tuple(found), tuple(troubles)


def end(
    places: Sequence[Place], found: Sequence[Leftover]
) -> tuple[tuple[Leftover, ...], tuple[UserError, ...]]:
    """End these processes; those that stay, and the nodes that could not be told."""
    left: list[Leftover] = []
    troubles: list[UserError] = []
    for place in places:
        for node in place.nodes:
            here = [one for one in found if one.host == node.name]
            if not here or place.reach is None:
                continue
            wanted = [[one.process.pid, one.process.start] for one in here]
            only = Place(place.spec, (node,), place.secrets, place.reach)
            for answer in _ask(only, {"end": wanted}):
                report = None if answer.trouble else read_found(answer.output)
                if report is None:
                    troubles.append(_trouble(answer))
                    left += here
                else:
                    left += [one for one in here if one.process.pid in report.left]
    return tuple(left), tuple(troubles)


def _ask(place: Place, arguments: dict[str, Any]) -> Sequence[NodeAnswer]:
    assert place.reach is not None
    command, data = probe_command(None), probe_input("leftovers", arguments)
    return list(place.reach.run_on_nodes(place.spec, place.nodes, place.secrets, command, data))


def _trouble(answer: NodeAnswer) -> UserError:
    if answer.trouble:
        return UserError(answer.trouble, answer.hint, exit_code=ExitCode.UNUSABLE)
    last = (answer.error_text.strip().splitlines() or ["it said nothing"])[-1]
    return UserError(
        f"{answer.node} could not be searched: {last[:200]}", exit_code=ExitCode.UNUSABLE
    )


def end_by_session(place: Place) -> tuple[UserError, ...]:
    """Have a session of the place's run end what is left there; what went wrong, or stays."""
    from rankdeck.backend import SessionContext, load_backend
    from rankdeck.backend_reports import Swept
    from rankdeck.run.stored import read_plan

    run = place.run
    assert run is not None
    context = SessionContext(
        run=run,
        plan=read_plan(run),
        environ=None,
        secrets=place.secrets,
        taken_over=True,
        wake=lambda: None,
    )
    session = load_backend(place.spec.backend).open(context)
    troubles: list[UserError] = []
    waiting = {node.name for node in place.nodes}
    deadline = time.monotonic() + _SESSION_SECONDS
    try:
        for name in tuple(waiting):
            session.sweep(name)
        while waiting and time.monotonic() < deadline:
            for report in session.reports():
                if isinstance(report, Swept) and report.node in waiting:
                    waiting.discard(report.node)
                    troubles += _left_by_session(report)
            time.sleep(0.05)
    finally:
        session.close()
    troubles += [
        UserError(f"{name} did not answer in time", exit_code=ExitCode.UNUSABLE)
        for name in sorted(waiting)
    ]
    return tuple(troubles)


def _left_by_session(report: Swept) -> list[UserError]:
    if report.error:
        return [UserError(report.error, exit_code=ExitCode.UNUSABLE)]
    if report.left:
        pids = ", ".join(map(str, report.left))
        return [UserError(f"{report.node}: {pids} could not be ended", exit_code=ExitCode.UNUSABLE)]
    return []
