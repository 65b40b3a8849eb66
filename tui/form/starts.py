"""What a new form can begin with: forms that were left, templates, earlier runs, files, commands.

Reads folders: called in the background only, but for `typed_starts`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.errors import InvalidJobError, UserError
from rankdeck.job.load import read_job_yaml
from rankdeck.library.templates import template_of, template_store
from rankdeck.project.scaffold import scaffold, template_names, template_title
from rankdeck.run.layout import RunDir
from rankdeck.text import age
from tui.form.choice import Choice
from tui.form.kept import KeptForms
from tui.form.last_run import with_types
from tui.form.texts import looks_like_command, typed_texts

if TYPE_CHECKING:
    from rankdeck.job.draft import JobDraft
    from rankdeck.run.store import RunStore
    from tui.form.kept import KeptForm

_RUNS = 100
KEPT, TEMPLATE, RUN, FILE, COMMAND, SAMPLE = "kept", "template", "run", "file", "command", "sample"


@dataclass(frozen=True, slots=True)
class Start:
    """What a form is filled with."""

    texts: dict[str, str]
    notes: tuple[str, ...] = ()
    """What could not be taken over, or was understood in a way that should be known."""
    slot: str = ""
    """The kept form it was; what is typed from now on takes its place."""


def find_starts(store: RunStore, now: float, own: str, cwd: Path) -> tuple[Choice, ...]:
    """Everything there is to begin with, what is likeliest first.

    Args:
        store: The runs.
        now: What ages count to.
        own: The slot of the form that asks: what it holds is no beginning.
        cwd: Where a sample project would be made.
    """
    forms = (form for form in KeptForms(store.home).all() if form.slot != own)
    kept = [_kept_choice(form, now) for form in forms]
    templates = [
        Choice(
            f"{TEMPLATE}:{found.path}",
            found.name,
            f"broken: {found.problems[0]}" if found.broken else found.description,
            "template",
        )
        for found in template_store().list()
    ]
    runs = [
        Choice(
            f"{RUN}:{run.id}",
            run.name,
            f"{run.state.value} · {age(now - run.created)} ago · {run.backend}"
            f" {run.nnodes}×{run.nproc_per_node} · {run.project}",
            "run",
        )
        for run in store.list(_RUNS)
    ]
    samples = [
        Choice(f"{SAMPLE}:{name}", name, _sample_text(name, cwd), "sample")
        for name in template_names()
    ]
    return (*kept[:5], *templates, *runs, *samples)


def typed_starts(text: str) -> tuple[Choice, ...]:
    """What typed or pasted text itself is to begin with. Pure."""
    if looks_like_command(text):
        return (Choice(COMMAND, " ".join(text.split()), "take over this command line", "command"),)
    if text.strip().endswith((".yaml", ".yml")):
        return (Choice(f"{FILE}:{text.strip()}", text.strip(), "this job file", "file"),)
    return ()


def load_start(store: RunStore, key: str, text: str, cwd: Path) -> Start:
    """What the chosen one says.

    Raises:
        UserError: It cannot be read, or the command line is not understood.
    """
    kind, _, name = key.partition(":")
    if kind == KEPT:
        return _load_kept(store, name)
    if kind == COMMAND:
        return read_pasted(text, cwd)
    if kind == SAMPLE:
        return _make_sample(name, cwd)
    if kind == RUN:
        draft = _load_file(RunDir(store.runs_dir / name).job)
        return Start(typed_texts(template_of(with_types(draft))))
    path = Path(os.path.join(cwd, os.path.expanduser(name)))
    draft = _load_file(path)
    texts = typed_texts(draft)
    if kind == FILE:
        # as for the command line: a job file is about the folder that it is in
        texts.setdefault("project", str(path.parent))
    return Start(texts)


def read_pasted(text: str, cwd: Path) -> Start:
    """What a command line says. Raises UserError where it is not understood."""
    from rankdeck.job.command_line import read_command

    found = read_command(text, cwd)
    return Start(typed_texts(found.draft), found.notes)


def _load_file(path: Path) -> JobDraft:
    read = read_job_yaml(path)
    if read.problems:
        raise InvalidJobError(read.problems)
    return read.draft


def _load_kept(store: RunStore, slot: str) -> Start:
    for form in KeptForms(store.home).all():
        if form.slot == slot:
            return Start(dict(form.texts), slot=slot)
    raise UserError("what was typed is not kept any more")


def _make_sample(name: str, cwd: Path) -> Start:
    folder = _sample_folder(name, cwd)
    scaffold(folder, name)
    return Start({"project": str(folder)}, (f"a sample project was made in {folder}",))


def _sample_text(name: str, cwd: Path) -> str:
    folder = _sample_folder(name, cwd)
    where = "here" if folder == cwd else f"in ./{folder.name}"
    return f"made {where}: {template_title(name)}"


def _sample_folder(name: str, cwd: Path) -> Path:
    """Where a sample is made: the folder itself where it is empty, else a new one in it."""
    try:
        empty = not any(cwd.iterdir())
    except OSError:
        # whether it can be written is told when it is
        empty = False
    return cwd if empty else _free_folder(cwd / f"rankdeck-{name}")


def _free_folder(wanted: Path) -> Path:
    folder, number = wanted, 2
    while os.path.lexists(folder):
        folder, number = wanted.with_name(f"{wanted.name}-{number}"), number + 1
    return folder


def _kept_choice(form: KeptForm, now: float) -> Choice:
    said = (form.texts.get(key) for key in ("name", "entry", "project"))
    key, text = next(iter(form.texts.items()), ("", ""))
    what = next(filter(None, said), f"{key} {text}")
    count = len(form.texts)
    told = f"{count} field{'s' if count != 1 else ''} · typed {age(now - form.saved)} ago"
    return Choice(f"{KEPT}:{form.slot}", what, told, "not started")
