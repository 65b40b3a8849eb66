"""Options of srun and sbatch, and the `#SBATCH` lines of batch scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankdeck.job.command_line_parts import (
    Arg,
    Growing,
    Opt,
    divided,
    flag,
    noted,
    opt,
    refused,
    table,
)
from rankdeck.job.command_line_shell import refusal
from rankdeck.job.values import slug, split_assignment

if TYPE_CHECKING:
    from rankdeck.job.command_line_parts import Table

_LOGS = "every rank's output is kept in a log of its own"
_SETS_ITSELF = "Rankdeck's own agents are placed and bound by Slurm's defaults"


def _value(names: str, name: str) -> Opt:
    def do(job: Growing, arg: Arg) -> None:
        job.options[name] = job.known(arg, "write it out").text

    return opt(names, do)


def _number(names: str, name: str) -> Opt:
    def do(job: Growing, arg: Arg) -> None:
        job.options[name] = job.whole(arg)

    return opt(names, do)


def _switch(names: str, name: str) -> Opt:
    def do(job: Growing, arg: Arg) -> None:
        if arg.text != arg.option and arg.text:
            job.note(f"{arg.option}={arg.text} is read as {arg.option}")
        job.options[name] = True

    return opt(names, do, -1)


def _nodes(job: Growing, arg: Arg) -> None:
    low, dash, high = job.known(arg, "put a number there").text.partition("-")
    if dash and low != high:
        job.note(f"{arg.option} {arg.text}: a range of sizes is not offered, {low} nodes are used")
    count = Arg(text=low, line=arg.line, option=arg.option)
    job.set("nnodes", job.whole(count), arg.option, over=True)


def _tasks(job: Growing, arg: Arg) -> None:
    job.tasks = job.whole(arg)


def _tasks_per_node(job: Growing, arg: Arg) -> None:
    job.tasks_per_node = job.whole(arg)


def _cpus(job: Growing, arg: Arg) -> None:
    job.cpus_per_task = job.whole(arg)


def _name(job: Growing, arg: Arg) -> None:
    job.set("name", slug(arg.text), arg.option, over=True)


def _listed(field: str) -> Opt:
    names = {"include": "-w --nodelist", "exclude": "-x --exclude"}[field]

    def do(job: Growing, arg: Arg) -> None:
        said = job.known(arg, "write the nodes out").text
        if "/" in said:
            raise refusal(arg.line, said, f"({arg.option}) is a file", "write the nodes out")
        job.set(field, said, arg.option, over=True)

    return opt(names, do)


def _directory(job: Growing, arg: Arg) -> None:
    job.cwd = job.path(job.known(arg, "write the path out").text)


def _gpus(job: Growing, arg: Arg) -> None:
    """`--gpus-per-node=[TYPE:]N`."""
    kind, _, count = arg.text.rpartition(":")
    if kind:
        job.options["gres"] = f"gpu:{kind}:{count}"
    else:
        job.options["gpus_per_node"] = job.whole(arg)


def _all_gpus(job: Growing, arg: Arg) -> None:
    """`--gpus N`: of the whole job, so that the nodes must be known."""
    count = job.whole(Arg(text=arg.text.rpartition(":")[2], line=arg.line, option=arg.option))

    def later() -> None:
        nodes = job.fields.get("nnodes") or 1
        job.options.setdefault("gpus_per_node", divided(count, nodes, f"GPUs ({arg.option})"))

    job.later.append(later)


def _gpus_per_task(job: Growing, arg: Arg) -> None:
    count = job.whole(Arg(text=arg.text.rpartition(":")[2], line=arg.line, option=arg.option))

    def later() -> None:
        tasks = job.fields.get("nproc_per_node") if job.one_task_a_rank else 1
        if isinstance(tasks, int):
            job.options.setdefault("gpus_per_node", count * tasks)

    job.later.append(later)


def _export(job: Growing, arg: Arg) -> None:
    """`--export=ALL,NAME=VALUE`: the variables; everything else comes along anyway."""
    for item in job.known(arg, "write it out").text.split(","):
        if item in ("ALL", "NONE", "NIL", ""):
            if item in ("NONE", "NIL"):
                job.note(f"{arg.option} {item} is left out: ranks get the environment of the run")
        elif "=" in item:
            name, value = split_assignment(item)
            job.env[name] = value
        else:
            job.note(f"{arg.option} {item}: give its value with --env {item}=…")


def _line(names: str, takes: int = 1) -> Opt:
    """An option that only the batch script can be given."""

    def do(job: Growing, arg: Arg) -> None:
        value = job.known(arg, "write it out").text
        lines = job.options.get("sbatch_line")
        spelled = arg.option if arg.option.startswith("--") else names.split()[-1]
        said = f"{spelled}={value}" if value and value != arg.option else spelled
        job.options["sbatch_line"] = f"{lines}\n{said}" if lines else said

    return opt(names, do, takes)


_BOTH = (
    opt("-N --nodes", _nodes),
    opt("-n --ntasks", _tasks),
    opt("--ntasks-per-node", _tasks_per_node),
    opt("-c --cpus-per-task", _cpus),
    opt("-J --job-name", _name),
    _listed("include"),
    _listed("exclude"),
    _value("-p --partition", "partition"),
    _value("-A --account", "account"),
    _value("-q --qos", "qos"),
    _value("-t --time", "time"),
    _value("-C --constraint", "constraint"),
    _value("--reservation", "reservation"),
    _value("--gres", "gres"),
    _value("--mem", "mem"),
    _value("--signal", "signal"),
    opt("--gpus-per-node", _gpus),
    opt("-G --gpus", _all_gpus),
    opt("--gpus-per-task", _gpus_per_task),
    _switch("--exclusive", "exclusive"),
    _switch("--requeue", "requeue"),
    opt("--export", _export),
    opt("-D --chdir", _directory),
    noted("-o --output -e --error -i --input --open-mode", _LOGS),
    noted("--cpu-bind --gpu-bind --mem-bind --distribution -m --hint", _SETS_ITSELF),
    _line("--mail-type"),
    _line("--mail-user"),
    _line("-d --dependency"),
    _line("--comment"),
    _line("--wckey"),
    _line("-L --licenses"),
    _line("--mem-per-cpu"),
    _line("--mem-per-gpu"),
    _line("--tmp"),
    _line("--switches"),
    _line("-b --begin"),
    _line("--nice", -1),
    refused("-a --array", "is several jobs", "a run is one job: start it once for each index"),
    refused(
        "--container-image --container-mounts --container-workdir --container-name",
        "is not offered",
        "run the container's command in a train.sh (launcher: script)",
    ),
    refused("--het-group", "is not offered", "a run has nodes of one kind"),
)
SRUN: Table = table(
    *_BOTH,
    flag("-l --label -u --unbuffered -Q --quiet -v --verbose -vv"),
    flag("--pty --overlap -O --overcommit --overlap"),
    noted("-K --kill-on-bad-exit", "a run ends when its first rank fails", -1),
    noted("-W --wait", "a run ends when its first rank fails"),
    noted("--jobid", "the run gets an allocation of its own"),
    _value("--mpi", "mpi"),
    noted("--no-kill -k", "a run ends when its first rank fails", 0),
)
SBATCH: Table = table(
    *_BOTH,
    opt("--no-requeue", lambda job, arg: None, 0),
    flag("--parsable -W --wait -Q --quiet -v --verbose -H --hold"),
    noted("--ntasks-per-core --ntasks-per-socket --threads-per-core", _SETS_ITSELF),
    refused("--wrap", "is not read", "paste the command itself"),
    noted("--get-user-env", "a run's agents get the environment of the batch job", -1),
)
