"""Settings: the backend's options, checked and typed. Pure."""

from __future__ import annotations

import re
import shlex
import signal
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import InvalidJobError, Problem
from rankdeck.job.values import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIME = re.compile(r"\d+(:\d{1,2}){0,2}|\d+-\d{1,2}(:\d{1,2}){0,2}|UNLIMITED|INFINITE", re.I)
_SIGNAL = re.compile(r"(?:SIG)?([A-Z0-9]+)@(\d{1,5})")
_GPU = re.compile(r"gpu(?::[A-Za-z0-9_.-]+)?:(\d+)|gpu")
_WORD = re.compile(r"[\x21-\x7e]+")
"""What a name or list may consist of: it becomes a line of a script."""
_WORDS = ("partition", "account", "qos", "constraint", "reservation", "gres", "mem", "mpi")
_OURS = {
    "-J": "--name", "--job-name": "--name", "-N": "--nnodes", "--nodes": "--nnodes",
    "-n": "--nproc-per-node", "--ntasks": "--nproc-per-node",
    "--ntasks-per-node": "--nproc-per-node", "--comment": "", "-o": "", "--output": "",
    "-e": "", "--error": "", "-a": "", "--array": "", "--wrap": "", "-W": "", "--wait": "",
    "--parsable": "", "--test-only": "", "--open-mode": "", "--export": "--env", "-D": "",
    "--chdir": "", "--signal": "--signal", "--requeue": "--requeue", "--no-requeue": "",
    "-w": "--include", "--nodelist": "--include", "-x": "--exclude", "--exclude": "--exclude",
    "-F": "--include", "--nodefile": "--include", "-H": "", "--hold": "",
}  # fmt: skip
"""Options of sbatch that are decided here, and what says the same to Rankdeck."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the job is submitted."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str = ""
    constraint: str = ""
    reservation: str = ""
    exclusive: bool = False
    gpus_per_node: int | None = None
    gres: str = ""
    cpus_per_task: int | None = None
    mem: str = ""
    warning: str = ""
    """`USR1`; empty: the ranks are not warned."""
    warning_seconds: int = 0
    requeue: bool = False
    standby: bool = False
    srun: bool = False
    per_rank: bool = False
    mpi: str = ""
    lines: tuple[str, ...] = ()
    """Further options, each as one line of the script."""

    @property
    def gpus(self) -> int:
        """GPUs of each node, as far as the options say."""
        if self.gpus_per_node is not None:
            return self.gpus_per_node
        found = [match for part in self.gres.split(",") if (match := _GPU.fullmatch(part))]
        return sum(int(match[1] or 1) for match in found)


def read_settings(options: Mapping[str, str | int | float | bool]) -> Settings:
    """The typed settings; options of others are left alone.

    Raises:
        InvalidJobError: With everything that is wrong.
    """
    reader = _Reader(options)
    fields: dict[str, object] = {name: reader.word(name) for name in _WORDS}
    fields["time"] = reader.time()
    fields["warning"], fields["warning_seconds"] = reader.warning()
    for name in ("gpus_per_node", "cpus_per_task"):
        fields[name] = reader.number(name)
    for name in ("exclusive", "requeue", "standby", "srun", "per_rank"):
        fields[name] = options.get(name) is True
    fields["lines"] = reader.lines()
    if fields["srun"] and (fields["requeue"] or fields["warning"] or fields["standby"]):
        needed = "does without a batch job, which --requeue, --signal and --standby need"
        reader.refuse("srun", needed)
    if reader.problems:
        raise InvalidJobError(tuple(reader.problems))
    return msgspec.convert(fields, Settings)


class _Reader:
    """Reads options one by one and collects what is wrong."""

    def __init__(self, options: Mapping[str, str | int | float | bool]) -> None:
        self._options = options
        self.problems: list[Problem] = []

    def refuse(self, name: str, message: str, hint: str = "") -> None:
        option = f"--{name.replace('_', '-')}"
        field = f"backend_options.{name}"
        self.problems.append(Problem(message, key=option, field=field, hint=hint))

    def _text(self, name: str) -> str:
        value = self._options.get(name)
        return "" if value is None or isinstance(value, bool) else str(value).strip()

    def word(self, name: str) -> str:
        text = self._text(name)
        if text and not _WORD.fullmatch(text):
            self.refuse(name, f"must be one word (got {quoted(text)})")
        return text

    def number(self, name: str) -> int | None:
        value = self._options.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.refuse(name, f"must be a whole number of at least 1 (got {value!r})")
            return None
        return value

    def time(self) -> str:
        text = self._text("time")
        if text and not _TIME.fullmatch(text):
            self.refuse(
                "time", f"is not a time as Slurm writes it (got {quoted(text)})",
                "minutes, MM:SS, HH:MM:SS or D-HH:MM:SS",
            )  # fmt: skip
        return text

    def warning(self) -> tuple[str, int]:
        text = self._text("signal")
        if not text:
            return "", 0
        match = _SIGNAL.fullmatch(text.upper())
        if match is None or not isinstance(getattr(signal, f"SIG{match[1]}", 0), signal.Signals):
            self.refuse("signal", f"must be NAME@SECONDS, as USR1@300 (got {quoted(text)})")
            return "", 0
        return match[1], int(match[2])

    def lines(self) -> tuple[str, ...]:
        given = [
            line.strip().removeprefix("#SBATCH").strip()
            for line in _split(self._text("sbatch_line"))
        ]
        for line in given:
            try:
                words = shlex.split(line)
            except ValueError as error:
                self.refuse("sbatch_line", f"{quoted(line)} cannot be read: {error}")
                continue
            for word in words:
                self._check_word(line, word)
            if words and not words[0].startswith("-"):
                self.refuse(
                    "sbatch_line", f"{quoted(line)} is not an option: it begins with no dash"
                )
        return tuple(line for line in given if line)

    def _check_word(self, line: str, word: str) -> None:
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        if word.startswith("-") and name in _OURS:
            instead = f"use {_OURS[name]}" if _OURS[name] else "leave it out"
            self.refuse("sbatch_line", f"{quoted(line)}: {name} is set by Rankdeck", instead)


def _split(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]
