"""torchrun's options and those of its kin: torch.distributed.launch and `colossalai run`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import UserError
from rankdeck.job.command_line_parts import (
    LOCAL_ADDRESSES,
    Arg,
    Growing,
    flag,
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
from rankdeck.job.values import NPROC_WORDS, split_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

LOGS = "every rank's output is kept in a log of its own"
NOT_OFFERED = "Rankdeck does not pass it on"
_OF_SCHEDULER = frozenset({
    "SLURM_NNODES", "SLURM_JOB_NUM_NODES", "NNODES", "NUM_NODES", "NODE_NUM", "WORLD_SIZE",
    "OMPI_COMM_WORLD_SIZE",
})  # fmt: skip
_COUNTS_GPUS = re.compile(r"[$`]\(?\s*nvidia-smi\s+(-L|--list-gpus)\s*\|\s*wc\s+-l\s*[)`]")
_GPUS_OF_NODE = frozenset({"SLURM_GPUS_ON_NODE", "SLURM_GPUS_PER_NODE"})


def nodes(job: Growing, arg: Arg) -> None:
    """`--nnodes`: a number; of MIN:MAX the most; what a scheduler says is left to it."""
    if arg.unknown and set(arg.unknown) <= _OF_SCHEDULER and not arg.computed:
        job.note(f"{arg.option} {arg.text} is left out: the nodes say it")
        return
    low, colon, high = job.known(arg, "put a number there").text.partition(":")
    if colon and low != high:
        job.note(f"{arg.option} {arg.text}: elastic sizes are not offered, {high} nodes are used")
    count = msgspec.structs.replace(arg, text=high if colon else low)
    job.set("nnodes", job.whole(count), arg.option)


def ranks(job: Growing, arg: Arg) -> None:
    """`--nproc-per-node`: a number or one of torchrun's words."""
    if arg.unknown and set(arg.unknown) <= _GPUS_OF_NODE and not arg.computed:
        count = job.options.get("gpus_per_node", "gpu")
        job.note(f"{arg.option} {arg.text} is read as {count}")
        job.set("nproc_per_node", count, arg.option)
        return
    if arg.computed and _COUNTS_GPUS.fullmatch(arg.text):
        job.note(f"{arg.option} {arg.text} is read as gpu: one rank per GPU")
        job.set("nproc_per_node", "gpu", arg.option)
        return
    word = job.known(arg, "put a number there, or gpu for one rank per GPU").text
    if word in NPROC_WORDS:
        job.set("nproc_per_node", word, arg.option)
    elif word == "xpu":
        raise refusal(arg.line, word, f"({arg.option}) is not offered", "put the number there")
    else:
        job.set("nproc_per_node", job.whole(arg), arg.option)


def master(job: Growing, arg: Arg) -> None:
    """The address of rank 0's node; what a script works out is left to Rankdeck."""
    if not arg.known:
        job.note(f"{arg.option} {arg.text} is left out: the first node is the master")
    elif arg.text not in LOCAL_ADDRESSES:
        job.set("master_addr", arg.text, arg.option)


def port(job: Growing, arg: Arg) -> None:
    """The rendezvous port; 0, or one that a script works out, is a free one."""
    if not arg.known:
        job.note(f"{arg.option} {arg.text} is left out: a free port is chosen at start")
    elif arg.text != "0":
        job.set("master_port", job.whole(arg, 1, 65535), arg.option)


def endpoint(job: Growing, arg: Arg) -> None:
    """`--rdzv-endpoint HOST[:PORT]`."""
    host, _, number = arg.text.rpartition(":") if ":" in arg.text else (arg.text, "", "")
    if not arg.known:
        job.note(f"{arg.option} {arg.text} is left out: the first node is the master")
        if number.isdigit():
            port(job, Arg(text=number, line=arg.line, option=arg.option))
        return
    master(job, msgspec.structs.replace(arg, text=host.strip("[]")))
    if number:
        port(job, msgspec.structs.replace(arg, text=number))


def _rendezvous(job: Growing, arg: Arg) -> None:
    if arg.text == "static":
        return
    if arg.text == "c10d":
        job.note("--rdzv-backend c10d is left out: ranks are numbered in the order of the nodes")
    else:
        job.note(f"--rdzv-backend {arg.text} is left out: the nodes meet at the first of them")


def _alone(job: Growing, arg: Arg) -> None:
    job.set("nnodes", 1, arg.option)


def module(job: Growing, arg: Arg) -> None:
    """`-m`: the entry is a module."""
    job.form = "module"


