"""Errors that a user can cause, and how they are told: what happened, where, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `rankdeck` command."""

    OK = 0
    FAILED = 1
    """The run failed."""
    USAGE = 2
    """Wrong usage, or an invalid job."""
    UNUSABLE = 3
    """Nodes, the scheduler or the environment cannot be used."""
    NO_RUN = 4
    """No such run."""
    STOPPED = 130
    """The user stopped the run."""


class UserError(Exception):
    """A mistake or condition outside Rankdeck that the user can act on.

    Attributes:
        message: One sentence: what happened, in which file and line or on which node.
        hint: What to do next; empty when there is nothing sensible to say.
        exit_code: What the command exits with.
    """

    def __init__(
        self, message: str, hint: str = "", *, exit_code: ExitCode = ExitCode.USAGE
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class Severity(str, Enum):
    """Whether a problem keeps the job from running."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a job description; validation collects all of them."""

    message: str
    file: str = ""
    line: int = 0
    """1-based; 0 when the problem has no line."""
    key: str = ""
    """The key, option or field concerned, as the user wrote it (`nproc_per_node`)."""
    hint: str = ""
    field: str = ""
    """The JobSpec field it is about (`nproc_per_node`, `hyperparameters.lr`); empty: the job."""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        subject = f"{self.key}: " if self.key else ""
        return f"{where}{subject}{self.message}"


class InvalidJobError(UserError):
    """A job cannot be planned; carries every problem found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        shown = "\n".join(
            f"{problem}" + (f" ({problem.hint})" if problem.hint else "") for problem in problems
        )
        super().__init__(shown)
        self.problems = problems
