"""Templates: jobs kept under a name, to be looked at, changed, copied, deleted and started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on

from rankdeck.library.secrets import SecretChoice, SecretsFoundError
from rankdeck.library.templates import template_store
from rankdeck.library.workspaces import workspace_store
from tui.keys import Scope, bindings
from tui.looks import Line, Piece, safe
from tui.shelf_screen import ShelfKind, ShelfScreen
from tui.shelf_text import shared_cells
from tui.widgets.row_table import Column, RowTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rankdeck.errors import UserError
    from rankdeck.library.shelf import Kept
    from rankdeck.run.layout import RunDir

_MOST_PLAN = 400
_COLUMNS = (
    Column("name", "NAME", 12, share=2, most=40),
    Column("backend", "BACKEND", 8),
    Column("nodes", "NODES", 6, right=True, from_width=100),
    Column("ranks", "RANKS", 6, right=True, from_width=100),
    Column("entry", "RUNS", 10, share=1, most=30),
    Column("about", "DESCRIPTION", 14, share=5, from_width=60),
)
_NOTHING: tuple[Line, ...] = (
    (),
    (("  There are no templates yet: jobs kept under a name.", "title"),),
    (),
    (("  ctrl+t", "key"), (" in the form of a job keeps what it says;", "")),
    (("  a", "key"), (" and NAME RUN keeps the job of a run, as ", ""), ("llama last", "bold")),
    (("  a", "key"), (" and a name opens your editor on a new one.", "")),
    (),
    (("  rankdeck template save NAME RUN|JOB.yaml|PROJECT", "key"), (" does so in a shell.", "")),
    (("  rankdeck import 'torchrun …' --save NAME", "key"), (" keeps a pasted command.", "")),
)


class TemplatesScreen(ShelfScreen):
    """The user's templates."""

    SCOPE = Scope.TEMPLATES
    SCOPES = (Scope.TEMPLATES, Scope.TABLE, Scope.EVERYWHERE)
    BINDINGS = bindings(Scope.TEMPLATES)

    def __init__(self) -> None:
        self.store = template_store()
        super().__init__(
            ShelfKind(
                shelf=self.store,
                columns=_COLUMNS,
                cells=_cells,
                nothing=_NOTHING,
                hint="letters of the name, words, backend:slurm  env:NCCL  !broken:yes",
                read_current=lambda: workspace_store().current,
                remark=_in_workspace,
            )
        )

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
            f"{safe(str(kept.problems[0]))}\nE opens it in your editor",
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
            # a question over whatever is looked at by then would be answered by its keys
            if not (self.is_there and self.on_top):
                return
            if error is not None:
                self.deck.tell(error)
            elif plan is not None:
                self._ask_to_start(kept, plan)

        self.controller.do(lambda: _plan_of(kept.path), planned, key="template-plan")

    def _ask_to_start(self, kept: Kept, plan: str) -> None:
        lines: list[Line] = [
            (("Start ", "title"), (safe(kept.name), "accent"), ("?", "title")),
            _in_workspace(self.current)[:2],
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
        self.ask_line(
            "new template:", "", "a name; or a name and a run to keep: llama last", self._create
        )

    def _create(self, text: str) -> None:
        name, _, ref = text.partition(" ")
        if not ref.strip():
            self.edit(name)
        else:
            self._save_run(name, ref.strip(), SecretChoice.REFUSE)

    def _save_run(self, name: str, ref: str, secrets: SecretChoice) -> None:
        templates, runs = self.store, self.controller.store
        self.made(name)

        def job() -> None:
            from rankdeck.job.load import load_job_yaml

            draft = load_job_yaml(runs.find(ref).job)
            templates.save(name, draft, secrets=secrets)

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


def _cells(kept: Kept, widths: Mapping[str, int], current: str) -> dict[str, Piece]:
    draft = kept.draft
    return {
        **shared_cells(kept, widths),
        "nodes": (safe(str(draft.nnodes or "–")), ""),
        "ranks": (safe(str(draft.nproc_per_node or "–")), ""),
        "entry": (safe(draft.entry or "–"), ""),
    }


def _in_workspace(current: str) -> Line:
    """Which workspace templates are started in."""
    if not current:
        return ()
    return (("in workspace ", "dim"), (safe(current), "accent"), (" · ", "dim"))


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
