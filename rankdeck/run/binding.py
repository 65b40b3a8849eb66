"""Writing down the nodes a scheduler has chosen: `plan.json` and the scripts for people."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rankdeck.run.files import write_atomic

if TYPE_CHECKING:
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.layout import RunDir


def store_plan(run: RunDir, plan: LaunchPlan) -> None:
    """Replace the plan, and the scripts made from it; its time stays that of the run's creation.

    Raises:
        OSError: The plan cannot be written.
    """
    created = os.stat(run.plan)
    write_atomic(run.plan, msgspec.json.format(msgspec.json.encode(plan), indent=1), sync=True)
    os.utime(run.plan, ns=(created.st_atime_ns, created.st_mtime_ns))
    # what only people read must not keep a run from starting
    with suppress(OSError):
        write_commands(run, plan)


def write_commands(run: RunDir, plan: LaunchPlan) -> None:
    """The plan as scripts a person can read and run by hand.

    Raises:
        OSError: They cannot be written.
    """
    from rankdeck.plan.render import command_scripts

    run.commands.mkdir(mode=0o700, exist_ok=True)
    scripts = command_scripts(plan)
    for name in set(os.listdir(run.commands)) - set(scripts):
        os.unlink(run.commands / name)
    for name, text in scripts.items():
        write_atomic(run.commands / name, text.encode(errors="surrogateescape"))
