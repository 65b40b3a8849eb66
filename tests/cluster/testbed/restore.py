"""Undoing every fault of a host, in an order in which each can be undone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from . import daemons, file_faults, host_faults, ssh_files, wire_faults
from .bed import LOGIN
from .network import set_wire

if TYPE_CHECKING:
    from .bed import Bed, State


def restore(bed: Bed, state: State, name: str) -> None:
    """Bring a host back to what `up` made of it; runs that live on it are left alone."""
    faults = state.host(name).faults
    if "crash" in faults:
        host_faults.boot(bed, state, name)
    if "freeze" in faults:
        host_faults.thaw(bed, state, name)
    if "cut" in faults:
        wire_faults.heal(bed, state, name)
    if name == "cutoff":
        set_wire(bed, state.host(name), connected=False)
    if "drop" in faults:
        wire_faults.drop(bed, state, name, 0)
    if "delay" in faults:
        wire_faults.delay(bed, state, name, 0)
    if "rate" in faults:
        wire_faults.rate(bed, state, name, 0)
    file_faults.with_python(bed, state, name)
    file_faults.shared_home(bed, state, name)
    for fault in [fault for fault in faults if fault.startswith("fill ")]:
        file_faults.free(bed, state, name, fault.removeprefix("fill "))
    for fault in [fault for fault in faults if fault.startswith("hide ")]:
        file_faults.show(bed, state, name, fault.removeprefix("hide "))
    if "clock" in faults:
        file_faults.clock(bed, state, name, 0)
    if "key" in faults:
        host_faults.known_key(bed, state, name)
    if "maxstartups" in faults:
        host_faults.max_startups(bed, state, name, 0)
    if "sshd" in faults:
        daemons.sshd(bed, state, name, "start")
    if "slurmd" in faults:
        daemons.slurmd(bed, state, name, "start")
    if "slurmctld" in faults and name == LOGIN:
        daemons.slurmctld(bed, state, "start")


def restore_all(bed: Bed, state: State) -> None:
    """Bring every host back."""
    for name in state.hosts:
        restore(bed, state, name)


def reset_files(bed: Bed) -> None:
    """Give root's home the `.ssh` it had, and nothing else."""
    for entry in bed.home.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    ssh_files.reset_user_files(bed)
