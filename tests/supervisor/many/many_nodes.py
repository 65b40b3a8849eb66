"""A backend of several "nodes" that are all this machine; what a site would install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.local import LocalBackend
from rankdeck.backend import Capability
from rankdeck.nodes.node import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rankdeck.job.spec import JobSpec
    from rankdeck.run.layout import RunDir


class ManyNodes(LocalBackend):
    name = "many"
    title = "Many nodes"
    capabilities = frozenset({Capability.MULTI_NODE})

    def nodes(self, spec: JobSpec) -> tuple[Node, ...]:
        return tuple(Node(name=f"node{i}", address="127.0.0.1") for i in range(spec.nnodes or 1))

    def reachable_from_here(self, run: RunDir, refs: Sequence[str]) -> bool:
        return True
