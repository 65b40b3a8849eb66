"""Options of `deepspeed`, `accelerate launch` and `msrun`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.job.command_line_parts import (
    Arg,
    Growing,
    as_env,
    divided,
    flag,
    nodes_for,
    noted,
    opt,
    read_options,
    refused,
    skip,
    table,
    text,
    whole,
)
from rankdeck.job.command_line_shell import refusal
from rankdeck.job.command_line_torchrun import (
    LOGS,
    NOT_OFFERED,
    hostfile,
    master,
    module,
    nodes,
    port,
    program,
    ranks,
    restarts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_BACKENDS = {
    "pdsh": "ssh", "ssh": "ssh", "openmpi": "mpi", "mpich": "mpi", "impi": "mpi",
    "mvapich": "mpi", "slurm": "slurm",
}  # fmt: skip


def _deepspeed_launcher(job: Growing, arg: Arg) -> None:
    backend = _BACKENDS.get(arg.text.lower())
    if backend is None:
        raise refusal(arg.line, arg.text, "is no launcher that is known", ", ".join(_BACKENDS))
    job.set("backend", backend, arg.option, over=True)


DEEPSPEED = table(
    opt("-H --hostfile", hostfile),
    text("-i --include", "include"),
    text("-e --exclude", "exclude"),
    whole("--num-nodes", "nnodes"),
    opt("--num-gpus --num-accelerators", ranks),
    opt("--master-port", port),
    opt("--master-addr", master),
    skip("--node-rank"),
    opt("--launcher", _deepspeed_launcher),
    noted("--launcher-args", NOT_OFFERED),
    opt("--module", module, 0),
    opt("--no-python", program, 0),
    flag("--no-local-rank"),
    flag("--no-ssh-check --force-multi --no-ssh"),
    noted("--ssh-port", "write it into ~/.ssh/config (Port), or into the hostfile"),
    noted("--enable-each-rank-log --save-pid", LOGS, -1),
    noted("--min-elastic-nodes --max-elastic-nodes", "elastic sizes are not offered"),
    noted("--bind-cores-to-rank", NOT_OFFERED, 0),
    noted("--bind-core-list", NOT_OFFERED),
    refused("--autotuning", "is not offered", "run it with deepspeed itself"),
    refused("--elastic-training", "is not offered", "give the number of nodes", 0),
)


def read_deepspeed(job: Growing, args: Sequence[Arg]) -> list[Arg]:
    """`deepspeed [options] FILE args`: the options; returns the rest."""
    rest = read_options(job, args, DEEPSPEED, program="deepspeed", abbreviated=True)
    if "nproc_per_node" not in job.fields:
        job.fields["nproc_per_node"] = "gpu"
        job.note("deepspeed without --num_gpus uses every GPU: nproc_per_node is gpu")
    if not any(arg.text.replace("_", "-") == "--no-local-rank" for arg in args):
        job.note(
            "deepspeed also passed --local_rank; here the rank is in the variable LOCAL_RANK only"
        )
    _several_nodes(job, "deepspeed")
    return rest


def _count(job: Growing, arg: Arg) -> None:
    job.tasks = job.whole(arg)


def _devices(job: Growing, arg: Arg) -> None:
    if arg.text != "all":
        job.env["CUDA_VISIBLE_DEVICES"] = job.known(arg, "write them out").text


def _rendezvous_host(job: Growing, arg: Arg) -> None:
    if arg.text == "static":
        return
    job.note(f"--rdzv_backend {arg.text} is left out: ranks are numbered in the order of the nodes")


_FSDP = "sets up FSDP by variables that Rankdeck does not know"
_FSDP_HINT = "run 'accelerate launch' in a train.sh (launcher: script)"
ACCELERATE = table(
    opt("--num-processes", _count),
    opt("--num-machines", nodes),
    skip("--machine-rank"),
    opt("--main-process-ip", master),
    opt("--main-process-port", port),
    as_env("--mixed-precision", "ACCELERATE_MIXED_PRECISION"),
    as_env("--gradient-accumulation-steps", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"),
    as_env("--num-cpu-threads-per-process", "OMP_NUM_THREADS"),
    as_env("--use-deepspeed", "ACCELERATE_USE_DEEPSPEED", "true", 0),
    as_env("--deepspeed-config-file", "ACCELERATE_DEEPSPEED_CONFIG_FILE"),
    as_env("--zero-stage", "ACCELERATE_DEEPSPEED_ZERO_STAGE"),
    as_env("--cpu", "ACCELERATE_USE_CPU", "true", 0),
    as_env("--debug", "ACCELERATE_DEBUG_MODE", "true", 0),
    opt("--gpu-ids", _devices),
    opt("--deepspeed-hostfile --mpirun-hostfile", hostfile),
    text("--deepspeed-inclusion-filter", "include"),
    text("--deepspeed-exclusion-filter", "exclude"),
    noted("--deepspeed-multinode-launcher --mpirun-ccl", NOT_OFFERED),
    flag("--multi-gpu --same-network --quiet -q"),
    opt("-m --module", module, 0),
    opt("--no-python", program, 0),
    opt("--rdzv-backend", _rendezvous_host),
    noted("--rdzv-conf", "Rankdeck watches the nodes itself"),
    opt("--max-restarts", restarts),
    noted("--monitor-interval --role", NOT_OFFERED),
    noted("--log-dir --tee", LOGS),
    noted("--dynamo-backend", "'no' is the default; set ACCELERATE_DYNAMO_BACKEND for others"),
    noted("--enable-cpu-affinity", NOT_OFFERED, 0),
    refused("--use-fsdp", _FSDP, _FSDP_HINT, 0),
    refused("--tpu", "is not offered", "run it with accelerate itself", 0),
    refused("--use-megatron-lm", "is not offered", _FSDP_HINT, 0),
    refused(
        "--config-file",
        "names settings that are not read",
        "give them on the line: --num_processes, --num_machines, --mixed_precision",
    ),
)


def read_accelerate(job: Growing, args: Sequence[Arg]) -> list[Arg]:
    """`accelerate launch [options] FILE args`: the options; returns the rest."""
    if not args or args[0].text != "launch":
        raise UserError("only 'accelerate launch' is read", "paste an 'accelerate launch' line")
    rest = read_options(job, args[1:], ACCELERATE, program="accelerate launch")
    count = job.fields.get("nnodes") or 1
    if job.tasks is not None:
        job.set("nproc_per_node", divided(job.tasks, count, "--num_processes"), "--num_processes")
        job.tasks = None
    elif any(arg.text in ("--multi_gpu", "--multi-gpu") for arg in args):
        job.set("nproc_per_node", "gpu", "--multi_gpu")
    else:
        job.note("accelerate without --num_processes asks its configuration; 1 rank is assumed")
    _several_nodes(job, "accelerate")
    return rest


def _several_nodes(job: Growing, program: str) -> None:
    filtered = any(name in job.fields for name in ("include", "exclude"))
    if (job.fields.get("nnodes") or 1) > 1 or filtered:
        if not job.starter and not job.batch:
            job.fields.setdefault("backend", "ssh")
        named = "hostfile" in job.fields or job.fields.get("backend") == "slurm"
        if not (named or job.starter or job.batch):
            job.note(f"{program}'s line names no hosts: give --hostfile or --host")


def _workers(job: Growing, arg: Arg) -> None:
    job.tasks = job.whole(arg)


def _join(job: Growing, arg: Arg) -> None:
    if arg.text == "False":
        job.note("--join=False is left out: a run is watched to its end")


_MSRUN_HINT = "run it with msrun itself"
MSRUN = table(
    opt("--worker-num", _workers),
    whole("--local-worker-num", "nproc_per_node"),
    skip("--node-rank"),
    opt("--master-addr", master),
    opt("--master-port", port),
    noted("--log-dir --worker-log-name --tail-worker-log", LOGS),
    opt("--join", _join),
    as_env("--cluster-time-out", "MS_TOPO_TIMEOUT"),
    noted("--bind-core --bind-numa", NOT_OFFERED),
    refused("--sim-level --sim-rank-id", "simulates and starts no ranks", _MSRUN_HINT),
    refused("--rank-table-file", "is not offered", _MSRUN_HINT),
)


def read_msrun(job: Growing, args: Sequence[Arg]) -> list[Arg]:
    """`msrun [options] FILE args`: the options; returns the rest. Both counts are 8 by default."""
    rest = read_options(job, args, MSRUN, program="msrun", abbreviated=True)
    total, own = job.tasks or 8, job.fields.get("nproc_per_node") or 8
    job.tasks = None
    job.set("nproc_per_node", min(own, total), "--local_worker_num", over=True)
    count = nodes_for(total, min(own, total), "--worker_num")
    if job.starter or job.batch:
        job.set("nnodes", count, "--worker_num")
    elif count > 1:
        job.fields["nnodes"] = count
        job.fields.setdefault("backend", "ssh")
        job.note("msrun's line names no hosts: give --hostfile or --host")
    job.set("launcher", "msrun", "msrun")
    return rest
