"""Options of `deepspeed` and `msrun`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.job.command_line_parts import (
    Arg,
    Growing,
    as_env,
    flag,
    for_torchrun,
    kept,
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
    port,
    program,
    ranks,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_BACKENDS = {
    "pdsh": "ssh", "ssh": "ssh", "openmpi": "mpi", "mpich": "mpi", "impi": "mpi",
    "mvapich": "mpi", "slurm": "slurm",
}  # fmt: skip


def without_hosts(job: Growing, program: str) -> None:
    """Several nodes that no host was named for: over SSH, and told."""
    filtered = any(name in job.fields for name in ("include", "exclude"))
    if (job.fields.get("nnodes") or 1) > 1 or filtered:
        if not job.starter and not job.batch:
            job.fields.setdefault("backend", "ssh")
        named = "hostfile" in job.fields or job.fields.get("backend") == "slurm"
        if not (named or job.starter or job.batch):
            job.note(f"{program}'s line names no hosts: give --hostfile or --host")


def _deepspeed_launcher(job: Growing, arg: Arg) -> None:
    backend = _BACKENDS.get(arg.text.lower())
    if backend is None:
        raise refusal(arg.line, arg.text, "is no launcher that is known", ", ".join(_BACKENDS))
    job.set("backend", backend, arg.option, over=True)


_SHARED = (
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
    flag("--no-ssh-check --force-multi --no-ssh"),
    noted("--ssh-port", "write it into ~/.ssh/config (Port), or into the hostfile"),
    noted("--enable-each-rank-log --save-pid", LOGS, -1),
    noted("--min-elastic-nodes --max-elastic-nodes", "elastic sizes are not offered"),
    refused("--autotuning", "is not offered", "run it with deepspeed itself"),
    refused("--elastic-training", "is not offered", "give the number of nodes", 0),
    refused("--venv-script", "is not offered", "give --setup 'source FILE'"),
)
DEEPSPEED = table(
    *_SHARED,
    kept("--no-local-rank --bind-cores-to-rank -q --quiet", 0),
    kept("--bind-core-list --log-level"),
)
DEEPSPEED_AS_TORCHRUN = table(
    *_SHARED,
    flag("--no-local-rank -q --quiet"),
    noted("--bind-cores-to-rank", NOT_OFFERED, 0),
    noted("--bind-core-list --log-level", NOT_OFFERED),
)


def read_deepspeed(job: Growing, args: Sequence[Arg]) -> list[Arg]:
    """`deepspeed [options] FILE args`: the options; returns the rest."""
    as_torchrun = for_torchrun(job, args, DEEPSPEED, abbreviated=True)
    table = DEEPSPEED_AS_TORCHRUN if as_torchrun else DEEPSPEED
    rest = read_options(job, args, table, program="deepspeed", abbreviated=True)
    if not as_torchrun:
        job.set("launcher", "deepspeed", "deepspeed")
    if "nproc_per_node" not in job.fields:
        job.fields["nproc_per_node"] = "gpu"
        job.note("deepspeed without --num_gpus uses every GPU: nproc_per_node is gpu")
    if as_torchrun and not any(arg.text.replace("_", "-") == "--no-local-rank" for arg in args):
        job.note(
            "deepspeed also passed --local_rank; here the rank is in the variable LOCAL_RANK only"
        )
    without_hosts(job, "deepspeed")
    return rest


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
    kept("--bind-core --bind-numa"),
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
