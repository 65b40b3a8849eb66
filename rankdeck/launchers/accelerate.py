"""accelerate: one `accelerate launch` a node, which runs torch's elastic launcher in its process.

Its ranks are started as torchrun's are (`PYTHON_EXEC`). Where it sees no GPU it would start one
process a node, and ranks that do not know of each other: it is told to start all of them, and that
they use CPUs. What a configuration file says of anything but nodes and ranks holds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rankdeck.launchers.base import NodeCommand, equal_nodes
from rankdeck.launchers.entry import check_python_file
from rankdeck.launchers.options import (
    COUNTS,
    FORM,
    LOGS,
    MASTER,
    OURS,
    check_options,
    given,
    option_problem,
    option_value,
)
from rankdeck.plan.records import Spawn

if TYPE_CHECKING:
    from rankdeck.errors import Problem
    from rankdeck.job.spec import JobSpec
    from rankdeck.launchers.base import NodeContext

_START = """import os, sys, torch, yaml
from accelerate.commands.config import default_config_file
from accelerate.commands.launch import main
several, config, *rest = sys.argv[1:]
env, config, says = os.environ, config or default_config_file, {}
if os.path.isfile(config):
    with open(config, encoding="utf-8") as file:
        says = yaml.safe_load(file) or {}
port, logs = env.get("MASTER_PORT", "29500"), env.get("PET_LOG_DIR")
ours = ["--main_process_ip", env["MASTER_ADDR"], "--main_process_port", port]
ours += ["--log_dir", logs] if logs else []
if several and says.get("distributed_type") in (None, False, "NO", "MULTI_CPU"):
    ours.append("--multi_gpu")
    if says.get("use_cpu") or not getattr(torch, "accelerator", torch.cuda).is_available():
        env["ACCELERATE_USE_CPU"] = "true"
sys.argv[1:] = ours + rest
main()
"""
# a single rank is started without torch's launcher, which is what heeds PYTHON_EXEC
_ALONE = ("--no_python", "bash", "-c", 'exec "$PYTHON_EXEC" -u "$0" "$@"')
_KINDS = frozenset({"--multi_gpu", "--use_fsdp", "--use_deepspeed", "--use_megatron_lm"})
_CPU = "--cpu"
_OWNED = {
    "--num_processes": COUNTS,
    "--num_machines": COUNTS,
    "--machine_rank": OURS,
    "--main_process_ip": MASTER,
    "--main_process_port": MASTER,
    "--rdzv_backend": "ranks are numbered in the order of the nodes",
    "--deepspeed_multinode_launcher": "Rankdeck reaches the nodes itself",
    "--deepspeed_hostfile": "give --hostfile",
    "--deepspeed_inclusion_filter": "give --include",
    "--deepspeed_exclusion_filter": "give --exclude",
    "--mpirun_hostfile": "give --backend mpi --hostfile",
    "--log_dir": LOGS,
    "--tee": LOGS,
    "-t": LOGS,
    "--module": FORM,
    "-m": FORM,
    "--no_python": FORM,
    "--tpu": "run it with accelerate itself",
}
_FILES = ("--config_file", "--deepspeed_config_file")


class AccelerateLauncher:
    """Runs a Python file under `accelerate launch`."""

    name = "accelerate"
    title = "accelerate launch starts a Python file on every rank"
    spawn = Spawn.LAUNCHER
    requires_module: str | None = "accelerate"

    def check(self, spec: JobSpec) -> tuple[Problem, ...]:
        """The entry is a Python file, and the launcher's options can be passed on."""
        return (
            *check_python_file(spec.entry),
            *check_options(spec, _OWNED),
            *_missing_files(spec),
        )

    def command(self, spec: JobSpec, node: NodeContext) -> NodeCommand:
        """The accelerate command line of one node.

        `--cpu` is passed as the variable that it sets: with it, accelerate would start one
        process.

        Raises:
            InvalidJobError: The nodes have different numbers of ranks; accelerate divides them.
        """
        equal_nodes(node, self.name)
        words = tuple(word for word in spec.launcher_args if word != _CPU)
        alone = node.world_size == 1
        free = not alone and not given(words, _KINDS)
        argv = (
            node.python, "-c", _START,
            "several" if free else "", option_value(words, "--config_file"),
            *words,
            f"--num_processes={node.world_size}",
            f"--num_machines={node.nnodes}",
            f"--machine_rank={node.node_rank}",
            "--rdzv_backend=static",
            "--deepspeed_multinode_launcher=standard",
            *(_ALONE if alone else ()),
            spec.entry, *spec.args,
        )  # fmt: skip
        env = {"PYTHON_EXEC": node.python, "PET_RDZV_ID": node.run_id}
        if _CPU in spec.launcher_args:
            env["ACCELERATE_USE_CPU"] = "true"
        return NodeCommand(argv=argv, env=env)


def _missing_files(spec: JobSpec) -> tuple[Problem, ...]:
    problems = []
    for name in _FILES:
        path = option_value(spec.launcher_args, name)
        if path and not os.path.isfile(os.path.join(spec.project, path)):
            problems.append(option_problem(f"{name} {path}: there is no such file"))
    return tuple(problems)
