"""Options of `accelerate launch`: for the launcher accelerate, or as variables for torchrun.

Of a configuration file that is there, the numbers of ranks and nodes are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rankdeck.errors import UserError
from rankdeck.job.command_line_kin import without_hosts
from rankdeck.job.command_line_parts import (
    Arg,
    Growing,
    as_env,
    divided,
    flag,
    for_torchrun,
    kept,
    noted,
    opt,
    read_options,
    refused,
    skip,
    table,
    text,
)
from rankdeck.job.command_line_torchrun import (
    LOGS,
    NOT_OFFERED,
    hostfile,
    master,
    module,
    nodes,
    port,
    program,
    restarts,
)
from rankdeck.launchers.options import option_value

if TYPE_CHECKING:
    from collections.abc import Sequence


def _count(job: Growing, arg: Arg) -> None:
    job.tasks = job.whole(arg)


def _devices(job: Growing, arg: Arg) -> None:
    if arg.text != "all":
        job.env["CUDA_VISIBLE_DEVICES"] = job.known(arg, "write them out").text


def _rendezvous_host(job: Growing, arg: Arg) -> None:
    if arg.text == "static":
        return
    job.note(f"--rdzv_backend {arg.text} is left out: ranks are numbered in the order of the nodes")


_LARGEST_CONFIG = 1 << 20
_UNLIKE = "sets up what torchrun does not"
_UNLIKE_HINT = "name a Python file, for the launcher accelerate, or run the line in a train.sh"
_SHARED = (
    opt("--num-processes", _count),
    opt("--num-machines", nodes),
    skip("--machine-rank"),
    opt("--main-process-ip", master),
    opt("--main-process-port", port),
    opt("--gpu-ids", _devices),
    opt("--deepspeed-hostfile --mpirun-hostfile", hostfile),
    text("--deepspeed-inclusion-filter", "include"),
    text("--deepspeed-exclusion-filter", "exclude"),
    noted("--deepspeed-multinode-launcher", NOT_OFFERED),
    flag("--multi-gpu --same-network"),
    opt("-m --module", module, 0),
    opt("--no-python", program, 0),
    opt("--rdzv-backend", _rendezvous_host),
    opt("--max-restarts", restarts),
    noted("--log-dir -t --tee", LOGS),
    refused("--tpu", "is not offered", "run it with accelerate itself", 0),
)
ACCELERATE = table(
    *_SHARED,
    kept("--cpu --debug --quiet -q --enable-cpu-affinity --downcast-bf16", 0),
    kept("--use-deepspeed --use-fsdp --use-megatron-lm --use-parallelism-config", 0),
    kept("--dynamo-use-fullgraph --dynamo-use-dynamic --dynamo-use-regional-compilation", 0),
    kept("--fp8-use-autocast-during-eval", 0),
    kept("--config-file --mixed-precision --gradient-accumulation-steps --gradient-clipping"),
    kept("--num-cpu-threads-per-process --rdzv-conf --monitor-interval --role"),
    kept("--deepspeed-config-file --deepspeed-moe-layer-cls-names --zero-stage --zero3-*"),
    kept("--offload-* --dynamo-* --fsdp-* --megatron-lm-* --fp8-* --parallelism-config-*"),
)
ACCELERATE_AS_TORCHRUN = table(
    *_SHARED,
    as_env("--mixed-precision", "ACCELERATE_MIXED_PRECISION"),
    as_env("--gradient-accumulation-steps", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"),
    as_env("--num-cpu-threads-per-process", "OMP_NUM_THREADS"),
    as_env("--use-deepspeed", "ACCELERATE_USE_DEEPSPEED", "true", 0),
    as_env("--deepspeed-config-file", "ACCELERATE_DEEPSPEED_CONFIG_FILE"),
    as_env("--zero-stage", "ACCELERATE_DEEPSPEED_ZERO_STAGE"),
    as_env("--cpu", "ACCELERATE_USE_CPU", "true", 0),
    as_env("--debug", "ACCELERATE_DEBUG_MODE", "true", 0),
    flag("--quiet -q"),
    noted("--rdzv-conf", "Rankdeck watches the nodes itself"),
    noted("--monitor-interval --role", NOT_OFFERED),
    noted("--dynamo-backend", "'no' is the default; set ACCELERATE_DYNAMO_BACKEND for others"),
    noted("--enable-cpu-affinity", NOT_OFFERED, 0),
    refused("--use-fsdp --use-megatron-lm", _UNLIKE, _UNLIKE_HINT, 0),
    refused("--config-file", _UNLIKE, _UNLIKE_HINT),
)


def read_accelerate(job: Growing, args: Sequence[Arg]) -> list[Arg]:
    """`accelerate launch [options] FILE args`: the options; returns the rest."""
    if not args or args[0].text != "launch":
        raise UserError("only 'accelerate launch' is read", "paste an 'accelerate launch' line")
    as_torchrun = for_torchrun(job, args[1:], ACCELERATE)
    known = ACCELERATE_AS_TORCHRUN if as_torchrun else ACCELERATE
    rest = read_options(job, args[1:], known, program="accelerate launch")
    if not as_torchrun:
        job.set("launcher", "accelerate", "accelerate")
        _read_config(job)
    count = job.fields.get("nnodes") or 1
    if job.tasks is not None:
        job.set("nproc_per_node", divided(job.tasks, count, "--num_processes"), "--num_processes")
        job.tasks = None
    elif any(arg.text in ("--multi_gpu", "--multi-gpu") for arg in args):
        job.set("nproc_per_node", "gpu", "--multi_gpu")
    else:
        job.note("accelerate without --num_processes asks its configuration; 1 rank is assumed")
    without_hosts(job, "accelerate")
    return rest


def _read_config(job: Growing) -> None:
    """Numbers of ranks and nodes that only the configuration file names."""
    name = option_value(job.launcher_args, "--config_file")
    if not name:
        return
    says = _settings(job.path(name))
    if says is None:
        job.note(f"{name} could not be read: give the numbers of ranks and nodes, if it names them")
        return
    for key, field, read in (
        ("num_machines", "nnodes", nodes),
        ("main_process_ip", "master_addr", master),
        ("main_process_port", "master_port", port),
        ("num_processes", "", _count),
    ):
        value = says.get(key)
        if value is not None and (field not in job.fields if field else job.tasks is None):
            read(job, Arg(text=str(value), option=f"{name}: {key}"))


def _settings(path: str) -> dict[str, Any] | None:
    # imported late: few lines name such a file
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            says = yaml.safe_load(file.read(_LARGEST_CONFIG))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return says if isinstance(says, dict) else None
