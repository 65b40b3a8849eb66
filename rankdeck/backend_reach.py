"""Reaching nodes outside of any run: what a backend may offer beyond placing agents.

Checks and sweeps use it. A backend whose nodes exist only within a job has nothing to offer here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rankdeck.job.spec import JobSpec
    from rankdeck.nodes.node import Node
    from rankdeck.run.layout import RunDir


class NodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a command on one node."""

    node: str
    began: float
    """By the clock of this machine, as is `ended`."""
    ended: float
    output: bytes = b""
    error_text: str = ""
    """What it wrote to standard error; hostile: sanitise before showing."""
    status: int | None = None
    """Exit status; None: it is not known, or the node was not reached."""
    category: str = ""
    """Why the node was not reached: `ssh-auth`, `ssh-timeout` …"""
    trouble: str = ""
    hint: str = ""


@runtime_checkable
class ReachesNodes(Protocol):
    """A backend that can run a command on its nodes at any time."""

    def run_on_nodes(
        self,
        spec: JobSpec,
        nodes: Sequence[Node],
        secrets: Mapping[str, str],
        command: str,
        data: bytes,
    ) -> Iterator[NodeAnswer]:
        """Run a shell command on every node, `data` on its standard input: one answer each.

        Never raises for a node. Answers come as they are known. `secrets`: what `prepare` gave.
        """
        ...


@runtime_checkable
class OpensShell(Protocol):
    """A backend that knows how a person gets onto a node of a run."""

    def shell_command(self, run: RunDir, node: str) -> tuple[str, ...] | None:
        """The program that opens a shell there, for a terminal; None: there is no way (now).

        Raises:
            UserError: The run's records cannot be read.
        """
        ...
