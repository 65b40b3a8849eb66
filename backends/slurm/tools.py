"""Running Slurm's programs: what they print, in a language and form that can be read.

Nothing here concludes anything from a failure: an answer that did not come is an error that says
so, and what was known before stays known.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import msgspec

from rankdeck.command_log import executed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

_TIMEOUT = 20.0
# they would change what is asked for, or how it is printed
_FOREIGN = ("SQUEUE_", "SINFO_", "SACCT_", "SCONTROL_", "SCANCEL_")
# said by the script, which the environment would overrule
_SAID = ("JOB_NAME", "COMMENT", "OUTPUT", "ERROR", "OPEN_MODE", "REQUEUE", "NO_REQUEUE", "SIGNAL",
         "EXPORT", "ARRAY_INX", "WAIT", "NNODES", "NTASKS", "TEST_ONLY")  # fmt: skip


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a program said."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked."""
        return self.code == 0

    @property
    def complaint(self) -> str:
        """What it complained about, in one line; its name left out."""
        lines = [_without_name(line) for line in self.err.splitlines() if line.strip()]
        return "; ".join(dict.fromkeys(lines))[:400] or f"exit code {self.code}"


class Slurm:
    """Slurm's programs, run with one environment."""

    def __init__(self, environ: Mapping[str, str] | None) -> None:
        """`environ` is the submitting shell's; None: this process's own."""
        kept = os.environ if environ is None else environ
        self.environ = {
            name: value for name, value in kept.items() if not name.startswith(_FOREIGN)
        }

    def ask(self, *command: str, timeout: float = _TIMEOUT) -> Answer:
        """Run a program to its end. A program that is missing or too slow is an answer too."""
        began = time.monotonic()
        answer = self._ask(command, timeout)
        seconds = time.monotonic() - began
        executed(command, why="ask Slurm", seconds=seconds, exit_code=answer.code)
        return answer

    def _ask(self, command: Sequence[str], timeout: float) -> Answer:
        try:
            done = subprocess.run(
                command,
                env=self._for_answers(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
                cwd="/",
            )
        except FileNotFoundError:
            return Answer(code=127, err=f"there is no {command[0]} on PATH")
        except subprocess.TimeoutExpired:
            return Answer(code=124, err=f"{command[0]} gave no answer in {timeout:g} s")
        except OSError as error:
            return Answer(code=126, err=f"{command[0]} cannot be started: {error.strerror}")
        return Answer(
            code=done.returncode,
            out=done.stdout.decode(errors="replace"),
            err=done.stderr.decode(errors="replace"),
        )

    def start(
        self,
        command: Sequence[str],
        marks: Mapping[str, str],
        out: IO[bytes],
        err: IO[bytes],
        keep: int,
    ) -> subprocess.Popen[bytes]:
        """Start a program that outlives this process and keeps `keep` open.

        Raises:
            OSError: It cannot be started.
        """
        environ = {
            name: value
            for name, value in self.environ.items()
            if not (name.startswith("SBATCH_") and name[len("SBATCH_") :] in _SAID)
        }
        process = subprocess.Popen(
            command,
            env={**environ, **marks},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=(keep,),
            start_new_session=True,
            cwd="/",
        )
        executed(command, why="submit the run to Slurm")
        return process

    def _for_answers(self) -> dict[str, str]:
        return {**self.environ, "LC_ALL": "C", "SLURM_TIME_FORMAT": "standard"}


def _without_name(line: str) -> str:
    head, colon, rest = line.strip().partition(": ")
    if colon and head in ("sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo", "sacct"):
        return rest.removeprefix("error: ").strip()
    return line.strip()
