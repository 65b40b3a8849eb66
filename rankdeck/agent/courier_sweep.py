"""What is left of a run on a node, ended and removed.

The agent's own sweep runs as a process, so that the courier never waits for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

_OLD_SECONDS = 7 * 86400.0


class Sweeper:
    """One sweep of a run's processes on this node."""

    def __init__(self, bundle: str, run: str, node: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", bundle, "--sweep", run, node],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.left: list[int] = []
        self.error = ""

    @property
    def fd(self) -> int | None:
        """Readable when it has said something, or ended."""
        stream = self._process.stdout
        return stream.fileno() if stream is not None else None

    def ended(self) -> bool:
        """Whether it has ended; `left` and `error` are known then."""
        if self._process.poll() is None:
            return False
        out, err = self._process.communicate()
        try:
            self.left = [int(pid) for pid in json.loads(out)]
        except (ValueError, TypeError):
            last = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
            self.error = last or f"the sweep ended with status {self._process.returncode}"
        return True


def remove_run(root: str, bundle: str, run: str, node: str) -> str:
    """Remove a run's folder; why not, if that is impossible."""
    folder = f"{root}/runs/{run}"
    try:
        if os.path.isdir(f"{folder}/{node}"):
            shutil.rmtree(f"{folder}/{node}")
    except OSError as error:
        return f"{folder}/{node} cannot be removed: {error.strerror}"
    try:
        os.rmdir(folder)
    except OSError:
        return ""  # another node of this run is on the same host, or it is gone already
    if not os.listdir(f"{root}/runs"):
        _remove_old_bundles(os.path.dirname(bundle), os.path.basename(bundle))
    return ""


def _remove_old_bundles(folder: str, mine: str) -> None:
    """Those of earlier versions. There is no run, hence no agent that may still read one."""
    try:
        for entry in os.scandir(folder):
            old = time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD_SECONDS
            if old and entry.name != mine:
                os.unlink(entry.path)
    except OSError as error:
        sys.stderr.write(f"courier: {folder}: {error.strerror}\n")
