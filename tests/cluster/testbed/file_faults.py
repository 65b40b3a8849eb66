"""Faults of what a host sees of the file system and of the time; all are mounts of its own."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from . import daemons, hosts, machine
from .bed import LOGIN
from .errors import BedError
from .processes import SYSTEM_PATH, run, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bed import Bed, State

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHIM = Path(__file__).with_name("clock.c")
_BENEATH = "/run/beneath"
"""Where a host keeps a folder that is covered by one with some entries left out."""


def fill(bed: Bed, state: State, name: str, path: str = "/tmp", leave: int = 0) -> None:
    """Leave no byte, or `leave` bytes, on the host's file system at `path`: a real ENOSPC.

    /tmp is a file system of its own and shrinks to what is in use. Any other folder is covered
    by a new, full one, as if a small disk were mounted there.

    Raises:
        BedError: the host's /tmp lies on the machine's disk.
    """
    _own_mounts(state, name)
    fault = f"fill {path}"
    if path == "/tmp" and state.options.tmp_size == "0":
        raise BedError("this bed's /tmp is on the machine's disk: up with --tmp-size")
    if path != "/tmp" and fault not in state.host(name).faults:
        words = ["mount", "-t", "tmpfs", "-o", "mode=1777,size=64m", "full", path]
        hosts.inside(bed, state, name, *words)
    state.host(name).faults[fault] = str(leave)
    # a writer goes on meanwhile: room for what it may write until then, which is used up after
    for pages in (1, 16, 256, 4096):
        size = _used(state, name, path) + leave + pages * _PAGE
        command = f"mount -o remount,size={size} {path}"
        try:
            hosts.inside(bed, state, name, "sh", "-c", command)
        except BedError:  # more was written since it was counted
            if pages == 4096:
                raise
            continue
        break
    _use_up(state, name, path, leave)


def free(bed: Bed, state: State, name: str, path: str = "/tmp") -> None:
    """Undo `fill`."""
    fault = f"fill {path}"
    if fault not in state.host(name).faults:
        return
    if path == "/tmp":
        hosts.seen(state, name, "/tmp/.full").unlink(missing_ok=True)
        size = state.options.tmp_size
        hosts.inside(bed, state, name, "mount", "-o", f"remount,size={size}", path)
    else:
        hosts.inside(bed, state, name, "umount", "-l", path)
    state.host(name).faults.pop(fault)


def private_home(bed: Bed, state: State, name: str) -> None:
    """Give the host a home directory of its own, empty, at the same path."""
    _own_mounts(state, name)
    if "home" not in state.host(name).faults:
        own = bed.of_host(name) / "home"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(mode=0o700)
        hosts.inside(bed, state, name, "mount", "--bind", str(own), str(bed.home))
        state.host(name).faults["home"] = "private"


def shared_home(bed: Bed, state: State, name: str) -> None:
    """Undo `private_home`."""
    if state.host(name).faults.pop("home", None):
        hosts.inside(bed, state, name, "umount", "-l", str(bed.home))


def hide(bed: Bed, state: State, name: str, path: str) -> None:
    """Cover a folder by an empty one: what is there is not shared with this host."""
    _own_mounts(state, name)
    path = os.path.realpath(path)
    if f"hide {path}" not in state.host(name).faults:
        hosts.inside(bed, state, name, "mount", "-t", "tmpfs", "-o", "mode=755", "hidden", path)
        state.host(name).faults[f"hide {path}"] = "yes"


def show(bed: Bed, state: State, name: str, path: str) -> None:
    """Undo `hide`."""
    path = os.path.realpath(path)
    if state.host(name).faults.pop(f"hide {path}", None):
        hosts.inside(bed, state, name, "umount", "-l", path)


def no_python(bed: Bed, state: State, name: str) -> None:
    """Take every Python away from the host: the system's, the caller's, the environment's."""
    _own_mounts(state, name)
    if "nopython" in state.host(name).faults:
        return
    folders = python_folders()
    for folder in folders:
        _cover(bed, state, name, folder, lambda entry: not entry.startswith("python"))
    state.host(name).faults["nopython"] = ":".join(folders)


