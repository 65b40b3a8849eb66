"""What stands for GPUs where there are none: a small NVML of our own, a script as nvidia-smi.

They keep to the published contract of the real ones; no driver was ever behind them.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.testbed import machine

_SOURCE = Path(__file__).with_name("standin_nvml.c")
# taken now: the variables of the developer's own environment are gone once tests run
_REQUIRED = bool(os.environ.get("CI") or os.environ.get("RANKDECK_REQUIRE_CLUSTER"))


def build_nvml(folder: Path) -> None:
    """Make `libnvidia-ml.so.1` there."""
    compiler = machine.compiler()
    if not compiler:
        needs = "needs a C compiler: apt-get install --no-install-recommends tcc"
        pytest.fail(needs) if _REQUIRED else pytest.skip(needs)
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, _SOURCE], check=True)


def gpu(
    number: int,
    mode: str = "ok",
    *,
    util: int = 90,
    used: int = 60_000,
    temp: int = 60,
    ecc: int = 0,
    reasons: int = 0,
    xid: int = 0,
    pid: int = 0,
) -> str:
    """One GPU's line for the stand-in."""
    facts = (util, used, 81_559, temp, 400_000 + number * 1000, ecc, reasons, xid, pid)
    return f"GPU-{number:04x} H100 {mode} {' '.join(map(str, facts))}"


class Figures:
    """The file that the stand-in answers from."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def show(self, *lines: str) -> None:
        """From now on these are its GPUs."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text("".join(f"{line}\n" for line in lines))
        fresh.rename(self.path)


def samplers(folder: Path) -> dict[int, str]:
    """The living sampler processes that a stand-in below this folder answers to, by pid."""
    found = {}
    mark = f"STANDIN_FOLDER={folder}".encode()
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environ = (entry / "environ").read_bytes()
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and mark in environ.split(b"\0") and b"RANKDECK_" not in environ:
            found[int(entry.name)] = b" ".join(words).decode(errors="replace")
    return found
