"""What the bed needs of this machine: packages, privileges, and room in one kernel table."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .bed import ROOT, all_beds
from .errors import BedError
from .processes import SYSTEM_PATH

if TYPE_CHECKING:
    from .bed import Options

_TOOLS = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "socat": "socat",
    "nft": "nftables",
}
_SLURM_TOOLS = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "srun": "slurm-client",
    "munged": "munge",
}
_MANY_HOSTS = 24
_NEIGHBOURS = Path("/proc/sys/net/ipv4/neigh/default")
_THRESHOLDS = ("gc_thresh3", "gc_thresh2", "gc_thresh1")
_COMPILERS = ("cc", "gcc", "tcc", "clang")
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21


def lacking(*, slurm: bool = True, others: dict[str, str] | None = None) -> str:
    """Why there can be no bed on this machine, as a sentence; empty if there can.

    Args:
        slurm: Whether the bed is to have Slurm.
        others: Further programs that are needed, with their packages.
    """
    if os.geteuid() != 0:
        return "it needs root"
    if not _may(_CAP_SYS_ADMIN) or not _may(_CAP_NET_ADMIN):
        return "it needs the capabilities SYS_ADMIN and NET_ADMIN (a container withholds them)"
    tools = _TOOLS | (_SLURM_TOOLS if slurm else {}) | (others or {})
    places = os.environ.get("PATH", "") + ":" + SYSTEM_PATH
    missing = sorted({package for tool, package in tools.items() if not _found(tool, places)})
    if missing:
        return f"apt-get install --no-install-recommends {' '.join(missing)}"
    return ""


def require(options: Options) -> None:
    """Make sure that a bed can be brought up.

    Raises:
        BedError: it cannot; the text says what is missing.
    """
    if reason := lacking(slurm=options.slurm):
        raise BedError(f"no test cluster on this machine: {reason}")


def compiler() -> str:
    """Any C compiler; empty if there is none. Only moving a clock needs one."""
    return next(filter(None, map(shutil.which, _COMPILERS)), "")


def _found(tool: str, places: str) -> bool:
    return shutil.which(tool, path=places) is not None


def _may(capability: int) -> bool:
    # PR_CAPBSET_READ: what the bounding set lacks, root's children lack too
    return bool(ctypes.CDLL(None).prctl(23, capability, 0, 0, 0) == 1)


def make_room_for_neighbours(options: Options) -> None:
    """One table of neighbours serves all namespaces; many hosts overflow its usual size."""
    if options.hosts <= _MANY_HOSTS:
        return
    kept = ROOT / "neighbours.json"
    if not kept.exists():
        before = {name: (_NEIGHBOURS / name).read_text().strip() for name in _THRESHOLDS}
        kept.write_text(json.dumps(before))
    for name in _THRESHOLDS:
        setting = _NEIGHBOURS / name
        setting.write_text(str(max(int(setting.read_text()), options.hosts * 300)))


def give_back_room() -> None:
    """Restore the table's size once no bed needs it any more."""
    kept = ROOT / "neighbours.json"
    if not kept.exists():
        return
    large = [bed for bed in all_beds() if (state := bed.peek()).hosts and _many(state.options)]
    if not large:
        before: dict[str, str] = json.loads(kept.read_text())
        for name in reversed(_THRESHOLDS):
            (_NEIGHBOURS / name).write_text(before[name])
        kept.unlink(missing_ok=True)


def _many(options: Options) -> bool:
    return options.hosts > _MANY_HOSTS
