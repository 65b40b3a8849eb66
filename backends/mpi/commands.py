"""The command lines of one run: what mpirun starts, and how a node is swept."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from msgspec.structs import replace

from backends.mpi.program import Flavour, Group, command_line, find_mpirun, ssh_script
from rankdeck.agent_bundle import agent_bundle, agent_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.mpi.folder import MpiFolder
    from backends.mpi.options import MpiOptions
    from backends.mpi.program import MpiRun
    from rankdeck.agent_order import AgentOrder
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.layout import RunDir


class Commands:
    """Made for one run; looks for mpirun when the first command is wanted."""

    def __init__(
        self,
        run: RunDir,
        plan: LaunchPlan,
        folder: MpiFolder,
        options: MpiOptions,
        environ: Mapping[str, str],
    ) -> None:
        self._run = run
        self._nodes = {node.name: node for node in plan.nodes}
        self._folder = folder
        self._options = options
        self._environ = environ
        self._found: MpiRun | None = None

    @property
    def mpi(self) -> MpiRun:
        """The mpirun that is used.

        Raises:
            UserError: There is none.
        """
        if self._found is None:
            self._found = find_mpirun(self._options.mpirun, self._environ)
        return self._found

    def agents(self, orders: Sequence[AgentOrder], attempt: int) -> list[str]:
        """Start an agent, or with `per_rank` every rank, on each order's node.

        Raises:
            UserError: There is no mpirun.
            OSError: The agent's bundle cannot be written.
        """
        mode = "--shim" if self._options.per_rank else "--pick"
        groups: list[Group] = []
        for order in orders:
            address = self._nodes[order.node].address
            command = self._agent(order.python, mode, str(self._folder.orders(attempt)))
            group = Group((address,), order.nproc if self._options.per_rank else 1, command)
            if groups and replace(groups[-1], addresses=(address,)) == group:
                group = replace(group, addresses=(*groups.pop().addresses, address))
            groups.append(group)
        return self._line(groups)

    def ssh_script(self, attempt: int) -> str:
        """The program that mpirun calls like ssh."""
        # MPICH's proxies stay where another node refuses; a mark lets a sweep find them
        hydra = self.mpi.flavour is Flavour.HYDRA
        mark = f"RANKDECK_RUN_ID={self._run.id}" if hydra else ""
        return ssh_script(self._options, str(self._folder.ssh_folder(attempt)), mark)

    def sweep(self, node: str) -> list[str]:
        """End everything of the run on a node, and print which pids stay.

        Raises:
            UserError: There is no mpirun.
            OSError: The agent's bundle cannot be written.
        """
        plan = self._nodes[node]
        if self.mpi.flavour is Flavour.HYDRA:
            # also what belongs to no node: proxies; another one of them would end itself
            command = self._agent(plan.python, "--sweep", self._run.id)
            return ["/bin/sh", str(self._folder.ssh_program()), plan.address, shlex.join(command)]
        command = self._agent(plan.python, "--sweep", self._run.id, node)
        return self._line([Group((plan.address,), 1, command)])

    def _agent(self, python: str, *arguments: str) -> tuple[str, ...]:
        bundle = agent_bundle(self._run.path.parent.parent / "cache")
        return tuple(agent_command(python, bundle, *arguments))

    def _line(self, groups: Sequence[Group]) -> list[str]:
        return command_line(
            self.mpi,
            groups,
            self._options,
            root=os.geteuid() == 0,
            ssh=str(self._folder.ssh_program()),
        )
