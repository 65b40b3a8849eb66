"""The form that describes a job: five parts on one screen, checked as it is typed.

Every key that moves is dealt with before the field gets it, and the focus moves at once: keys that
arrive in one burst end up where they belong.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual import on
from textual.actions import SkipAction
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from rankdeck.job.fields import Section, fields_of
from tui.form.last_run import LastRuns
from tui.form.paths import here
from tui.form.plan_rows import preview_rows
from tui.form.texts import draft_of, typed_texts
from tui.keys import Scope, bindings, keys_of
from tui.looks import safe
from tui.screens.base import DeckScreen
from tui.screens.job_fields import JobFields
from tui.screens.new_job_check import FormCheck
from tui.screens.new_job_edit import FormEdit
from tui.screens.new_job_head import PARTS, PREVIEW, FormHead
from tui.screens.new_job_launch import FormLaunch
from tui.screens.new_job_layout import CSS, classes_of
from tui.screens.new_job_plan import FormPlan
from tui.screens.new_job_start import FormStart
from tui.widgets.bars import KeyBar, LineBar, TitleBar
from tui.widgets.form_field import FormField
from tui.widgets.form_input import FormInput
from tui.widgets.form_place import FormPlace
from tui.widgets.form_plan import PlanView
from tui.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from rankdeck.errors import UserError
    from rankdeck.job.draft import JobDraft
    from rankdeck.project.hyperparameters import HyperParameterFile
    from tui.backend_form import BackendForm
    from tui.preview import JobPreview

_DEBOUNCE = 0.15


class NewJobScreen(DeckScreen):
    """Describes a job, shows what it would do, and starts it."""

    BINDINGS = bindings(Scope.FORM)
    SCOPES = (Scope.FORM, Scope.PLAN, Scope.EVERYWHERE)
    DEFAULT_CSS = CSS

    def __init__(self, target: str | None = None, *, patch: JobDraft | None = None) -> None:
        """Begin with the job file `target` (that of an earlier run), or with nothing.

        Args:
            target: A job file; its values hold where nothing is typed.
            patch: What is typed in to begin with.
        """
        super().__init__()
        self.target = target
        self.pool = WorkPool()
        """Threads of the form's own: what it looks at may be on a dead file system."""
        self.fields = JobFields(self.pool)
        self.preview: JobPreview | None = None
        self.part = PREVIEW if target and patch is None else PARTS[0]
        self._patch = patch
        self._asked = 0
        self._told = -1
        """Which question the preview answers."""
        self._next: Callable[[], None] | None = None
        """What is to be done as soon as the preview is that of what is typed now."""
        self.start = FormStart(self)
        self.checkup = FormCheck(self)
        self.editing = FormEdit(self)
        self.planning = FormPlan(self)
        self.starting = FormLaunch(self)
        self.head = FormHead(self)

    def compose(self) -> ComposeResult:
        """The parts, of which one is seen."""
        yield TitleBar()
        yield LineBar(id="parts")
        yield LineBar(id="offer")
        with Horizontal(id="body"):
            with Vertical(id="form"):
                for section in Section:
                    with VerticalScroll(id=section.value.lower(), can_focus=False) as part:
                        part.border_title = section.value
                        if section is Section.HYPERPARAMETERS:
                            yield Static("", id="declared-in", markup=False)
                            yield FormPlace(id="declared")
                        for field in fields_of(section):
                            yield self.fields.add(field)
                        if section is Section.NODES:
                            yield Static("", id="options-of", markup=False)
                            yield FormPlace(id="options")
            yield PlanView(id=PREVIEW)
        yield LineBar(id="about")
        yield KeyBar(keys_of(Scope.FORM, Scope.EVERYWHERE))

    def on_mount(self) -> None:
        """Ask at once what the empty form comes to."""
        self.controller.watch_nothing()
        self.runs = LastRuns(self.controller.store)
        self._lay_out()
        self.planning.show_nothing()
        if self._patch is not None:
            self.fields.fill(typed_texts(self._patch))
        self.action_go(self.part)
        self.start.look()
        self._ask()

    def on_unmount(self) -> None:
        """Nothing is waited for any more."""
        self.start.keep_now()
        self.checkup.cancel()
        self.pool.close()

    def on_resize(self) -> None:
        """The preview goes beside the fields where there is room."""
        self._lay_out()
        self.head.show_parts()
        self.head.show_about(self.field)

    def _lay_out(self) -> None:
        for name, wanted in classes_of(self.size, planning=self.part == PREVIEW).items():
            self.set_class(wanted, name)

    # -- what is typed ----------------------------------------------------------------------

    @on(FormField.Changed)
    def _typed(self, message: FormField.Changed) -> None:
        field = message.field
        field.show_problem(self.fields.check(field))
        self.ask_soon()
        self.start.keep_soon()
        self.checkup.outdated(field.key)
        self.head.show_parts()

    @on(FormInput.CommandPasted)
    def _command_pasted(self, message: FormInput.CommandPasted) -> None:
        self.start.offer_command(message.text)

    def ask_soon(self) -> None:
        """Ask what the job comes to, as soon as nothing is typed for a moment."""
        self._asked += 1
        asked = self._asked
        self.set_timer(_DEBOUNCE, lambda: self._ask() if asked == self._asked else None)

    def typed_draft(self) -> JobDraft | None:
        """What was typed; None where a field cannot even be split, which it says beside it."""
        try:
            return draft_of(self.fields.texts())
        except ValueError:
            return None

    def _ask(self) -> None:
        self._asked += 1
        asked = self._asked
        draft = self.typed_draft()
        if draft is None:
            self._next = None
            return
        target, runs, cwd, in_full = self.target, self.runs, here(), self.planning.in_full

        def job() -> JobPreview:
            from tui.preview import preview_job

            return preview_job(target, draft, cwd, os.environ, runs, in_full=in_full)

        def done(preview: JobPreview | None, error: UserError | None) -> None:
            if not self.is_there:
                return
            if error is not None:
                self._next = None
                self.deck.tell(error)
                if self.preview is None:
                    self.planning.show_failed(error)
            if preview is not None and asked == self._asked:
                self._told = asked
                self._show(preview)
                if in_full != self.planning.in_full:
                    self.planning.fill()

        self.controller.do(job, done, key="preview", pool=self.pool)

    def when_settled(self, todo: Callable[[], None], *, again: bool = False) -> None:
        """Do something as soon as the preview is that of what is typed now.

        Args:
            todo: What to do.
            again: Look once more even if nothing has been typed since.
        """
        if not again and self._told == self._asked:
            todo()
            return
        self._next = todo
        self._ask()
        if self._next is None:
            self.starting.go_to_problem()

    def _show(self, preview: JobPreview) -> None:
        self._show_declarations(preview.hyperparameters)
        if self._show_backend(preview.backend):
            # what was asked said the options of another backend
            self._ask()
            return
        self.preview = preview
        self.show_known()
        todo, self._next = self._next, None
        if todo is not None:
            todo()

    def show_known(self) -> None:
        """Show everything that is known of the job as it is."""
        if self.preview is None:
            return
        self.fields.show(self.preview, self.checkup.findings)
        self.planning.show(preview_rows(self.preview, self.checkup.findings))
        self.start.show_offer(self.preview)
        self.head.show_parts()
        self.head.show_about(self.field)

    def _show_declarations(self, file: HyperParameterFile | None) -> None:
        """Fields for what the project declares."""
        rows = self.fields.declare(file)
        if rows is not None:
            self.query_one("#declared", FormPlace).exchange(rows)
        note = safe(file.path) if file else "The project has no HyperParameters.json."
        self.query_one("#declared-in", Static).update(note)

    def _show_backend(self, backend: BackendForm | None) -> bool:
        """Fields for the backend's own options; whether others were there before."""
        rows = self.fields.choose_backend(backend)
        if backend is None or rows is None:
            return False
        self.query_one("#options", FormPlace).exchange(rows)
        title = f"Options of {safe(backend.name)} ({safe(backend.title)}):" if rows else ""
        self.query_one("#options-of", Static).update(title)
        return True

    @property
    def useless(self) -> frozenset[str]:
        """There is nothing to put back where nothing differs from the run before."""
        field = self.field
        return frozenset(("old_value",) if field is None or field.was is None else ())

    # -- parts and fields -------------------------------------------------------------------

    @property
    def field(self) -> FormField | None:
        """The field that is typed into."""
        parent = self.focused.parent if self.focused else None
        return parent if isinstance(parent, FormField) else None

    def action_go(self, part: str, *, last: bool = False) -> None:
        """Show a part of the form, at its first field (or its last)."""
        self.part = part
        for section in self.query("#form > VerticalScroll"):
            section.set_class(section.id == part, "-seen")
        self._lay_out()
        fields = self._fields_of(part)
        self.set_focus(fields[-1 if last else 0].editor if fields else self.query_one(PlanView))
        self.head.show_parts()

    def action_section(self, step: int, *, last: bool = False) -> None:
        """Show the next or the previous part."""
        self.action_go(PARTS[(PARTS.index(self.part) + step) % len(PARTS)], last=last)

    def action_next_field(self) -> None:
        """Go on to the next field, also that of the next part."""
        self._move(1)

    def action_previous_field(self) -> None:
        """Go back to the previous field."""
        self._move(-1)

    def _move(self, step: int) -> None:
        field = self.field
        if field is None and isinstance(self.focused, PlanView):
            # the arrows move its cursor
            raise SkipAction
        fields = self._fields_of(self.part)
        at = fields.index(field) + step if field in fields else 0
        if 0 <= at < len(fields):
            self.set_focus(fields[at].editor)
        else:
            self.action_section(step, last=step < 0)

    def go_to_field(self, key: str) -> bool:
        """Show the field of that key and type into it; false where there is none."""
        field = self.fields.get(key) if key else None
        if field is None or not field.display:
            return False
        self.action_go(self.part_of(field))
        self.set_focus(field.editor)
        return True

    def _fields_of(self, part: str) -> list[FormField]:
        if part == PREVIEW:
            return []
        return [field for field in self.query_one(f"#{part}").query(FormField) if field.display]

    def part_of(self, field: FormField) -> str:
        """The part that a field belongs to."""
        return next((a.id for a in field.ancestors if a.id in PARTS), None) or PARTS[0]

    def on_descendant_focus(self) -> None:
        """Say in full what the field is for, where its own line has no room."""
        self.head.show_about(self.field)

    # -- keys of a field and of the preview -------------------------------------------------

    def action_choose(self, step: int) -> None:
        """Go through the values of the field."""
        self.editing.choose(step)

    def action_open_field(self) -> None:
        """What enter does in the field."""
        self.editing.open()

    def action_nodes(self) -> None:
        """Choose the nodes from a list."""
        self.editing.pick_nodes()

    def action_edit(self) -> None:
        """Edit the field's text in the user's editor."""
        self.editing.edit_outside()

    def action_undo(self) -> None:
        """Take back what was typed last."""
        self.editing.undo()

    def action_redo(self) -> None:
        """Type again what was taken back."""
        self.editing.redo()

    def action_old_value(self) -> None:
        """Put back what the field was in the last run."""
        self.editing.old_value()

    def action_old_values(self) -> None:
        """Put back every value of the last run."""
        self.editing.old_values()

    def action_start_from(self) -> None:
        """Choose what to begin with."""
        self.start.choose()

    def action_check(self) -> None:
        """Look at the nodes, or stop looking."""
        if not self.checkup.give_up():
            self.when_settled(self.checkup.begin)

    def action_save_job(self) -> None:
        """Save the job as a file."""
        self.when_settled(self.planning.save_job)

    def action_save_template(self) -> None:
        """Save the job as a template."""
        self.when_settled(self.planning.save_template)

    @on(PlanView.Chosen)
    def _row_chosen(self, message: PlanView.Chosen) -> None:
        if not self.go_to_field(message.row.field):
            self.notify("this line is about no field", timeout=3, markup=False)

    @on(PlanView.Wanted)
    def _plan_wants(self, message: PlanView.Wanted) -> None:
        self.when_settled(lambda: self.planning.do(message.what))

    # -- the way out ------------------------------------------------------------------------

    def action_launch(self) -> None:
        """Check once more what is typed now, and start it."""
        if not self.starting.busy:
            self.when_settled(self.starting.launch, again=True)

    def action_back(self) -> None:
        """Leave; what has been typed is kept."""
        if self.part == PREVIEW and isinstance(self.focused, PlanView) and self.planning.unmark():
            return
        if self.start.keep_now():
            self.notify("what you typed is kept: ctrl+o in a new form", timeout=4, markup=False)
        self.dismiss()
