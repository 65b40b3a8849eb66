"""What a node has for a job: sent to it as text, and run by the job's own interpreter.

Standard library only, Python 3.8, no imports of ours; looks, changes nothing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
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
        "cpus": len(os.sched_getaffinity(0)),
        "gpus": sum(
            name.startswith("nvidia") and name[6:].isdigit() for name in os.listdir("/dev")
        ),
        "free": free_bytes(arguments.get("folder") or "/tmp"),
        "missing": [path for path in arguments.get("paths", []) if not os.path.exists(path)],
    }
    facts["clock"] = time.time()
    print(json.dumps(facts), flush=True)


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
