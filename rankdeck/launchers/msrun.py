"""msrun: MindSpore's launcher, one a node; its workers are the ranks.

It starts `python` from `$PATH` once per worker, and once more, with the same script, as the
scheduler. A `python` of ours, first on that path, gives every worker its own log and leaves the
scheduler alone.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from rankdeck.launchers.base import NodeCommand, equal_nodes
from rankdeck.launchers.entry import check_python_file
from rankdeck.launchers.options import COUNTS, LOGS, MASTER, OURS, check_options
from rankdeck.plan.records import Spawn

if TYPE_CHECKING:
    from rankdeck.errors import Problem
    from rankdeck.job.spec import JobSpec
    from rankdeck.launchers.base import NodeContext

_START = r"""RANKDECK_PATH=$0 RANKDECK_PYTHON=$1 RANKDECK_FIRST=$2
shift 2
case "${PYTHON_EXEC:-}" in */shim)
  RANKDECK_LOGS=${PYTHON_EXEC%/*}/msrun
  mkdir -p "$RANKDECK_LOGS/bin"
  printf '%s\n' '#!/bin/sh' 'PATH=${PATH#"${0%/*}:"}' 'export PATH' \
    'if [ "$MS_ROLE" = MS_WORKER ]; then' \
    "  RANK=\$RANK_ID LOCAL_RANK=\$((RANK_ID - $RANKDECK_FIRST))" \
    '  export RANK LOCAL_RANK' '  exec "$PYTHON_EXEC" "$@"' 'fi' "exec $RANKDECK_PYTHON \"\$@\"" \
    >"$RANKDECK_LOGS/bin/python"
  chmod 700 "$RANKDECK_LOGS/bin/python"
  RANKDECK_PATH=$RANKDECK_LOGS/bin:$RANKDECK_PATH
  set -- "--log_dir=$RANKDECK_LOGS" "$@"
esac
PATH="$RANKDECK_PATH:$PATH" exec msrun "--master_addr=$MASTER_ADDR" \
  "--master_port=${MASTER_PORT:-8118}" "$@"
"""
_PATIENCE = "MS_TOPO_TIMEOUT"
_OWNED = {
    "--worker_num": COUNTS,
    "--local_worker_num": COUNTS,
    "--node_rank": OURS,
    "--master_addr": MASTER,
    "--master_port": MASTER,
    "--log_dir": LOGS,
    "--join": "a run is watched to its end",
}


class MsrunLauncher:
    """Runs a Python file under `msrun`."""

    name = "msrun"
    title = "msrun starts a MindSpore program on every rank"
    spawn = Spawn.LAUNCHER
    requires_module: str | None = "mindspore"

    def check(self, spec: JobSpec) -> tuple[Problem, ...]:
        """The entry is a Python file, and the launcher's options can be passed on."""
        return (*check_python_file(spec.entry), *check_options(spec, _OWNED))

    def command(self, spec: JobSpec, node: NodeContext) -> NodeCommand:
        """The msrun command line of one node.

        It must stay until the workers have ended (`--join=True`): otherwise it would leave them.
        The wait for the other nodes is `$MS_TOPO_TIMEOUT` of the job's environment, if given.

        Raises:
            InvalidJobError: The nodes have different numbers of ranks; msrun counts them from the
                node's rank.
        """
        equal_nodes(node, self.name)
        folder = node.python.rpartition("/")[0] or "."
        patience = spec.env.get(_PATIENCE)
        options = (
            f"--worker_num={node.world_size}",
            f"--local_worker_num={node.nproc}",
            f"--node_rank={node.node_rank}",
            "--join=True",
            *((f"--cluster_time_out={patience}",) if patience else ()),
            *spec.launcher_args,
        )
        words = (folder, quote(node.python), str(node.first_rank), *options, spec.entry, *spec.args)
        argv = ("bash", "-c", _START, *words)
        return NodeCommand(argv=argv, env={"PYTHON_EXEC": node.python})
