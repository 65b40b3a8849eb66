"""What `rankdeck template` and `rankdeck workspace` share: options, saying names, the editor."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rankdeck.cli.common import print_json
from rankdeck.cli.text import paint, shown
from rankdeck.errors import UserError
from rankdeck.programs import editor

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.errors import Problem
    from rankdeck.job.draft import JobDraft
    from rankdeck.library.secrets import SecretChoice
    from rankdeck.library.shelf import Kept, Shelf


def workspace_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--workspace NAME`: what the job begins from."""
    return click.option(
        "--workspace",
        metavar="NAME",
        default=None,
        shell_complete=_names_of(_workspaces),
        help="Begin from this workspace instead of the current one; '' begins from none.",
    )(command)


def template_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--template NAME`: the job that is changed by the options."""
    return click.option(
        "--template",
        metavar="NAME",
        default=None,
        shell_complete=_names_of(_templates),
        help="Start this template; options change it, and a target says where and what to run.",
    )(command)


def _workspaces() -> Shelf:
    from rankdeck.library.workspaces import workspace_store

    return workspace_store()


def _templates() -> Shelf:
    from rankdeck.library.templates import template_store

    return template_store()


def saving_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of everything that saves a file."""
    for option in (
        click.option("--description", default="", metavar="TEXT", help="One line for lists."),
        click.option("-f", "--force", is_flag=True, help="Overwrite one of that name."),
        click.option(
            "--keep-secrets",
            "secrets",
            flag_value="keep",
            help="Save values that look like secrets as they are.",
        ),
        click.option(
            "--drop-secrets",
            "secrets",
            flag_value="drop",
            help="Leave values that look like secrets out.",
        ),
    ):
        command = option(command)
    return command


def secret_choice(given: str | None) -> SecretChoice:
    """What was said of secrets; without a word nothing secret is saved."""
    from rankdeck.library.secrets import SecretChoice

    return SecretChoice(given) if given else SecretChoice.REFUSE


def name_argument(shelf: Callable[[], Shelf], *, nargs: int = 1) -> Callable[[Any], Any]:
    """A NAME argument, completed from what there is."""
    return click.argument(
        "names" if nargs == -1 else "name",
        nargs=nargs,
        required=True,
        metavar="NAME..." if nargs == -1 else "NAME",
        shell_complete=_names_of(shelf),
    )


def _names_of(shelf: Callable[[], Shelf]) -> Callable[..., list[str]]:
    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[str]:
        try:
            return [kept.name for kept in shelf().list() if typed in kept.name]
        except UserError:
            return []

    return complete


def draft_of_source(source: str) -> JobDraft:
    """What a RUN, JOB.yaml or PROJECT describes.

    Raises:
        UserError: There is no such file, and no such run.
    """
    from rankdeck.job.resolve import JOB_FILE

    path = Path(source).expanduser()
    if path.is_dir():
        from rankdeck.job.draft import JobDraft

        own = path / JOB_FILE
        if not own.is_file():
            return JobDraft(project=str(path.absolute()))
        return _anchored(own)
    if path.exists():
        return _anchored(path)
    from rankdeck.cli.common import find_run
    from rankdeck.job.load import load_job_yaml

    return load_job_yaml(find_run(source).job)


def _anchored(path: Path) -> JobDraft:
    """A job file as a draft whose project is where the file is, if it names none."""
    import msgspec

    from rankdeck.job.load import load_job_yaml

    draft = load_job_yaml(path)
    if draft.project is None:
        draft = msgspec.structs.replace(draft, project=str(path.parent.absolute()))
    return draft


def told(kept: Kept) -> str:
    """What is wrong with a file, for a list; empty: nothing."""
    if not kept.problems:
        return ""
    first = kept.problems[0]
    line = f"line {first.line}: " if first.line else ""
    key = f"{first.key}: " if first.key else ""
    more = f" (and {len(kept.problems) - 1} more)" if len(kept.problems) > 1 else ""
    return paint(shown(f"✖ {line}{key}{first.message}{more}", 90), "red")


def document(kept: Kept, **more: object) -> dict[str, object]:
    """One kept file for `--json`."""
    from rankdeck.job.fields import FIELDS

    job = {field.name: getattr(kept.draft, field.name) for field in FIELDS}
    return {
        "name": kept.name,
        "path": kept.path,
        "description": kept.description,
        "job": {name: value for name, value in job.items() if value is not None},
        "problems": [_problem(problem) for problem in kept.problems],
        **more,
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "key": problem.key, "message": problem.message}


def _edit(shelf: Shelf, name: str) -> None:
    """Open the user's editor on a file, and look at what has become of it.

    Raises:
        UserError: There is no editor, or nobody to ask what shall become of mistakes.
    """
    from rankdeck.ask import Nobody
    from rankdeck.cli.asking import terminal_ask
    from rankdeck.library.editing import Editing

    command = editor(os.environ)
    editing = Editing(shelf, name)
    while True:
        code = subprocess.run([*command, str(editing.copy)], check=False).returncode
        if code:
            editing.forget()
            raise UserError(f"{command[0]} ended with {code}: {name} is as it was")
        problems = editing.problems()
        if not problems or (not editing.changed and not editing.is_new):
            break
        for problem in problems:
            click.echo(f"rankdeck: {problem}", err=True)
        ask = terminal_ask()
        if isinstance(ask, Nobody):
            raise UserError(
                f"{name} is as it was; the new text has mistakes",
                f"the text is in {editing.copy}",
            )
        if ask.confirm("Edit it again?", ""):
            continue
        if ask.confirm(f"Keep {name} with these mistakes?", "It can be edited later."):
            break
        editing.forget()
        click.echo(f"{name} is as it was")
        return
    if not editing.changed:
        editing.forget()
        click.echo(f"{name}: nothing has changed")
        return
    click.echo(f"saved {shown(str(editing.keep()))}")


def add_file_commands(group: click.Group, store: Callable[[], Shelf], what: str) -> None:
    """Commands that treat every kind of kept file alike: edit, cp, rm."""
    told = "Mistakes are told afterwards; then edit again, keep it so, or leave it as it was."

    @group.command("edit", help=f"Open a {what} in $EDITOR, also a new one.\n\n{told}")
    @name_argument(store)
    def edit(name: str) -> None:
        _edit(store(), name)

    @group.command("cp", help=f"Copy a {what}, comments and all.")
    @name_argument(store)
    @click.argument("target", metavar="NEW")
    @click.option("-f", "--force", is_flag=True, help="Overwrite one of that name.")
    def copy(name: str, target: str, force: bool) -> None:
        click.echo(f"saved {shown(str(store().copy(name, target, overwrite=force)))}")

    @group.command("rm", help=f"Remove {what}s.")
    @name_argument(store, nargs=-1)
    def remove(names: tuple[str, ...]) -> None:
        shelf = store()
        for name in names:
            shelf.remove(name)
            click.echo(f"removed {shown(name)}")


def print_kept(kept: Kept, text: str, *, as_json: bool, **more: object) -> None:
    """A kept file as it is written; what is wrong with it goes to stderr.

    Args:
        kept: The file.
        text: What is written in it.
        as_json: Print a document instead.
        more: What else the document says.
    """
    if as_json:
        print_json(document(kept, **more))
        return
    click.echo("".join(f"{shown(line)}\n" for line in text.splitlines()), nl=False)
    for problem in kept.problems:
        click.echo(f"rankdeck: warning: {problem}", err=True)