def program(job: Growing, arg: Arg) -> None:
    """`--no-python`: the entry is any program."""
    job.form = "program"


def restarts(job: Growing, arg: Arg) -> None:
    """`--max-restarts`."""
    count = job.whole(arg, 0)
    if count:
        job.set("max_restarts", count, arg.option)
        job.note(f"{arg.option} {count}: a restart starts every rank of the run again")


_SHARED = (
    opt("--nnodes", nodes),
    opt("--nproc-per-node", ranks),
    skip("--node-rank"),
    opt("--master-addr", master),
    opt("--master-port", port),
    opt("-m --module", module, 0),
    opt("--no-python", program, 0),
    opt("--max-restarts", restarts),
    opt("--rdzv-backend", _rendezvous),
    opt("--rdzv-endpoint", endpoint),
    skip("--rdzv-id"),
    noted("--rdzv-conf", "Rankdeck watches the nodes itself"),
    opt("--standalone", _alone, 0),
    noted("--monitor-interval --start-method --role", NOT_OFFERED),
    noted("--log-dir --log_dir -r --redirects -t --tee --local-ranks-filter", LOGS),
    noted("--duplicate-stdout-filters --duplicate-stderr-filters", LOGS),
    noted("--event-log-handler --logs-specs --local-addr --numa-binding", NOT_OFFERED),
    noted("--signals-to-handle", NOT_OFFERED),
    text("--shutdown-timeout", "grace"),
    refused("--run-path", "is not offered", "name a file that runs the function", 0),
    refused("--virtual-local-rank", "is not offered", "use CUDA_VISIBLE_DEVICES in the program", 0),
)
TORCHRUN = table(*_SHARED)
LAUNCH = table(*_SHARED, flag("--use-env"))


def read_torchrun(job: Growing, args: Sequence[Arg], name: str = "torchrun") -> list[Arg]:
    """`torchrun [options] FILE args`: the options; returns the rest."""
    old = name.endswith("launch")
    rest = read_options(job, args, LAUNCH if old else TORCHRUN, program=name, abbreviated=True)
    if old and not any(arg.text.replace("_", "-") == "--use-env" for arg in args):
        job.note(
            "torch.distributed.launch also passed --local-rank; here the rank is in the"
            " variable LOCAL_RANK only"
        )
    return rest


def hosts(job: Growing, arg: Arg) -> None:
    """A comma list of hosts."""
    names = [name for name in job.known(arg, "write the hosts out").text.split(",") if name]
    job.set("host", tuple(names), arg.option)
    if len(names) > 1 or names[0] not in LOCAL_ADDRESSES:
        job.fields.setdefault("backend", "ssh")
    else:
        del job.fields["host"]


def hostfile(job: Growing, arg: Arg) -> None:
    """A file that lists the hosts."""
    job.set("hostfile", job.path(job.known(arg, "write the path out").text), arg.option)
    job.fields.setdefault("backend", "ssh")


def _extra(job: Growing, arg: Arg) -> None:
    words: list[Arg] = []
    for item in job.known(arg, "write it out").text.split(","):
        try:
            name, value = split_assignment(item.strip())
        except ValueError:
            raise refusal(arg.line, item, f"({arg.option}) is no NAME=VALUE") from None
        words.append(Arg(text=f"--{name.lstrip('-')}={value}", line=arg.line))
    read_options(job, words, TORCHRUN, program=arg.option)


COLOSSALAI = table(
    opt("-H --host", hosts),
    opt("--hostfile", hostfile),
    text("--include", "include"),
    text("--exclude", "exclude"),
    whole("--num-nodes", "nnodes"),
    opt("--nproc-per-node", ranks),
    opt("--master-port", port),
    opt("--master-addr", master),
    opt("--extra-launch-args", _extra),
    noted("--ssh-port", "write it into ~/.ssh/config (Port), or into the hostfile"),
    opt("-m", module, 0),
)


def read_colossalai(job: Growing, args: Sequence[Arg]) -> list[Arg]:
    """`colossalai run [options] FILE args`: the options; returns the rest."""
    if not args or args[0].text != "run":
        word = args[0].text if args else "colossalai"
        raise UserError(f"{word!r} is not 'colossalai run'", "paste a 'colossalai run' line")
    rest = read_options(job, args[1:], COLOSSALAI, program="colossalai run", clustered=True)
    if "host" in job.fields or "hostfile" in job.fields:
        job.fields.pop("master_addr", None)  # colossalai takes the first host itself
    return rest
