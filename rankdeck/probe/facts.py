"""What a node has for a job: sent to it as text, and run by the job's own interpreter.

Standard library only, Python 3.8, no imports of ours; looks, changes nothing.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(arguments: dict[str, Any]) -> None:
    """Print the facts; the clock is read last."""
    facts: dict[str, object] = {
        "host": socket.gethostname(),
        "python": sys.executable,
        "version": ".".join(map(str, sys.version_info[:3])),
        "torch": torch_version(),
        "module": has_module(arguments.get("module")),
        "cpus": len(os.sched_getaffinity(0)),
        "gpus": sum(
            name.startswith("nvidia") and name[6:].isdigit() for name in os.listdir("/dev")
        ),
        "free": free_bytes(arguments.get("folder") or "/tmp"),
        "output_free": free_bytes(arguments.get("output") or "/tmp"),
        "busy_ports": [port for port in arguments.get("ports", []) if not port_free(port)],
        "busy_gpus": busy_gpus(),
        "load": os.getloadavg()[0],
        **memory(),
        "gpu_names": gpu_names(),
        "missing": [path for path in arguments.get("paths", []) if not os.path.exists(path)],
    }
    facts["clock"] = time.time()
    print(json.dumps(facts), flush=True)


def has_module(name: str | None) -> bool | None:
    """Whether the package that the launcher needs is installed; None: it needs none."""
    return importlib.util.find_spec(name) is not None if name else None


def torch_version() -> str | None:
    """By its version file: importing torch takes seconds. None: it is not installed."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return None
    for folder in spec.submodule_search_locations:
        try:
            with open(os.path.join(folder, "version.py"), encoding="utf-8") as stream:
                found = re.search(r"^__version__ = ['\"]([^'\"]+)", stream.read(), re.M)
        except OSError:
            continue
        if found:
            return found.group(1)
    return "unknown"


def port_free(port: int) -> bool:
    """Whether a server could listen on the port; what cannot be told counts as free."""
    with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def busy_gpus() -> int | None:
    """How many GPUs a program computes on now; None: it cannot be told."""
    words = ["nvidia-smi", "--query-compute-apps=gpu_uuid", "--format=csv,noheader"]
    try:
        told = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return len({line for line in told.stdout.splitlines() if line.startswith(b"GPU-")})


def memory() -> dict[str, object]:
    """All of it, and what a job could have now."""
    found: dict[str, object] = {}
    names = {"MemTotal:": "memory", "MemAvailable:": "memory_free"}
    try:
        with open("/proc/meminfo", encoding="ascii", errors="replace") as stream:
            for line in stream:
                words = line.split()
                if words[:1] and words[0] in names:
                    found[names[words[0]]] = int(words[1]) * 1024
    except (OSError, ValueError, IndexError):
        return found
    return found


def gpu_names() -> list[str]:
    """What the driver calls the GPUs; nothing is run for it."""
    folder = "/proc/driver/nvidia/gpus"
    found = []
    try:
        for gpu in sorted(os.listdir(folder)):
            with open(os.path.join(folder, gpu, "information"), encoding="utf-8") as stream:
                found += re.findall(r"^Model:\s*(.+?)\s*$", stream.read(), re.M)
    except OSError:
        return found
    return found


def free_bytes(folder: str) -> int | None:
    """Free space where this folder is, or would be made; None: it cannot be told."""
    while folder and not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    try:
        room = os.statvfs(folder)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize


if __name__ == "__probe__":
    main(globals()["ARGUMENTS"])