def with_python(bed: Bed, state: State, name: str) -> None:
    """Undo `no_python`."""
    for folder in filter(None, state.host(name).faults.pop("nopython", "").split(":")):
        _uncover(bed, state, name, folder)


def python_folders() -> list[str]:
    """The folders in which a session, or this program, finds a Python."""
    places = [*SYSTEM_PATH.split(":"), *os.environ.get("PATH", "").split(":")]
    places += [os.path.dirname(sys.executable), os.path.dirname(os.path.realpath(sys.executable))]
    real = {os.path.realpath(place) for place in places if place}
    return sorted(place for place in real if any(Path(place).glob("python*")))


def clock(bed: Bed, state: State, name: str, seconds: float) -> None:
    """Move the host's time of day; 0 sets it right.

    Every dynamically linked program that is started there from now on sees it, and sshd, munged
    and slurmd, which are started again. Programs that run already keep their time; file times and
    the monotonic clock are the kernel's.

    Raises:
        BedError: there is no C compiler, however small.
    """
    _own_mounts(state, name)
    host = state.host(name)
    if host.faults.pop("clock", None):
        _uncover(bed, state, name, "/etc")
    if seconds:
        shim = _built_shim(bed)
        _cover(bed, state, name, "/etc", lambda entry: entry != "ld.so.preload")
        hosts.seen(state, name, "/etc/clock-offset").write_text(f"{round(seconds * 1e9)}\n")
        hosts.seen(state, name, "/etc/ld.so.preload").write_text(f"{shim}\n")
        host.faults["clock"] = str(seconds)
    daemons.restart_all(bed, state, name)


def _built_shim(bed: Bed) -> Path:
    shim = bed.etc / "clock.so"
    if not shim.exists():
        compiler = machine.compiler()
        if not compiler:
            raise BedError("to move a clock: apt-get install --no-install-recommends tcc")
        words = ["-shared", "-fPIC", "-nostdlib", "-w", "-o", str(shim), str(_SHIM)]
        run([compiler, *words])
    return shim


def _cover(bed: Bed, state: State, name: str, folder: str, wanted: Callable[[str], bool]) -> None:
    """Mount a folder of links to the wanted entries over the folder itself."""
    entries = [entry for entry in os.listdir(folder) if wanted(entry)]
    below = _BENEATH + folder
    hosts.inside(bed, state, name, "mkdir", "-p", below)
    hosts.inside(bed, state, name, "mount", "--rbind", folder, below)
    hosts.inside(bed, state, name, "mount", "-t", "tmpfs", "-o", "mode=755", "links", folder)
    for entry in entries:
        path = os.path.join(folder, entry)
        relative = os.path.islink(path) and os.readlink(path).startswith("..")
        target = os.path.realpath(path) if relative else f"{below}/{entry}"
        os.symlink(target, hosts.seen(state, name, path))


def _uncover(bed: Bed, state: State, name: str, folder: str) -> None:
    # mount and umount may lie in the covered folder; they are taken from below
    path = f"{_BENEATH}/usr/bin:{SYSTEM_PATH}"
    script = f"umount -l {folder} && umount -R -l {_BENEATH}{folder}"
    hosts.inside(bed, state, name, "env", f"PATH={path}", "sh", "-c", script)


def _own_mounts(state: State, name: str) -> None:
    if name == LOGIN:
        raise BedError("the login node shares /tmp, /run and the processes of this machine")
    state.host(name)


def _used(state: State, name: str, path: str) -> int:
    found = os.statvfs(hosts.seen(state, name, path))
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _use_up(state: State, name: str, path: str, leave: int) -> None:
    """Take what there is beyond `leave` bytes; others may take some meanwhile."""
    folder = hosts.seen(state, name, path)

    def taken() -> bool:
        found = os.statvfs(folder)
        room = found.f_bavail * found.f_frsize - leave
        if room < found.f_frsize:
            return True
        with suppress(OSError):  # some of it was used since it was counted
            os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, room)
        return False

    with (folder / ".full").open("ab") as file:
        wait_until(f"no room at {path}", taken)
