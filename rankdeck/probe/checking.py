"""Asking every node of a plan what it has for the job, and what the answers come to.

The command line's `check` and the form both ask through this; nothing is changed on any node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rankdeck.backend_reach import ReachesNodes
from rankdeck.probe.script import probe_command, probe_input
from rankdeck.probe.verdict import NodeCheck, Wanted, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rankdeck.backend import Backend
    from rankdeck.backend_reach import NodeAnswer
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.plan.records import LaunchPlan


@dataclass(frozen=True, slots=True)
class NodeCheckup:
    """One job, its nodes, and how they are looked at."""

    backend: Backend
    spec: JobSpec
    nodes: tuple[Node, ...]
    plan: LaunchPlan

    @property
    def impossible(self) -> str:
        """Why nobody can look at the nodes before the job runs; empty: they can be asked."""
        if any(node.placeholder for node in self.nodes):
            return "the scheduler has not chosen it yet"
        if not isinstance(self.backend, ReachesNodes):
            return f"the {self.backend.name} backend reaches its nodes only while a job runs"
        return ""

    def ask(self, secrets: Mapping[str, str]) -> Iterator[NodeAnswer]:
        """Ask every node; answers come as they are known. `secrets`: what `prepare` gave."""
        if not isinstance(self.backend, ReachesNodes):
            return
        first = self.plan.nodes[0]
        arguments = {
            "folder": self._node_folder(),
            "output": first.output_dir,
            "paths": self._needed_paths(),
            "module": self._module,
            "ports": [self.plan.master_port] if self.plan.master_port else [],
        }
        yield from self.backend.run_on_nodes(
            self.spec,
            self.nodes,
            secrets,
            probe_command(first.python),
            probe_input("facts", arguments),
        )

    def judge(self, answers: Sequence[NodeAnswer]) -> tuple[NodeCheck, ...]:
        """The result of each node, in rank order; one that has not answered has failed."""
        if why := self.impossible:
            return tuple(
                NodeCheck(node=node.name, result="unknown", warnings=(why,)) for node in self.nodes
            )
        known = {answer.node: answer for answer in answers}
        first = self.plan.nodes[0]
        checks = judge(
            [known[node.name] for node in self.nodes if node.name in known],
            Wanted(
                python=first.python,
                module=self._module,
                entry=first.entry or "",
                master=first.name,
            ),
        )
        found = {check.node: check for check in checks}
        return tuple(found.get(node.name) or _silent(node) for node in self.nodes)

    @property
    def _module(self) -> str | None:
        """The package that the launcher needs."""
        return (self.plan.requires_module or "").partition(".")[0] or None

    def _node_folder(self) -> str:
        """Where a run's files go on the nodes: the backend's own choice, or the state directory."""
        from rankdeck.run.layout import rankdeck_home

        default = next((o.default for o in self.backend.options if o.name == "node_dir"), None)
        folder = self.spec.backend_options.get("node_dir", default)
        return str(folder) if folder else str(rankdeck_home())

    def _needed_paths(self) -> list[str]:
        """The files that must be there; a project that is copied there need not be."""
        if any(node.project for node in self.nodes):
            return []
        first = self.plan.nodes[0]
        return [path for path in dict.fromkeys((first.cwd, first.entry)) if path]


def _silent(node: Node) -> NodeCheck:
    return NodeCheck(node=node.name, result="fails", failures=("no answer came",))
