"""What Slurm remembers of one job: from its controller, else from its accounting.

The controller forgets a job some minutes after its end; accounting need not exist. Parsers are
pure; `find_facts` and `find_usage` ask.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from backends.slurm.tools import Slurm

_ACCOUNTING = "JobID,State,ExitCode,DerivedExitCode,ElapsedRaw,MaxRSS,NodeList"
_SIZE = re.compile(r"([\d.]+)([KMGTP]?)")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_KILL_WAIT = re.compile(r"^KillWait\s*=\s*(\d+)", re.M)
_ACCOUNTING_TYPE = re.compile(r"^AccountingStorageType\s*=\s*(\S+)", re.M)
_JOBCOMP_TYPE = re.compile(r"^JobCompType\s*=\s*(\S+)", re.M)
_NONE = frozenset({"", "(null)", "none"})


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What matters of the cluster's configuration."""

    kill_wait: float = 30.0
    accounting: bool = False
    completions: bool = False
    """Ended jobs are recorded, without a database."""


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One job, as Slurm says it is or was."""

    state: str
    reason: str = ""
    restarts: int = 0
    requeue: bool = False
    exit_code: str = ""
    """`code:signal`"""
    nodelist: str = ""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What accounting says a job has used."""

    state: str = ""
    seconds: int | None = None
    peak_bytes: int | None = None
    """Most memory of any task of any step."""
    exit_code: str = ""
    derived_exit_code: str = ""

    @property
    def text(self) -> str:
        """In words."""
        parts = [f"accounting: {self.state}"] if self.state else ["accounting"]
        if self.seconds is not None:
            parts.append(f"{self.seconds} s")
        if self.peak_bytes:
            parts.append(f"at most {self.peak_bytes / (1 << 20):.0f} MiB in one node's task")
        if self.exit_code and self.exit_code != "0:0":
            parts.append(f"exit code {self.exit_code}")
        if self.derived_exit_code not in ("", "0:0", self.exit_code):
            parts.append(f"highest of its steps {self.derived_exit_code}")
        return ", ".join(parts)


def read_site(config: str) -> Site:
    """From `scontrol show config`; what it does not say is Slurm's default."""
    kill_wait = _KILL_WAIT.search(config)
    accounting = _ACCOUNTING_TYPE.search(config)
    completions = _JOBCOMP_TYPE.search(config)
    return Site(
        kill_wait=float(kill_wait[1]) if kill_wait else Site().kill_wait,
        accounting=_kept(accounting[1] if accounting else ""),
        completions=_kept(completions[1] if completions else ""),
    )


def parse_job(text: str) -> JobFacts | None:
    """From `scontrol --oneliner show job`; None when it speaks of no job."""
    if (state := _field(text, "JobState")) == "":
        return None
    restarts = _field(text, "Restarts")
    return JobFacts(
        state=state,
        reason=_field(text, "Reason"),
        restarts=int(restarts) if restarts.isdecimal() else 0,
        requeue=_field(text, "Requeue") == "1",
        exit_code=_field(text, "ExitCode"),
        nodelist=_field(text, "NodeList"),
    )


def parse_completion(text: str) -> JobFacts | None:
    """From `sacct --completion --parsable2`: `id|state|nodes`, the last start of a job last."""
    lines = [line.split("|") for line in text.splitlines() if line.count("|") >= 2]
    if not lines:
        return None
    _job, state, nodelist, *_rest = lines[-1]
    return JobFacts(state=state, nodelist=nodelist)


def parse_usage(text: str, job: str) -> Usage | None:
    """From `sacct --parsable2` with the job and its steps; None when the job is not there."""
    whole, peak = None, 0
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != _ACCOUNTING.count(",") + 1:
            continue
        if fields[0] == job:
            whole = fields
        peak = max(peak, _bytes(fields[5]))
    if whole is None:
        return None
    return Usage(
        state=whole[1],
        seconds=int(whole[4]) if whole[4].isdecimal() else None,
        peak_bytes=peak or None,
        exit_code=whole[2],
        derived_exit_code=whole[3],
    )


def ask_site(slurm: Slurm) -> Site:
    """The cluster's configuration; defaults when it cannot be had."""
    return read_site(slurm.ask("scontrol", "show", "config").out)


def find_facts(slurm: Slurm, job: str, site: Site) -> JobFacts | None:
    """The job, by whoever still knows it; None: nobody does, or nobody could be asked."""
    answer = slurm.ask("scontrol", "--oneliner", "show", "job", job)
    if answer.ok and (facts := parse_job(answer.out)) is not None:
        return facts
    if site.accounting and (usage := find_usage(slurm, job)) is not None:
        return JobFacts(state=usage.state, exit_code=usage.exit_code)
    if site.completions:
        fields = "--format=JobID,State,NodeList"
        answer = slurm.ask(
            "sacct", "--completion", "--noheader", "--parsable2", f"--jobs={job}", fields
        )
        if answer.ok:
            return parse_completion(answer.out)
    return None


def find_usage(slurm: Slurm, job: str) -> Usage | None:
    """What accounting says; None where there is none, or not yet."""
    answer = slurm.ask(
        "sacct", "--noheader", "--parsable2", f"--jobs={job}", f"--format={_ACCOUNTING}"
    )
    return parse_usage(answer.out, job) if answer.ok else None


def _field(text: str, name: str) -> str:
    match = re.search(rf"(?:^|\s){name}=(\S*)", text)
    return "" if match is None or match[1] == "(null)" else match[1]


def _kept(storage: str) -> bool:
    return storage.rpartition("/")[2] not in _NONE


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text)
    return int(float(match[1]) * _UNITS[match[2]]) if match else 0
