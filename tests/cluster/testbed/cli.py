"""The command line of the bed: one word a fault, as an administrator or an accident would do it."""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from . import daemons, file_faults, host_faults, hosts, lifecycle, restore, wire_faults
from .bed import CHECKOUT, LOGIN, Bed, Options, checkout_bed
from .errors import BedError
from .processes import Process

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAEMONS = {"sshd": daemons.sshd, "slurmd": daemons.slurmd}
_PATH_FAULTS = {
    "fill": file_faults.fill,
    "free": file_faults.free,
    "hide": file_faults.hide,
    "show": file_faults.show,
}
_HOST_FAULTS = {
    "cut": (wire_faults.cut, "unplug a host: packets vanish, nothing is refused"),
    "heal": (wire_faults.heal, "plug it in again"),
    "crash": (host_faults.crash, "power cut: everything in it ends, nothing tells its peers"),
    "boot": (host_faults.boot, "start it again"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    args = _parser().parse_args(argv)
    bed = Bed(args.name) if args.name else checkout_bed()
    try:
        return _COMMANDS[args.command](bed, args)
    except BedError as error:
        print(f"bed: {error}", file=sys.stderr)
        return 1


def _up(bed: Bed, args: argparse.Namespace) -> int:
    options = Options(
        hosts=args.hosts,
        gpus=args.gpus,
        gpu_type=args.gpu_type,
        cpus=args.cpus,
        slurm=args.slurm,
        broken_hosts=args.broken_hosts,
        tmp_size=args.tmp_size,
        net=args.net,
    )
    began = time.monotonic()
    fresh = lifecycle.up(bed, options, args.owner)
    how = f"up in {time.monotonic() - began:.2f} s" if fresh else "up already"
    here = os.path.relpath(os.path.dirname(os.path.abspath(sys.argv[0])))
    named = f"CLUSTER_NAME={bed.name} " if args.name else ""
    lines = [
        f"{here}/login {_rankdeck()} run --backend ssh --host node1,node2 examples/gpt",
        f"{here}/login ssh node1 hostname",
        *([f"{here}/login srun -N2 --label hostname"] if options.slurm else []),
        f"{here}/bed cut node2     # and heal; all faults: {here}/bed --help",
        f"{here}/down",
    ]
    attempts = "\n".join(f"  {named}{line}" for line in lines)
    print(f"{bed.name}: {', '.join(bed.read().hosts)}: {how}\n\nTry:\n{attempts}")
    return 0


def _rankdeck() -> str:
    """The command as root finds it: sudo leaves an activated environment behind."""
    installed = CHECKOUT / ".venv" / "bin" / "rankdeck"
    return "rankdeck" if shutil.which("rankdeck") or not installed.exists() else str(installed)


def _down(bed: Bed, args: argparse.Namespace) -> int:
    count = lifecycle.down(bed, keep_logs=args.keep)
    print(f"{bed.name}: {f'{count} hosts down' if count else 'nothing was up'}")
    return 0


def _status(bed: Bed, args: argparse.Namespace) -> int:
    state = bed.read()
    report = {
        "name": bed.name,
        "run": str(bed.run),
        "hosts": {
            name: {
                "ip": host.ip,
                "up": bool(host.init and host.init.alive()),
                "faults": host.faults,
            }
            for name, host in state.hosts.items()
        },
        "daemons": {name: process.alive() for name, process in state.daemons.items()},
    }
    print(json.dumps(report, indent=2))
    return 0


def _login(bed: Bed, args: argparse.Namespace) -> int:
    return _enter(bed, args.on, args.words)


def _exec(bed: Bed, args: argparse.Namespace) -> int:
    return _enter(bed, args.host, args.words)


def _enter(bed: Bed, name: str, words: Sequence[str]) -> int:
    command = words or [os.environ.get("SHELL", "/bin/bash")]
    entry = hosts.entry(bed.read(), name, os.getcwd())
    os.execvpe(entry[0], [*entry, *command], os.environ | bed.environment())


def _delay(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        wire_faults.delay(bed, state, args.host, args.milliseconds)
    return 0


def _drop(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        wire_faults.drop(bed, state, args.host, args.percent)
    return 0


def _rate(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        wire_faults.rate(bed, state, args.host, args.kilobits)
    return 0


def _host_fault(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        _HOST_FAULTS[args.command][0](bed, state, args.host)
    return 0


def _freeze(bed: Bed, args: argparse.Namespace) -> int:
    change = host_faults.freeze if args.command == "freeze" else host_faults.thaw
    with bed.changing() as state:
        change(bed, state, args.host, args.pid)
    return 0


def _daemon(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        _DAEMONS[args.command](bed, state, args.host, args.action)
    return 0


def _slurmctld(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        daemons.slurmctld(bed, state, args.action)
    return 0


def _key(bed: Bed, args: argparse.Namespace) -> int:
    change = host_faults.new_key if args.which == "new" else host_faults.known_key
    with bed.changing() as state:
        change(bed, state, args.host)
    return 0


def _path_fault(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        _PATH_FAULTS[args.command](bed, state, args.host, args.path)
    return 0


def _clock(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        file_faults.clock(bed, state, args.host, args.seconds)
    return 0


def _home(bed: Bed, args: argparse.Namespace) -> int:
    private = args.which == "private"
    change = file_faults.private_home if private else file_faults.shared_home
    with bed.changing() as state:
        change(bed, state, args.host)
    return 0


def _python(bed: Bed, args: argparse.Namespace) -> int:
    change = file_faults.no_python if args.command == "nopython" else file_faults.with_python
    with bed.changing() as state:
        change(bed, state, args.host)
    return 0


def _max_startups(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        host_faults.max_startups(bed, state, args.host, args.count)
    return 0


def _restore(bed: Bed, args: argparse.Namespace) -> int:
    with bed.changing() as state:
        for name in [args.host] if args.host else list(state.hosts):
            restore.restore(bed, state, name)
    return 0


def _watch(bed: Bed, args: argparse.Namespace) -> int:
    """Wait for the end of the bed's owner, then take the bed down."""
    owner = Process.of(args.pid)
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(args.pid)
        while owner.alive():
            # a zombie counts as ended, and it is readable as one
            select.select([descriptor], [], [], 5.0)
    lifecycle.down(bed)
    return 0


_COMMANDS = {
    "up": _up,
    "down": _down,
    "status": _status,
    "login": _login,
    "exec": _exec,
    **dict.fromkeys(_HOST_FAULTS, _host_fault),
    "drop": _drop,
    "delay": _delay,
    "rate": _rate,
    "freeze": _freeze,
    "thaw": _freeze,
    **dict.fromkeys(_DAEMONS, _daemon),
    "slurmctld": _slurmctld,
    "key": _key,
    **dict.fromkeys(_PATH_FAULTS, _path_fault),
    "clock": _clock,
    "home": _home,
    "nopython": _python,
    "python": _python,
    "maxstartups": _max_startups,
    "restore": _restore,
    "watch": _watch,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bed", description=__doc__)
    named = os.environ.get("CLUSTER_NAME", "")
    parser.add_argument("--name", default=named, help="another bed than this checkout's")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_lifecycle(commands)
    _add_wire_faults(commands)
    _add_host_faults(commands)
    _add_file_faults(commands)
    return parser


def _add_lifecycle(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    usual = Options()
    up = commands.add_parser("up", help="bring everything up; nothing if it is up already")
    up.add_argument("--hosts", type=int, default=usual.hosts)
    up.add_argument("--gpus", type=int, default=usual.gpus, help="stand-ins for GPUs a host")
    up.add_argument("--gpu-type", default=usual.gpu_type)
    up.add_argument("--cpus", type=int, default=usual.cpus, help="what Slurm believes of a host")
    up.add_argument("--no-slurm", dest="slurm", action="store_false")
    up.add_argument("--no-broken-hosts", dest="broken_hosts", action="store_false")
    up.add_argument("--tmp-size", default=usual.tmp_size, help="a host's /tmp; 0: on the disk")
    up.add_argument("--net", default=usual.net, help="first half of the addresses")
    up.add_argument("--owner", type=int, help="a process with whose end the bed goes down")
    down = commands.add_parser("down", help="end everything, whatever state it is in")
    down.add_argument("--keep", action="store_true", help="keep the logs")
    commands.add_parser("status", help="what is up, and which faults are on")
    login = commands.add_parser("login", help="run a command on the login node, or a shell")
    login.add_argument("--on", default=LOGIN, choices=(LOGIN, "login2"))
    login.add_argument("words", nargs=argparse.REMAINDER)
    inside = commands.add_parser("exec", help="run a command in a host, without sshd")
    inside.add_argument("host")
    inside.add_argument("words", nargs=argparse.REMAINDER)
    heal_all = commands.add_parser("restore", help="undo every fault, of one host or of all")
    heal_all.add_argument("host", nargs="?")
    commands.add_parser("watch").add_argument("pid", type=int)


def _add_wire_faults(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, (_, help_text) in _HOST_FAULTS.items():
        commands.add_parser(name, help=help_text).add_argument("host")
    drop = commands.add_parser("drop", help="lose packets each way; 0: none")
    drop.add_argument("host")
    drop.add_argument("percent", type=float)
    delay = commands.add_parser("delay", help="hold packets back each way; 0: not")
    delay.add_argument("host")
    delay.add_argument("milliseconds", type=float)
    rate = commands.add_parser("rate", help="bandwidth each way; 0: all there is")
    rate.add_argument("host")
    rate.add_argument("kilobits", type=int)


def _add_host_faults(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, what in (("freeze", "stop all processes of a host, or one"), ("thaw", "let go on")):
        freeze = commands.add_parser(name, help=what)
        freeze.add_argument("host")
        freeze.add_argument("pid", type=int, nargs="?", default=0)
    for name in _DAEMONS:
        daemon = commands.add_parser(name, help=f"a host's {name}")
        daemon.add_argument("host")
        daemon.add_argument("action", choices=daemons.ACTIONS)
    controller = commands.add_parser("slurmctld", help="the login node's slurmctld")
    controller.add_argument("action", choices=daemons.ACTIONS)
    key = commands.add_parser("key", help="a host key that nobody knows, or the known one again")
    key.add_argument("host")
    key.add_argument("which", nargs="?", default="new", choices=("new", "known"))
    startups = commands.add_parser("maxstartups", help="sshd drops more; 0: as usual")
    startups.add_argument("host")
    startups.add_argument("count", type=int)


def _add_file_faults(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, what, default in (
        ("fill", "a full file system at a path, /tmp if none is given", "/tmp"),
        ("free", "undo it", "/tmp"),
        ("hide", "cover a folder by an empty one", None),
        ("show", "undo it", None),
    ):
        fault = commands.add_parser(name, help=what)
        fault.add_argument("host")
        fault.add_argument("path", nargs="?" if default else None, default=default)
    clock = commands.add_parser("clock", help="move a host's time of day; 0: right again")
    clock.add_argument("host")
    clock.add_argument("seconds", type=float)
    home = commands.add_parser("home", help="a home of its own, or the shared one")
    home.add_argument("host")
    home.add_argument("which", choices=("private", "shared"))
    for name, what in (("nopython", "take every Python away"), ("python", "give it back")):
        commands.add_parser(name, help=what).add_argument("host")
