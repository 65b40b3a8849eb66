"""Sweeps: ending everything of the run on a node whose agent is gone, by an mpirun to that node."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import msgspec

from rankdeck.backend_reports import Swept
from rankdeck.command_log import executed
from rankdeck.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backends.mpi.folder import MpiFolder

_HINT = "look there with: ps -ef; they carry RANKDECK_RUN_ID in their environment"


class _Sweep:
    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        self.process = process
        self.deadline = deadline


class Sweeping:
    """The sweeps that are going on."""

    def __init__(
        self,
        folder: MpiFolder,
        command: Callable[[str], Sequence[str]],
        environ: Mapping[str, str],
    ) -> None:
        """`command` gives the command line that sweeps a node."""
        self._folder = folder
        self._command = command
        self._environ = environ
        self._sweeps: dict[str, _Sweep] = {}
        self._failed: list[Swept] = []

    def begin(self, node: str, deadline: float) -> None:
        """Sweep a node, unless that is going on."""
        if node in self._sweeps:
            return
        try:
            with open(self._output(node), "wb") as output, open(self._errors(node), "wb") as errors:
                command = self._command(node)
                process = subprocess.Popen(
                    command,
                    env=dict(self._environ),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    start_new_session=True,
                )
        except (OSError, UserError) as error:
            self._failed.append(self._unknown(node, str(error)))
            return
        executed(command, why="end what the run has left behind", host=node)
        self._sweeps[node] = _Sweep(process, deadline)

    def answers(self) -> Sequence[Swept]:
        """The sweeps that have ended since the last call."""
        answers, self._failed = self._failed, []
        for node, sweep in list(self._sweeps.items()):
            if sweep.process.poll() is None:
                if time.monotonic() < sweep.deadline:
                    continue
                sweep.process.kill()
                sweep.process.wait()
            del self._sweeps[node]
            answers.append(self._answer(node))
        return answers

    def finish(self) -> None:
        """Wait for all of them."""
        for sweep in self._sweeps.values():
            try:
                sweep.process.wait(max(0.0, sweep.deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue  # `answers` ends it

    def _answer(self, node: str) -> Swept:
        lines = _read(self._output(node)).splitlines()
        said = next((line for line in lines if line.startswith("[")), "")
        try:
            return Swept(node=node, left=tuple(msgspec.json.decode(said, type=list[int])))
        except msgspec.DecodeError:
            words = [line for line in _read(self._errors(node)).splitlines() if line.strip()]
            return self._unknown(node, words[0].strip() if words else "mpirun did not answer")

    def _unknown(self, node: str, why: str) -> Swept:
        return Swept(node=node, error=f"{node}: processes of this run may be left ({why}); {_HINT}")

    def _output(self, node: str) -> str:
        return str(self._folder.path / f"sweep-{node}.out")

    def _errors(self, node: str) -> str:
        return str(self._folder.path / f"sweep-{node}.err")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
