"""torchrun: one launcher a node, static rendezvous in our node order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.launchers.base import NodeCommand
from rankdeck.launchers.entry import check_python_file
from rankdeck.launchers.options import COUNTS, FORM, LOGS, MASTER, OURS, check_options
from rankdeck.plan.records import Spawn

if TYPE_CHECKING:
    from rankdeck.errors import Problem
    from rankdeck.job.spec import JobSpec
    from rankdeck.launchers.base import NodeContext


_ORDER = "ranks are numbered in the order of the nodes"
_OWNED = {
    "--nnodes": COUNTS,
    "--nproc_per_node": COUNTS,
    "--node_rank": OURS,
    "--rdzv_backend": _ORDER,
    "--rdzv_endpoint": MASTER,
    "--rdzv_id": OURS,
    "--standalone": _ORDER,
    "--master_addr": MASTER,
    "--master_port": MASTER,
    "--log_dir": LOGS,
    "--redirects": LOGS,
    "-r": LOGS,
    "--tee": LOGS,
    "-t": LOGS,
    "--module": FORM,
    "-m": FORM,
    "--no_python": FORM,
    "--run_path": FORM,
}


class TorchrunLauncher:
    """Runs a Python file under `torch.distributed.run`."""

    name = "torchrun"
    title = "torchrun starts a Python file on every rank"
    spawn = Spawn.LAUNCHER
    requires_module: str | None = "torch.distributed.run"

    def check(self, spec: JobSpec) -> tuple[Problem, ...]:
        """The entry is a Python file, and the launcher's options can be passed on."""
        return (*check_python_file(spec.entry), *check_options(spec, _OWNED))

    def command(self, spec: JobSpec, node: NodeContext) -> NodeCommand:
        """The torchrun command line of one node.

        A port that is not known yet comes as `PET_MASTER_PORT`. Without either, a single torchrun
        would silently choose another rendezvous and another run id.
        """
        port = ("--master-port", str(node.master_port)) if node.master_port else ()
        argv = (
            node.python, "-m", "torch.distributed.run",
            "--nnodes", str(node.nnodes),
            "--nproc-per-node", str(node.nproc),
            "--node-rank", str(node.node_rank),
            "--rdzv-backend", "static",
            "--rdzv-id", node.run_id,
            "--master-addr", node.master_addr, *port,
            *spec.launcher_args,
            spec.entry, *spec.args,
        )  # fmt: skip
        return NodeCommand(argv=argv, env={})
