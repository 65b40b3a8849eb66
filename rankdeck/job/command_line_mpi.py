"""Options of mpirun and mpiexec: Open MPI's, and those of MPICH's hydra that differ."""

from __future__ import annotations

from rankdeck.errors import UserError
from rankdeck.job.command_line_parts import (
    LOCAL_ADDRESSES,
    Arg,
    Growing,
    flag,
    noted,
    opt,
    refused,
    table,
)
from rankdeck.job.command_line_shell import refusal
from rankdeck.job.command_line_torchrun import hostfile

_PLACES = "Rankdeck's agents are placed one a node, and start the ranks"


def _count(job: Growing, arg: Arg) -> None:
    job.tasks = job.whole(arg)


def _per_node(job: Growing, arg: Arg) -> None:
    job.tasks_per_node = job.whole(arg)


def _map_by(job: Growing, arg: Arg) -> None:
    parts = arg.text.split(":")
    if parts[0] == "ppr" and parts[2:3] == ["node"]:
        _per_node(job, Arg(text=parts[1], line=arg.line, option=arg.option))
    elif parts[0] not in ("node", "slot", "core", "socket", "numa", "hwthread"):
        raise refusal(arg.line, arg.text, f"({arg.option}) is not read", "use -N ranks-per-node")
    else:
        job.note(f"{arg.option} {arg.text} is left out: {_PLACES}")


def _hosts(job: Growing, arg: Arg) -> None:
    """`a:4,b:4`: hosts with slots."""
    names, slots = [], set()
    for item in job.known(arg, "write the hosts out").text.split(","):
        name, _, count = item.partition(":")
        names.append(name)
        if count:
            slots.add(job.whole(Arg(text=count, line=arg.line, option=arg.option)))
    if len(slots) > 1:
        raise UserError(
            f"line {arg.line}: {arg.option}: hosts have different numbers of slots",
            "write them into a hostfile: NAME slots=N",
        )
    if slots and job.tasks_per_node is None:
        job.tasks_per_node = slots.pop()
    names = list(dict.fromkeys(names))
    if len(names) > 1 or names[0] not in LOCAL_ADDRESSES:
        job.set("host", tuple(names), arg.option)


def _variable(job: Growing, arg: Arg) -> None:
    """`-x NAME=VALUE`, or `-x NAME`, which forwards what is set here."""
    name, equals, _value = arg.text.partition("=")
    if equals:
        job.env[name] = job.known(arg, "write its value out").text.partition("=")[2]
    elif name not in job.env:
        job.note(f"{arg.option} {name} is left out: if the ranks need it, give --env {name}=…")


def _pair(job: Growing, arg: Arg) -> None:
    """`-genv NAME VALUE`."""
    name, _, value = job.known(arg, "write its value out").text.partition(" ")
    job.env[name] = value


def _mca(job: Growing, arg: Arg) -> None:
    job.note(
        f"{arg.option} {arg.text} is left out: it can be given with --mpirun-arg '--mca {arg.text}'"
    )


def _directory(job: Growing, arg: Arg) -> None:
    job.cwd = job.path(job.known(arg, "write the path out").text)


def _file(job: Growing, arg: Arg) -> None:
    hostfile(job, arg)
    job.fields["backend"] = "mpi"


MPIRUN = table(
    opt("-np -n -c --np --n", _count),
    opt("-N -npernode --npernode -ppn --ppn -perhost", _per_node),
    opt("--map-by -map-by", _map_by),
    opt("-H -host --host -hosts --hosts", _hosts),
    opt("-hostfile --hostfile -machinefile --machinefile -f", _file),
    opt("-x", _variable),
    opt("-genv -env", _pair, 2),
    noted("-genvlist --genvlist", "give values with --env NAME=VALUE"),
    opt("-mca --mca -gmca --gmca --prtemca --pmixmca", _mca, 2),
    opt("-wdir --wdir -wd", _directory),
    noted("--bind-to -bind-to --rank-by -rank-by --prefix --timeout", _PLACES),
    noted("-iface -launcher -bootstrap", _PLACES),
    noted("--output-filename -output-filename", "every rank's output is kept in a log of its own"),
    flag("--allow-run-as-root -allow-run-as-root --tag-output -tag-output --oversubscribe"),
    flag("-q --quiet -v --verbose --report-bindings --display-map -envall -genvall -l"),
    flag("--merge-stderr-to-stdout --bind-to-none --display-allocation --timestamp-output"),
    refused("--app -app -configfile", "is not offered", "a run has one command"),
)
