"""The programs of a launch command, from the outermost in: each reads its options and its rest."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import UserError
from rankdeck.job.command_line_accelerate import read_accelerate
from rankdeck.job.command_line_kin import read_deepspeed, read_msrun
from rankdeck.job.command_line_mpi import MPIRUN
from rankdeck.job.command_line_parts import Arg, Growing, read_options
from rankdeck.job.command_line_shell import refusal
from rankdeck.job.command_line_slurm import SBATCH, SRUN
from rankdeck.job.command_line_torchrun import read_colossalai, read_torchrun

if TYPE_CHECKING:
    from collections.abc import Callable

_PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?|pypy3?")
_SHELLS = frozenset({"bash", "sh", "zsh", "dash"})
_MPI = frozenset(
    {"mpirun", "mpiexec", "mpiexec.hydra", "orterun", "mpirun.openmpi", "mpiexec.mpich"}
)
_WITHOUT = frozenset({"exec", "nohup", "time", "command", "setsid"})
"""What changes nothing of the command behind it."""
_WRAPPERS = {
    "numactl": "Rankdeck's agents bind no memory: leave it out",
    "taskset": "leave it out",
    "nice": "leave it out",
    "stdbuf": "leave it out: ranks are never buffered",
    "timeout": "leave it out, and give --time-limit",
    "singularity": "run the container's command in a train.sh (launcher: script)",
    "apptainer": "run the container's command in a train.sh (launcher: script)",
    "docker": "run the container's command in a train.sh (launcher: script)",
    "uv": "name the environment's interpreter: --python PATH",
    "poetry": "name the environment's interpreter: --python PATH",
    "pipenv": "name the environment's interpreter: --python PATH",
    "conda": "name the environment's interpreter: --python PATH",
    "ssh": "give the hosts with --backend ssh --host a,b",
    "pdsh": "give the hosts with --backend ssh --host a,b",
    "sudo": "a run is started by the user it belongs to",
    "xargs": "paste the launch command alone",
    "nsys": "put the profiler into a train.sh (launcher: script)",
    "ncu": "put the profiler into a train.sh (launcher: script)",
    "horovodrun": "Horovod is not offered",
    "ray": "Ray is not offered",
}
_MODULES = {
    "torch.distributed.run": "torchrun",
    "torch.distributed.launch": "torch.distributed.launch",
    "torch.distributed.elastic.multiprocessing.run": "torchrun",
    "accelerate.commands.launch": "accelerate",
    "deepspeed.launcher.runner": "deepspeed",
    "mindspore.parallel.cluster.run": "msrun",
    "colossalai.cli": "colossalai",
}
_LAUNCHERS: dict[str, Callable[[Growing, list[Arg]], list[Arg]]] = {
    "torchrun": read_torchrun,
    "torch.distributed.launch": lambda job, args: read_torchrun(
        job, args, "torch.distributed.launch"
    ),
    "colossalai": read_colossalai,
    "deepspeed": read_deepspeed,
    "accelerate": read_accelerate,
    "msrun": read_msrun,
}


def read_program(job: Growing, args: list[Arg]) -> str | Path | None:
    """Read a command into the job.

    Returns:
        Text of a command to read in its place (`bash -c`), or a batch script; None: it was read.

    Raises:
        UserError: It is no launch command, or an option of it cannot be.
    """
    args = _unwrapped(job, args)
    program, rest = args[0], args[1:]
    if not program.known:
        raise refusal(program.line, program.text, "does not say which program it is")
    name = os.path.basename(program.text)
    if name == "sbatch":
        return _sbatch(job, rest, program)
    if name == "srun" or name in _MPI:
        return _starter(job, name, rest, program)
    if name in _SHELLS and rest and rest[0].text in ("-c", "-lc", "-ic", "-xc"):
        return _shell_command(rest, program)
    if _PYTHON.fullmatch(name):
        _python(job, program, rest)
        return None
    if name in _LAUNCHERS:
        _entry(job, _LAUNCHERS[name](job, rest), program)
        return None
    if name in _SHELLS:
        _script(job, _shell_options(rest), program)
        return None
    _other(job, args)
    return None


def _unwrapped(job: Growing, args: list[Arg]) -> list[Arg]:
    """The command without what stands in front of it and changes nothing."""
    while args and args[0].text in _WITHOUT:
        args = args[1:]
        while args and args[0].text.startswith("-"):
            args = args[1:]
    if args and args[0].text == "env":
        args = args[1:]
        while args and "=" in args[0].text and not args[0].text.startswith("-"):
            name, _, value = args.pop(0).text.partition("=")
            job.env[name] = value
    if not args:
        raise UserError("there is no launch command in the text")
    return args


def _sbatch(job: Growing, rest: list[Arg], program: Arg) -> Path:
    job.batch = True
    job.fields["backend"] = "slurm"
    rest = read_options(job, rest, SBATCH, program="sbatch", clustered=True)
    if not rest:
        raise refusal(program.line, "sbatch", "names no script", "paste the script itself")
    if len(rest) > 1:
        job.note(f"arguments of the batch script are left out: {rest[1].text} …")
    return Path(job.path(job.known(rest[0], "write the path out").text))


def _starter(job: Growing, name: str, rest: list[Arg], program: Arg) -> str | Path | None:
    """Srun or mpirun: what it starts is read next."""
    if job.starter:
        raise refusal(program.line, name, f"stands inside {job.starter}", "leave one of them out")
    job.starter = "srun" if name == "srun" else "mpirun"
    table = SRUN if name == "srun" else MPIRUN
    rest = read_options(job, rest, table, program=name, clustered=name == "srun")
    if not rest:
        raise refusal(program.line, name, "starts nothing", "paste the whole command")
    if any(arg.text == ":" for arg in rest):
        raise refusal(program.line, ":", "is several programs", "a run has one command")
    if name == "srun":
        job.fields["backend"] = "slurm"
    elif not job.batch:
        job.fields["backend"] = "mpi"
    return read_program(job, rest)


def _shell_command(rest: list[Arg], program: Arg) -> str:
    if len(rest) < 2:
        raise refusal(program.line, rest[0].text, "needs a command")
    if rest[1].computed:
        raise refusal(program.line, rest[1].text, "holds what a shell would work out")
    return rest[1].text


def _shell_options(rest: list[Arg]) -> list[Arg]:
    while rest and re.fullmatch(r"-[a-z]+", rest[0].text):
        rest = rest[1:]
    return rest


def _python(job: Growing, program: Arg, rest: list[Arg]) -> None:
    if "/" in program.text:
        job.fields["python"] = job.path(program.text)
    while rest and rest[0].text in ("-u", "-B", "-s", "-E", "-I", "-O", "-OO", "-q"):
        if rest[0].text != "-u":
            job.note(f"python {rest[0].text} is left out")
        rest = rest[1:]
    if rest and rest[0].text in ("-W", "-X"):
        raise refusal(rest[0].line, rest[0].text, "is an option of python that is not passed on")
    if not rest:
        raise refusal(program.line, program.text, "starts nothing", "name a Python file")
    if rest[0].text == "-c":
        raise refusal(rest[0].line, "-c", "is a program on the line", "put it into a file")
    if rest[0].text != "-m":
        _plain(job, rest)
        return
    if len(rest) < 2:
        raise refusal(rest[0].line, "-m", "names no module")
    known = _MODULES.get(rest[1].text)
    if known:
        behind = rest[2:]
        if known == "accelerate":
            behind = [Arg(text="launch", line=rest[1].line), *behind]
        _entry(job, _LAUNCHERS[known](job, behind), rest[1])
    else:
        job.form = "module"
        _entry(job, rest[1:], program)


def _plain(job: Growing, rest: list[Arg]) -> None:
    """`python FILE args`: ranks without a launcher."""
    job.set("launcher", "direct", "python")
    job.one_task_a_rank = True
    _set_entry(job, rest)


def _entry(job: Growing, rest: list[Arg], program: Arg) -> None:
    """What a launcher starts: a file, a module (`-m`) or any program (`--no-python`)."""
    if not rest:
        raise refusal(program.line, program.text, "starts nothing", "name a Python file")
    if job.form == "module":
        job.set("launcher", "direct", "-m", over=True)
        job.fields["entry"] = "python"
        job.fields["args"] = ("-u", "-m", *_texts(job, rest))
        job.one_task_a_rank = os.path.basename(program.text).startswith(("python", "pypy"))
        job.note(
            f"the module {rest[0].text} is started by the direct launcher, which sets the same"
            " variables"
        )
        return
    if job.form == "program":
        job.set("launcher", "direct", "--no-python")
    elif "launcher" not in job.fields:
        job.set("launcher", "torchrun", program.text)
    _set_entry(job, rest)


def _script(job: Growing, rest: list[Arg], program: Arg) -> None:
    """`bash FILE args`: a script that starts its ranks itself."""
    if not rest:
        raise refusal(program.line, program.text, "starts nothing", "name a script")
    job.set("launcher", "script", program.text)
    _set_entry(job, rest)


def _other(job: Growing, args: list[Arg]) -> None:
    """Any other program: the ranks themselves under srun and mpirun, else a script of one's own."""
    program = args[0]
    name = os.path.basename(program.text)
    if name in _WRAPPERS:
        raise refusal(program.line, name, "is not read", _WRAPPERS[name])
    if name.endswith((".sh", ".bash", ".sbatch", ".slurm")) and not job.starter:
        _script(job, args, program)
        return
    if not job.starter and "/" not in program.text and not name.endswith(".py"):
        raise refusal(
            program.line, program.text, "is no launcher that is known",
            "known are torchrun, python -m torch.distributed.run, colossalai run, deepspeed,"
            " accelerate launch, msrun, mpirun, srun, python and bash",
        )  # fmt: skip
    job.set("launcher", "direct", program.text)
    job.one_task_a_rank = True
    _set_entry(job, args)


def _set_entry(job: Growing, rest: list[Arg]) -> None:
    job.fields["entry"] = job.known(_named(rest[0]), "write the path out").text
    job.fields["args"] = _texts(job, rest[1:])


def _named(arg: Arg) -> Arg:
    return msgspec.structs.replace(arg, option="what is run")


def _texts(job: Growing, args: list[Arg]) -> tuple[str, ...]:
    """Arguments of the entry; what a shell would have filled in stays as it is written."""
    for arg in args:
        if arg.computed:
            raise refusal(
                arg.line, arg.text, "would be worked out by a shell, and is not",
                "write its value out",
            )  # fmt: skip
        for name in arg.unknown:
            job.note(f"${name} stays as it is in the arguments: ranks are started without a shell")
        if arg.glob and not arg.text.startswith("-"):
            job.note(f"{arg.text} stays as it is: no shell looks for files that match it")
    return tuple(arg.text for arg in args)
