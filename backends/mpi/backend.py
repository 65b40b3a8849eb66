"""MpiBackend: the nodes of an inventory; mpirun starts the agents there, or the ranks too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from backends.mpi.options import OPTIONS, mpi_options
from rankdeck.backend import BackendOption, Capability
from rankdeck.errors import UserError
from rankdeck.run.process import host_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rankdeck.ask import Ask
    from rankdeck.backend import Session, SessionContext
    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.run.layout import RunDir


class MpiBackend:
    """Runs on the nodes of an inventory that share the run directory's file system."""

    name = "mpi"
    title = "Nodes reached by mpirun, on a shared file system"
    capabilities: frozenset[Capability] = frozenset(
        {Capability.MULTI_NODE, Capability.SHARED_FILES}
    )
    options: tuple[BackendOption, ...] = OPTIONS

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        """The inventory's nodes, as the job filters them.

        Raises:
            UserError: There are none, or mpirun could not be told how to reach one.
        """
        from rankdeck.nodes.inventory import find_nodes

        if mpi_options(spec.backend_options).per_rank and spec.launcher != "direct":
            raise UserError(
                f"with --per-rank mpirun itself starts the ranks; the {spec.launcher} launcher"
                " would start each of them again",
                "use --launcher direct, or leave out --per-rank",
            )
        nodes = find_nodes(spec, os.environ)
        for node in nodes:
            if node.user or node.port:
                raise UserError(
                    f"{node.origin or node.name}: mpirun takes no user and no port for {node.name}",
                    "put them into ~/.ssh/config (User, Port), or into a file for --ssh-config",
                )
        return nodes

    def prepare(self, spec: JobSpec, nodes: Sequence[Node], ask: Ask) -> Mapping[str, str]:
        """Make sure that there is an mpirun; there is nothing to ask.

        Raises:
            UserError: There is none.
        """
        from backends.mpi.program import find_mpirun

        find_mpirun(mpi_options(spec.backend_options).mpirun, os.environ)
        return {}

    def open(self, context: SessionContext) -> Session:
        """A session that has started nothing yet."""
        from backends.mpi.session import MpiSession

        return MpiSession(context)

    def reachable_from_here(self, run: RunDir, refs: Sequence[str]) -> bool:
        """Whether mpirun is, or may be started, on this host."""
        from rankdeck.run.stored import read_state

        if refs:
            return all(ref.rpartition(":")[2] == host_name() for ref in refs)
        earlier = read_state(run).supervisor
        return earlier is None or earlier.host == host_name()
