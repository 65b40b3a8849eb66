"""deepspeed: on each node what the command `deepspeed` starts there, `deepspeed.launcher.launch`.

It starts a program of ours in place of Python (`--no_python`), which becomes the rank and gives it
the argument `--local_rank` as DeepSpeed does. DeepSpeed numbers the devices of a node from 0; what
a scheduler, the nodes' list or the job has chosen is put back.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from rankdeck.launchers.base import NodeCommand
from rankdeck.launchers.entry import check_python_file
from rankdeck.launchers.options import COUNTS, FORM, LOGS, MASTER, OURS, check_options, given
from rankdeck.plan.records import Spawn

if TYPE_CHECKING:
    from rankdeck.errors import Problem
    from rankdeck.job.spec import JobSpec
    from rankdeck.launchers.base import NodeContext

_START = r"""RANKDECK_NODES=$1 RANKDECK_DEVICES=
shift
for RANKDECK_NAME in {CUDA,ASCEND_RT,MLU,SDAA,SUPA,HIP}_VISIBLE_DEVICES ZE_AFFINITY_MASK; do
  [ -z "${!RANKDECK_NAME+set}" ] ||
    RANKDECK_DEVICES+=" $RANKDECK_NAME=${!RANKDECK_NAME// /}"
done
[ "$RANKDECK_NODES" = 1 ] || export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export RANKDECK_DEVICES
exec "$0" -m deepspeed.launcher.launch "--master_addr=$MASTER_ADDR" \
  "--master_port=${MASTER_PORT:-29500}" "$@"
"""
_RANK = 'exec env -u RANKDECK_DEVICES $RANKDECK_DEVICES "$PYTHON_EXEC" -u "$0" '
_NO_LOCAL_RANK = "--no_local_rank"
_OWNED = {
    "--node_rank": OURS,
    "--world_info": COUNTS,
    "--master_addr": MASTER,
    "--master_port": MASTER,
    "--module": FORM,
    "--no_python": FORM,
    "--save_pid": OURS,
    "--enable_each_rank_log": LOGS,
}


class DeepspeedLauncher:
    """Runs a Python file under DeepSpeed's launcher."""

    name = "deepspeed"
    title = "DeepSpeed's launcher starts a Python file on every rank"
    spawn = Spawn.LAUNCHER
    requires_module: str | None = "deepspeed"

    def check(self, spec: JobSpec) -> tuple[Problem, ...]:
        """The entry is a Python file, and the launcher's options can be passed on."""
        return (*check_python_file(spec.entry), *check_options(spec, _OWNED))

    def command(self, spec: JobSpec, node: NodeContext) -> NodeCommand:
        """DeepSpeed's command line of one node.

        With several nodes the project is on `PYTHONPATH`, where `deepspeed` puts its own directory.
        """
        silent = given(spec.launcher_args, frozenset({_NO_LOCAL_RANK}))
        options = tuple(word for word in spec.launcher_args if word != _NO_LOCAL_RANK)
        rank = _RANK + ('"$@"' if silent else '"--local_rank=$LOCAL_RANK" "$@"')
        argv = (
            "bash", "-c", _START, node.python, str(node.nnodes),
            *options,
            f"--world_info={_world(node)}",
            f"--node_rank={node.node_rank}",
            _NO_LOCAL_RANK, "--no_python",
            "bash", "-c", rank, spec.entry, *spec.args,
        )  # fmt: skip
        return NodeCommand(argv=argv, env={"PYTHON_EXEC": node.python})


def _world(node: NodeContext) -> str:
    """Every node's devices, as DeepSpeed's launcher reads them.

    Nodes are called by their rank: DeepSpeed only counts them, and a scheduler may choose them
    later. Of the others nothing but their number matters here.
    """
    world = {f"node-{rank}": list(range(count)) for rank, count in enumerate(node.nprocs)}
    if node.devices:
        world[f"node-{node.node_rank}"] = list(node.devices)[: node.nproc]
    text = json.dumps(world, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()
