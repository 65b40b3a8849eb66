"""Templates: jobs kept under a name, to be looked at, changed, copied, deleted and started."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on

from rankdeck.library.secrets import SecretChoice, SecretsFoundError
from rankdeck.library.templates import TemplateStore, template_store
from rankdeck.library.workspaces import workspace_store
from tui.keys import Scope, bindings
from tui.looks import Line, Piece, safe
from tui.shelf_screen import ShelfScreen
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.errors import UserError
    from rankdeck.library.shelf import Kept
    from rankdeck.run.layout import RunDir

_MOST_PLAN = 400


class TemplatesScreen(ShelfScreen):
    """The user's templates."""

    SCOPE = Scope.TEMPLATES
    SCOPES = (Scope.TEMPLATES, Scope.TABLE, Scope.EVERYWHERE)
    BINDINGS = bindings(Scope.TEMPLATES)
    HINT = "letters of the name, words, backend:slurm  entry:train  env:NCCL  !broken:yes"
    COLUMNS = (
        Column("name", "NAME", 12, share=2, most=40),
        Column("backend", "BACKEND", 8),
        Column("nodes", "NODES", 6, right=True, from_width=100),
        Column("ranks", "RANKS", 6, right=True, from_width=100),
        Column("entry", "RUNS", 10, share=1, most=30),
        Column("about", "DESCRIPTION", 14, share=5, from_width=60),
    )
    NOTHING: ClassVar[tuple[Line, ...]] = (
        (),
        (("  There are no templates yet.", "title"),),
        (),
        (("  a", "key"), (" and a name opens your editor on a new one;", "")),
        (("  a", "key"), (" and NAME RUN keeps the job of a run, as ", ""), ("llama last", "bold")),
        (
            ("  rankdeck template save NAME RUN|JOB.yaml|PROJECT", "key"),
            (" does so in a shell.", ""),
        ),
        (("  rankdeck import 'torchrun …' --save NAME", "key"), (" keeps a pasted command.", "")),
    )

    shelf: TemplateStore

    def make_shelf(self) -> TemplateStore:
        """The user's templates."""
        return template_store()

    def cells(self, kept: Kept, widths: Mapping[str, int]) -> dict[str, Piece]:
        """A template's row."""
        draft = kept.draft
        about: Piece = (safe(kept.description), "dim")
        if kept.problems:
            first = kept.problems[0]
            where = f"line {first.line}: " if first.line else ""
            about = (safe(f"✖ {where}{first.key} {first.message}"), "error")
        mark = "✖ " if kept.broken and "about" not in widths else ""
        return {
            "name": (safe(mark + kept.name), "error" if kept.broken else "bold"),
            "backend": (safe(draft.backend or "–"), ""),
            "nodes": (safe(str(draft.nnodes or "–")), ""),
            "ranks": (safe(str(draft.nproc_per_node or "–")), ""),
            "entry": (safe(draft.entry or "–"), ""),
            "about": about,
        }

    def read_current(self) -> str:
        """The workspace that new jobs begin from."""
        return workspace_store().current

    def remark(self) -> Line:
        """Which workspace templates are started in."""
        if not self.current:
            return ()
        return (("in workspace ", "dim"), (safe(self.current), "accent"), (" · ", "dim"))

    # -- keys -------------------------------------------------------------------------------

    @on(RowTable.Opened)
    def action_open(self) -> None:
        """Open the template in the form."""
        kept = self._usable()
        if kept is not None:
            from tui.screens.new_job import NewJobScreen

            self.deck.push_screen(NewJobScreen(kept.path))

    def _usable(self) -> Kept | None:
        """The template under the cursor, if it can be used; else say why not."""
        kept = self.selected
        if kept is None or not kept.problems:
            return kept
        self.notify(
            safe(f"{kept.problems[0]}\nE opens it in your editor"),
            severity="error",
            markup=False,
        )
        return None

    def action_start(self) -> None:
        """Show the plan, and start the job after a yes."""
        kept = self._usable()
        if kept is None:
            return

        def planned(plan: str | None, error: UserError | None) -> None:
            if error is not None:
                self.deck.tell(error)
            elif plan is not None:
                self._ask_to_start(kept, plan)

        self.controller.do(lambda: _plan_of(kept.path), planned, key="template-plan")

    def _ask_to_start(self, kept: Kept, plan: str) -> None:
        lines: list[Line] = [
            (("Start ", "title"), (safe(kept.name), "accent"), ("?", "title")),
            (*self.remark()[:2],),
        ]
        lines += [((safe(line), ""),) for line in plan.splitlines()[:_MOST_PLAN]]

        def started(run: RunDir | None, error: UserError | None) -> None:
            if error is not None:
                self.deck.tell(error)
            elif run is not None:
                self.deck.open_run(run.id)

        def launch() -> None:
            from rankdeck.job.draft import JobDraft

            self.controller.launch(kept.path, JobDraft(), started)

        self.deck.ask(tuple(lines), launch)

    def action_create(self) -> None:
        """A new template: from nothing, or from a run."""
        self.ask_line("new template", "", "NAME, or NAME RUN (as: llama last)", self._create)

    def _create(self, text: str) -> None:
        name, _, ref = text.partition(" ")
        if not ref.strip():
            self.edit(name)
        else:
            self._save_run(name, ref.strip(), SecretChoice.REFUSE)

    def _save_run(self, name: str, ref: str, secrets: SecretChoice) -> None:
        shelf, store = self.shelf, self.controller.store
        self.made(name)

        def job() -> None:
            from rankdeck.job.load import load_job_yaml

            draft = load_job_yaml(store.find(ref).job)
            shelf.save(name, draft, secrets=secrets)

        def heard(_: object, error: UserError | None) -> None:
            if isinstance(error, SecretsFoundError):
                lines: tuple[Line, ...] = (
                    ((f"Save {safe(name)} without what looks secret?", "title"),),
                    (),
                    *(((f"  {safe(found)}", "warning"),) for found in error.names),
                    (("They are left out of the file; set them when you run it.", ""),),
                )
                self.deck.ask(lines, lambda: self._save_run(name, ref, SecretChoice.DROP))
            elif error is not None:
                self.deck.tell(error)
            else:
                self.notify(f"{safe(name)}: saved", timeout=4, markup=False)
            self.look_again()

        self.controller.do(job, heard, writes=True)

    def action_copy_command(self) -> None:
        """Copy the command that starts the template."""
        if self.selected is not None:
            self.deck.copy(f"rankdeck run --template {self.selected.name}", "command")

    def action_workspaces(self) -> None:
        """Show the workspaces."""
        self.deck.go("workspaces")


def _plan_of(path: str) -> str:
    """The plan of a template as text; runs in the background."""
    import os
    from pathlib import Path

    from rankdeck.job.draft import JobDraft
    from rankdeck.job.resolve import resolve_job
    from rankdeck.library.workspaces import base_of
    from rankdeck.plan.preview import preview_plan
    from rankdeck.plan.render import render_plan

    base = base_of(path, os.environ)
    return render_plan(
        preview_plan(resolve_job(path, JobDraft(), Path.cwd(), os.environ, base=base))
    )
