"""`rankdeck doctor`: what on this machine would get in the way, and what to do about it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rankdeck.cli.common import json_option, print_json
from rankdeck.cli.text import paint, shown, table
from rankdeck.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

OK, WARN, FAIL = "ok", "warning", "fails"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. A check that cannot be made is a warning, never `ok`."""

    check: str
    result: str
    detail: str
    advice: str = ""


@click.command("doctor")
@click.option("--python", "interpreter", metavar="PATH", help="Interpreter of the ranks to check.")
@json_option
def doctor_command(interpreter: str | None, as_json: bool) -> None:
    """Check this machine: state directory, interpreter, launcher, limits, terminal.

    Exits with 3 if something fails.
    """
    findings = [check() for check in _checks(interpreter)]
    if as_json:
        print_json({"findings": findings})
    else:
        colours = {OK: "green", WARN: "yellow", FAIL: "red"}
        rows = [
            (paint(one.result, colours[one.result]), one.check, shown(one.detail))
            for one in findings
        ]
        for one, line in zip(findings, table(rows).splitlines(), strict=True):
            click.echo(line)
            if one.advice:
                click.echo(f"         → {shown(one.advice)}")
    if any(one.result == FAIL for one in findings):
        sys.exit(ExitCode.UNUSABLE)


def _checks(interpreter: str | None) -> list[Callable[[], Finding]]:
    from rankdeck.cli import doctor_checks as checks

    return [
        checks.versions,
        checks.state_directory,
        checks.state_space,
        checks.file_locks,
        lambda: checks.rank_interpreter(interpreter),
        lambda: checks.torchrun(interpreter),
        lambda: checks.other_launchers(interpreter),
        checks.shared_memory,
        checks.open_files,
        checks.loopback,
        checks.kernel,
        checks.terminal,
        checks.clipboard,
        checks.plugins,
        checks.own_files,
    ]
