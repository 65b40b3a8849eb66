"""What is done with the form's preview: search, copy, export, saving as a job or a template."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.job.dump import draft_to_yaml
from rankdeck.library.secrets import SecretChoice, SecretsFoundError
from rankdeck.library.templates import template_of, template_store
from rankdeck.plan.render import command_scripts
from rankdeck.run.files import write_atomic
from tui.form.paths import here
from tui.form.plan_rows import PlanRow, plan_rows
from tui.looks import counted, plain, safe
from tui.widgets.form_plan import PlanView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rankdeck.job.spec import JobSpec
    from rankdeck.plan.records import LaunchPlan
    from tui.screens.job_pick import Picked
    from tui.screens.new_job import NewJobScreen

_WORKING = (PlanRow((("working it out …", "dim"),)),)


class FormPlan:
    """The preview of one screen."""

    def __init__(self, form: NewJobScreen) -> None:
        """Belong to `form`."""
        self._form = form
        self.in_full = False
        """Whether every node is shown in full."""

    @property
    def _view(self) -> PlanView:
        return self._form.query_one(PlanView)

    def show_nothing(self) -> None:
        """Say that it is being worked out."""
        self._view.show(_WORKING)

    def show_failed(self, error: UserError) -> None:
        """Say that it cannot be worked out, for as long as that is so."""
        lines = [(f"✖ {error.message}", "error"), *([(error.hint, "dim")] if error.hint else [])]
        self._view.show(tuple(PlanRow(((safe(text), look),)) for text, look in lines))

    def show(self, rows: Sequence[PlanRow]) -> None:
        """Show these rows."""
        self._view.show(rows)

    def do(self, what: str) -> None:
        """One of what the preview asks for."""
        actions: dict[str, Callable[[], None]] = {
            "search": self._search,
            "copy": self._copy,
            "copy_all": self._copy_all,
            "export": self._export,
            "in_full": self._show_in_full,
        }
        actions[what]()

    def unmark(self) -> bool:
        """Forget what was searched for; false where nothing was."""
        return self._view.forget()

    # -- looking ----------------------------------------------------------------------------

    def _search(self) -> None:
        def found(picked: Picked | None) -> None:
            if picked is not None and not self._view.seek(picked.text):
                self._form.notify("not found in the preview", timeout=3, markup=False)

        self._prompt("Search in the preview", "", found)

    def _show_in_full(self) -> None:
        self.in_full = not self.in_full
        self.fill()

    def fill(self) -> None:
        """Show every node in full, or only what differs, as it is wanted now."""
        preview, in_full = self._form.preview, self.in_full
        if preview is None or preview.plan is None:
            return
        plan = preview.plan

        def done(rows: tuple[PlanRow, ...] | None, error: UserError | None) -> None:
            if not self._form.is_there:
                return
            if error is not None:
                self._form.deck.tell(error)
            elif rows is not None and self._form.preview is preview and in_full is self.in_full:
                self._form.preview = replace(preview, rows=rows)
                self._form.show_known()

        self._form.controller.do(
            lambda: plan_rows(plan, in_full=in_full), done, key="plan", pool=self._form.pool
        )

    # -- out of here ------------------------------------------------------------------------

    def _copy(self) -> None:
        row, plan = self._view.row, self._plan
        if plan is None or row is None or row.node < 0:
            self._copy_all()
            return
        scripts = list(command_scripts(plan).values())
        self._form.deck.copy(scripts[row.node], f"script of node {row.node}")

    def _copy_all(self) -> None:
        self._form.deck.copy("\n".join(plain(row.line) for row in self._view.rows), "preview")

    def _export(self) -> None:
        plan, preview = self._plan, self._form.preview
        if plan is None or preview is None:
            self._not_ready()
            return
        scripts = dict(command_scripts(plan))
        if preview.batch:
            scripts["job.sbatch"] = preview.batch

        def write(picked: Picked | None) -> None:
            if picked is not None and picked.text.strip():
                folder = self._path(picked.text)
                self._write(
                    lambda: _write_scripts(folder, scripts), counted(len(scripts), "script")
                )

        self._prompt("Write the scripts into the folder", f"{plan.name}-scripts", write)

    def save_job(self) -> None:
        """Save the job as a job.yaml; a file that is there is replaced after a yes."""
        if (spec := self._spec) is None:
            self._not_ready()
            return

        def write(picked: Picked | None) -> None:
            if picked is not None and picked.text.strip():
                self._save_job(spec, self._path(picked.text), overwrite=False)

        self._prompt("Save the job as", os.path.join(spec.project, "job.yaml"), write)

    def _save_job(self, spec: JobSpec, path: Path, *, overwrite: bool) -> None:
        def job() -> bool:
            if not overwrite and path.exists():
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, draft_to_yaml(template_of(spec)).encode())
            return True

        def done(written: bool | None, error: UserError | None) -> None:
            if error is not None:
                self._form.deck.tell(error)
            elif not written:
                question = ((("Replace this file?", "title"),), (), ((safe(str(path)), "warning"),))
                self._form.deck.ask(question, lambda: self._save_job(spec, path, overwrite=True))
            else:
                self._form.notify(f"saved: {safe(str(path))}", timeout=4, markup=False)

        self._form.controller.do(job, done, writes=True)

    def save_template(self) -> None:
        """Save the job as a template."""
        if (spec := self._spec) is None:
            self._not_ready()
            return

        def write(picked: Picked | None) -> None:
            if picked is not None and picked.text.strip():
                self._save_template(spec, picked.text.strip(), SecretChoice.REFUSE)

        self._prompt("Save as the template", spec.name, write)

    def _save_template(
        self, spec: JobSpec, name: str, secrets: SecretChoice, *, overwrite: bool = False
    ) -> None:
        found: list[SecretsFoundError] = []

        def job() -> str:
            store = template_store()
            if not overwrite and store.path(name).exists():
                return ""
            try:
                return str(store.save(name, spec, overwrite=overwrite, secrets=secrets))
            except SecretsFoundError as error:
                found.append(error)
                return ""

        def done(path: str | None, error: UserError | None) -> None:
            if error is not None:
                self._form.deck.tell(error)
            elif path:
                self._form.notify(f"template {safe(name)} saved", timeout=4, markup=False)
            elif found:
                self._form.deck.ask(
                    (
                        (("Save it without what looks like a secret?", "title"),),
                        (),
                        ((safe(", ".join(found[0].names)), "warning"),),
                    ),
                    lambda: self._save_template(spec, name, SecretChoice.DROP, overwrite=overwrite),
                )
            else:
                self._form.deck.ask(
                    (((f"Replace the template {safe(name)}?", "title"),),),
                    lambda: self._save_template(spec, name, secrets, overwrite=True),
                )

        self._form.controller.do(job, done, writes=True)

    @property
    def _plan(self) -> LaunchPlan | None:
        return self._form.preview.plan if self._form.preview is not None else None

    @property
    def _spec(self) -> JobSpec | None:
        return self._form.preview.spec if self._form.preview is not None else None

    def _not_ready(self) -> None:
        self._form.notify(
            "the job is not complete yet: ctrl+l goes to what is wrong",
            severity="warning",
            markup=False,
        )

    def _path(self, text: str) -> Path:
        return Path(os.path.normpath(here() / os.path.expanduser(text.strip())))

    def _prompt(self, title: str, text: str, done: Callable[[Picked | None], None]) -> None:
        from tui.screens.job_pick import PickScreen

        self._form.app.push_screen(PickScreen(title, text=text, only_text=True), done)

    def _write(self, job: Callable[[], Path], what: str) -> None:
        def done(path: Path | None, error: UserError | None) -> None:
            if error is not None:
                self._form.deck.tell(error)
            else:
                self._form.notify(f"{what} written to {safe(str(path))}", timeout=5, markup=False)

        self._form.controller.do(job, done, writes=True)


def _write_scripts(folder: Path, scripts: dict[str, str]) -> Path:
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty", "name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    return folder
