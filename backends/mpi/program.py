"""mpirun: which one there is, and its command lines. Open MPI's and MPICH's (hydra) are known."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rankdeck.command_log import executed
from rankdeck.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.mpi.options import MpiOptions

_NAMES = ("mpirun", "mpirun.openmpi", "mpiexec", "mpiexec.hydra")
_OPEN_MPI = re.compile(r"\(Open MPI\) (\d+)\.(\d+)|Open MPI\) v?(\d+)\.(\d+)")
_HYDRA = re.compile(r"HYDRA build details.*?Version:\s*(\d+)\.(\d+)", re.DOTALL)
_VERSION_SECONDS = 60.0
"""A first look at a program on a busy file system may take long."""


class Flavour(str, Enum):
    """Whose mpirun it is."""

    OPEN_MPI = "Open MPI"
    HYDRA = "MPICH"


class MpiRun(msgspec.Struct, frozen=True):
    """An mpirun that is there."""

    program: str
    flavour: Flavour
    version: tuple[int, int]


def find_mpirun(given: str, environ: Mapping[str, str]) -> MpiRun:
    """The mpirun to use.

    Raises:
        UserError: There is none, or it is of an unknown kind.
    """
    path = environ.get("PATH")
    names = (given,) if given else _NAMES
    program = next((found for name in names if (found := shutil.which(name, path=path))), None)
    if program is None:
        raise UserError(
            f"{given} was not found" if given else "there is no mpirun on $PATH",
            "install Open MPI, load its module, or name it with --mpirun",
            exit_code=ExitCode.UNUSABLE,
        )
    began = time.monotonic()
    command = [program, "--version"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(
            f"{program} cannot be run: {error}",
            "name another one with --mpirun",
            exit_code=ExitCode.UNUSABLE,
        ) from error
    seconds = time.monotonic() - began
    executed(command, why="learn whose mpirun it is", seconds=seconds, exit_code=done.returncode)
    return identify(program, done.stdout.decode(errors="replace"))


def identify(program: str, said: str) -> MpiRun:
    """From what `--version` says.

    Raises:
        UserError: It is neither Open MPI nor MPICH.
    """
    for flavour, pattern in ((Flavour.OPEN_MPI, _OPEN_MPI), (Flavour.HYDRA, _HYDRA)):
        if match := pattern.search(said):
            major, minor = (int(part) for part in match.groups() if part is not None)
            return MpiRun(program, flavour, (major, minor))
    first = said.strip().partition("\n")[0]
    raise UserError(
        f"{program} is neither Open MPI's nor MPICH's{f': {first}' if first else ''}",
        "name one of those with --mpirun",
        exit_code=ExitCode.UNUSABLE,
    )


class Group(msgspec.Struct, frozen=True):
    """Hosts that get the same command."""

    addresses: tuple[str, ...]
    per_host: int
    command: tuple[str, ...]


def command_line(
    mpi: MpiRun, groups: Sequence[Group], options: MpiOptions, *, root: bool, ssh: str
) -> list[str]:
    """The command that starts `per_host` processes of each group on each of its hosts.

    Args:
        mpi: The mpirun.
        groups: In rank order.
        options: The user's.
        root: Whether it runs as root; Open MPI wants that said.
        ssh: A script that is called like ssh (`ssh_script`).
    """
    extra = [word for line in options.mpirun_arg.splitlines() for word in shlex.split(line)]
    if mpi.flavour is Flavour.HYDRA:
        common, part = ["-launcher", "ssh", "-launcher-exec", ssh], _hydra_group
    else:
        common, part = _open_mpi(mpi, options, root=root, ssh=ssh), _open_mpi_group
    line = [mpi.program, *common, *extra]
    for number, group in enumerate(groups):
        line += [":"] if number else []
        line += part(group)
    return line


def ssh_words(options: MpiOptions) -> list[str]:
    """Options for the ssh that mpirun calls; nobody can be asked anything."""
    words = ["-F", options.ssh_config] if options.ssh_config else []
    words += ["-x", "-o", "BatchMode=yes"]
    if options.connect_timeout > 0:
        words += ["-o", f"ConnectTimeout={max(1, round(options.connect_timeout))}"]
    return words


def ssh_script(options: MpiOptions, folder: str, mark: str = "") -> str:
    """A program that is called like ssh.

    It keeps what ssh says when it fails in a file named like the host: in mpirun's own output
    nobody can tell which host a line is about. The command gets `mark` into its environment.
    """
    environment = f"env {shlex.quote(mark)} " if mark else ""
    return f"""\
#!/bin/sh
options=
while case ${{1-}} in -*) ;; *) false ;; esac; do
    options="$options $1"
    shift
done
host=${{1-unknown}}
shift
said={shlex.quote(folder)}/$host
ssh {shlex.join(ssh_words(options))} $options "$host" {environment}"$@" 2>"$said.new"
code=$?
[ -s "$said.new" ] && cat "$said.new" >&2
if [ $code -eq 0 ]; then rm -f "$said.new"; else mv "$said.new" "$said"; fi
exit $code
"""


def _open_mpi(mpi: MpiRun, options: MpiOptions, *, root: bool, ssh: str) -> list[str]:
    old = mpi.version[0] < 5
    flag, kind = ("--mca", "plm_rsh") if old else ("--prtemca", "plm_ssh")
    words = ["--allow-run-as-root"] if root else []
    # by default one or two processes are bound to a core, with everything they start
    words += ["--bind-to", "none"]
    if " " in ssh or ":" in ssh:
        # mpirun would take it for several words, or several programs
        words += [flag, f"{kind}_args", " ".join(ssh_words(options))]
    else:
        words += [flag, f"{kind}_agent", f"sh {ssh}"]
    # daemons started by other nodes' daemons would need ssh from node to node
    words += [flag, f"{kind}_no_tree_spawn", "1"]
    return words


def _open_mpi_group(group: Group) -> list[str]:
    hosts = ",".join(f"{address}:{group.per_host}" for address in group.addresses)
    number = len(group.addresses) * group.per_host
    mapping = f"ppr:{group.per_host}:node"
    return ["--host", hosts, "-np", str(number), "--map-by", mapping, *group.command]


def _hydra_group(group: Group) -> list[str]:
    hosts = ",".join(f"{address}:{group.per_host}" for address in group.addresses)
    number = str(len(group.addresses) * group.per_host)
    return ["-hosts", hosts, "-n", number, *group.command]
