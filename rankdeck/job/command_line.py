"""`read_command`: a pasted launch command or batch script, as a job. Nothing of it is executed.

Reads torchrun, torch.distributed.launch, colossalai run, deepspeed, accelerate launch, msrun,
mpirun, srun and sbatch, alone or one inside another. What has no equivalent is told in a note or
refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rankdeck.errors import UserError
from rankdeck.job.command_line_context import Context
from rankdeck.job.command_line_parts import Arg, Growing
from rankdeck.job.command_line_programs import read_program
from rankdeck.job.command_line_shell import read_shell
from rankdeck.job.command_line_tasks import finish
from rankdeck.job.draft import JobDraft

if TYPE_CHECKING:
    from rankdeck.job.command_line_shell import Statement

_LARGEST = 1 << 20


class ImportedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job made of a command line."""

    draft: JobDraft
    notes: tuple[str, ...] = ()
    """What was left out or read in another way, one sentence each."""


def read_command(text: str, cwd: Path, *, as_torchrun: bool = False) -> ImportedJob:
    """The job that a command line, or a batch script, describes.

    Args:
        text: What was pasted: one command, or a script with one.
        cwd: Where it would be run; files that it names are looked at from there, never run.
        as_torchrun: Whether lines of accelerate and deepspeed become jobs of torchrun, as far as
            that is the same.

    Raises:
        UserError: A word is not understood, or says what a job cannot; names line and word.
    """
    if len(text) > _LARGEST:
        raise UserError("the text is too long for a command", "paste the launch command alone")
    if "\0" in text:
        raise UserError("the text holds a NUL character, which no command can hold")
    job = Growing(os.path.abspath(cwd))
    job.as_torchrun = as_torchrun
    context = Context(job)
    _read_text(_without_prompt(text), job, context)
    if not context.found:
        raise UserError(
            "there is no launch command in the text",
            "paste a line with torchrun, colossalai run, deepspeed, accelerate launch, msrun,"
            " mpirun, srun or python",
        )
    return ImportedJob(draft=finish(job), notes=tuple(job.notes))


def _read_text(text: str, job: Growing, context: Context) -> None:
    script = read_shell(text)
    if script.directives:
        context.directives(script.directives)
    for statement in script.statements:
        for remark in statement.remarks:
            job.note(remark)
        if context.prepare(statement):
            continue
        _launch(statement, job, context)


def _launch(statement: Statement, job: Growing, context: Context) -> None:
    args = context.command(statement)
    if not args:
        return
    if context.found:
        raise UserError(
            f"line {statement.line}: {args[0].text!r} is a second command: a job is one",
            f"leave one of them out (the first is on line {context.found})",
        )
    context.found = statement.line
    inner = read_program(job, args)
    if inner is None:
        return
    context.found = 0
    if isinstance(inner, Path):
        _read_batch_file(inner, job, context, args)
    else:
        _read_text(inner, job, context)


def _read_batch_file(path: Path, job: Growing, context: Context, args: list[Arg]) -> None:
    """`sbatch [options] FILE`: the file, under the options, which win."""
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise UserError(
            f"line {args[0].line}: {path} cannot be read: {error.strerror}",
            "paste the script itself",
        ) from error
    job.note(f"read from {path}")
    fields, options = dict(job.fields), dict(job.options)
    tasks, per_node, cpus = job.tasks, job.tasks_per_node, job.cpus_per_task
    job.fields.clear()
    job.tasks = job.tasks_per_node = job.cpus_per_task = None
    context.after_directives = lambda: _over(job, fields, options, (tasks, per_node, cpus))
    _read_text(text, job, context)


def _over(
    job: Growing,
    fields: dict[str, object],
    options: dict[str, object],
    tasks: tuple[int | None, int | None, int | None],
) -> None:
    job.fields.update(fields)
    job.options.update(options)
    job.tasks = tasks[0] or job.tasks
    job.tasks_per_node = tasks[1] or job.tasks_per_node
    job.cpus_per_task = tasks[2] or job.cpus_per_task


def _without_prompt(text: str) -> str:
    """The text without the prompt that was copied with it."""
    lines = text.splitlines()
    return "\n".join(line[2:] if line.startswith(("$ ", "% ")) else line for line in lines)
