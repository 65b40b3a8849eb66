"""Checks of an entry file that several launchers share. Reads files, starts nothing."""

from __future__ import annotations

import os
from shlex import quote

from rankdeck.errors import Problem, Severity

_LARGEST_SCRIPT = 4 << 20


def check_file(entry: str) -> tuple[Problem, ...]:
    """The entry is a file that can be read."""
    if not os.path.lexists(entry):
        return (problem(f"{entry} does not exist"),)
    if not os.path.isfile(entry):
        what = "is a directory" if os.path.isdir(entry) else "is not a regular file"
        return (problem(f"{entry} {what}"),)
    if not os.access(entry, os.R_OK):
        return (problem(f"{entry} cannot be read", f"chmod u+r {quote(entry)}"),)
    return ()


def check_python_file(entry: str) -> tuple[Problem, ...]:
    """The entry is a file that Python can be given."""
    if problems := check_file(entry):
        return problems
    if is_shell(entry):
        return (problem(f"{entry} is a shell script", "use the script launcher"),)
    return ()


def check_line_ends(entry: str) -> tuple[Problem, ...]:
    """A shell script has Unix line ends: bash takes the CR for a part of the last word."""
    text = read_script(entry)
    before, found, _ = text.partition(b"\r\n")
    if not found:
        return ()
    line = before.count(b"\n") + 1
    message = "has Windows line ends (CRLF), which bash cannot run"
    hint = f"convert it: sed -i 's/\\r$//' {quote(entry)}"
    return (Problem(message, file=entry, line=line, hint=hint, field="entry"),)


def check_interpreter_line(entry: str) -> tuple[Problem, ...]:
    """The first line of a program that names its interpreter does not end in CRLF."""
    first = read_script(entry).partition(b"\n")[0]
    if not (first.startswith(b"#!") and first.endswith(b"\r")):
        return ()
    message = "has a Windows line end (CRLF), so its interpreter cannot be found"
    hint = f"convert it: sed -i 's/\\r$//' {quote(entry)}"
    return (Problem(message, file=entry, line=1, hint=hint, field="entry"),)


def is_shell(entry: str) -> bool:
    """Whether the file's name says that it is a shell script."""
    return entry.endswith((".sh", ".bash"))


def read_script(entry: str) -> bytes:
    """The script's bytes, up to a size no hand-written script has."""
    try:
        with open(entry, "rb") as script:
            return script.read(_LARGEST_SCRIPT)
    except OSError:
        return b""


def problem(message: str, hint: str = "") -> Problem:
    """An error about the entry."""
    return Problem(message, key="entry", field="entry", hint=hint)


def warning(message: str, field: str, hint: str = "", *, file: str = "", line: int = 0) -> Problem:
    """Something the user should know, but that may be meant."""
    return Problem(
        message, key=field, field=field, hint=hint, file=file, line=line,
        severity=Severity.WARNING,
    )  # fmt: skip
