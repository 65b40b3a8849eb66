"""msrun: MindSpore's launcher, one a node; its workers are the ranks.

It starts `python` from `$PATH` once per worker, and once more, with the same script, as the
scheduler. A `python` of ours, first on that path, gives every worker its own log and leaves the
scheduler alone.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.launchers.base import NodeCommand
from rankdeck.launchers.entry import check_file, is_shell, problem
from rankdeck.plan.records import Spawn

if TYPE_CHECKING:
    from rankdeck.job.spec import JobSpec
    from rankdeck.launchers.base import NodeContext

_START = r"""folder=$0 real=$1 first=$2
shift 2
case "${PYTHON_EXEC:-}" in */shim)
  logs=${PYTHON_EXEC%/*}/msrun
  mkdir -p "$logs/bin"
  printf '%s\n' '#!/bin/sh' 'PATH=${PATH#"${0%/*}:"}' 'export PATH' \
    'if [ "$MS_ROLE" = MS_WORKER ]; then' "  RANK=\$RANK_ID LOCAL_RANK=\$((RANK_ID - $first))" \
    '  export RANK LOCAL_RANK' '  exec "$PYTHON_EXEC" "$@"' 'fi' "exec $real \"\$@\"" \
    >"$logs/bin/python"
  chmod 700 "$logs/bin/python"
  folder=$logs/bin:$folder
  set -- "--log_dir=$logs" "$@"
esac
PATH="$folder:$PATH" exec msrun "--master_addr=$MASTER_ADDR" \
  "--master_port=${MASTER_PORT:-8118}" "$@"
"""
_PATIENCE = "MS_TOPO_TIMEOUT"


class MsrunLauncher:
    """Runs a Python file under `msrun`."""

    name = "msrun"
    title = "msrun starts a MindSpore program on every rank"
    spawn = Spawn.LAUNCHER
    requires_module: str | None = "mindspore"

    def check(self, spec: JobSpec) -> tuple[Problem, ...]:
        """The entry is a file that Python can be given."""
        if problems := check_file(spec.entry):
            return problems
        if is_shell(spec.entry):
            return (problem(f"{spec.entry} is a shell script", "use the script launcher"),)
        return ()

    def command(self, spec: JobSpec, node: NodeContext) -> NodeCommand:
        """The msrun command line of one node.

        It must stay until the workers have ended (`--join=True`): otherwise it would leave them.
        The wait for the other nodes is `$MS_TOPO_TIMEOUT` of the job's environment, if given.

        Raises:
            InvalidJobError: The nodes have different numbers of ranks; msrun counts them from the
                node's rank.
        """
        if node.first_rank != node.node_rank * node.nproc or node.world_size != (
            node.nnodes * node.nproc
        ):
            message = "msrun needs the same number of ranks on every node"
            raise InvalidJobError((Problem(message, key="nproc_per_node", field="nproc_per_node"),))
        folder = node.python.rpartition("/")[0] or "."
        patience = spec.env.get(_PATIENCE)
        options = (
            f"--worker_num={node.world_size}",
            f"--local_worker_num={node.nproc}",
            f"--node_rank={node.node_rank}",
            "--join=True",
            *((f"--cluster_time_out={patience}",) if patience else ()),
        )
        words = (folder, quote(node.python), str(node.first_rank), *options, spec.entry, *spec.args)
        argv = ("bash", "-c", _START, *words)
        return NodeCommand(argv=argv, env={"PYTHON_EXEC": node.python})
