"""The form that describes a job: five parts on one screen, checked as it is typed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Vertical, VerticalScroll
from textual.widgets import ContentSwitcher, Static

from rankdeck.job.fields import Section, fields_of
from tui.keys import Scope, bindings, keys_of
from tui.looks import Line, Piece, safe, wrap
from tui.screens.base import DeckScreen
from tui.screens.job_fields import JobFields
from tui.screens.job_text import draft_of, preview_lines
from tui.widgets.bars import KeyBar, LineBar, TitleBar
from tui.widgets.form_field import FormField
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from rankdeck.errors import UserError
    from rankdeck.project.hyperparameters import HyperParameterFile
    from rankdeck.run.layout import RunDir
    from tui.backend_form import BackendForm
    from tui.preview import JobPreview

_PREVIEW = "preview"
_PARTS = (*(section.value.lower() for section in Section), _PREVIEW)
_DEBOUNCE = 0.15


class NewJobScreen(DeckScreen):
    """Describes a job, shows what it would do, and starts it."""

    BINDINGS = bindings(Scope.FORM)
    SCOPES = (Scope.FORM, Scope.TEXT, Scope.EVERYWHERE)

    def __init__(self, target: str | None = None) -> None:
        """Begin with the job file `target` (that of an earlier run), or with nothing."""
        super().__init__()
        self._target = target
        self._fields = JobFields()
        self._preview: JobPreview | None = None
        self._asked = 0
        self._heard = 0
        self._launch_wanted = False
        self._launching = False
        self._showing = asyncio.Lock()

    def compose(self) -> ComposeResult:
        """The parts, of which one is seen."""
        yield TitleBar()
        yield LineBar(id="parts")
        with ContentSwitcher(initial=_PREVIEW if self._target else _PARTS[0], id="form"):
            for section in Section:
                with VerticalScroll(id=section.value.lower(), can_focus=False):
                    if section is Section.HYPERPARAMETERS:
                        yield Static("", id="declared-in", markup=False)
                        yield Vertical(id="declared")
                    for field in fields_of(section):
                        yield self._fields.add(field)
                    if section is Section.NODES:
                        yield Static("", id="options-of", markup=False)
                        yield Vertical(id="options")
            yield TextLines(id=_PREVIEW)
        yield LineBar(id="about")
        yield KeyBar(keys_of(Scope.FORM, Scope.EVERYWHERE))

    def on_mount(self) -> None:
        """Ask at once what the empty form comes to."""
        self.controller.watch_nothing()
        title = "run again" if self._target else "new job"
        self.query_one(TitleBar).show_parts((("rankdeck", "bold"), (f" ▸ {title}", "")))
        self.query_one(f"#{_PREVIEW}", TextLines).show(((("working it out …", "dim"),),))
        self._show_parts()
        self._focus_part()
        self._ask()

    # -- what is typed ----------------------------------------------------------------------

    @on(FormField.Changed)
    def _typed(self, message: FormField.Changed) -> None:
        field = message.field
        field.show_problem(self._fields.check(field))
        self._asked += 1
        asked = self._asked
        self.set_timer(_DEBOUNCE, lambda: self._ask() if asked == self._asked else None)
        self._show_parts()

    def _ask(self) -> None:
        self._asked += 1
        asked = self._asked
        try:
            draft = draft_of(self._fields.texts())
        except ValueError:
            # a field that cannot even be split says so beside it
            self._launch_wanted = False
            return

        def done(preview: JobPreview | None, error: UserError | None) -> None:
            if not self.is_attached or asked < self._heard:
                return
            self._heard = asked
            if error is not None:
                self.deck.tell(error)
            if preview is not None:
                self.run_worker(self._show(preview, asked), group="show", exit_on_error=True)

        self.controller.preview(self._target, draft, done)

    async def _show(self, preview: JobPreview, asked: int) -> None:
        # one at a time: two must not exchange the fields at once
        async with self._showing:
            await self._show_declarations(preview.hyperparameters)
            exchanged = await self._show_backend(preview.backend)
        if asked != self._asked:
            return
        if exchanged:
            # what was asked said the options of another backend
            self._ask()
            return
        self._preview = preview
        self._fields.show(dict(preview.effective or {}), preview.problems)
        self.query_one(f"#{_PREVIEW}", TextLines).show(preview_lines(preview))
        self._show_parts()
        if self._launch_wanted:
            self._launch_wanted = False
            self._launch_now()

    async def _show_declarations(self, file: HyperParameterFile | None) -> None:
        """Fields for what the project declares."""
        rows = self._fields.declare(file)
        if rows is None:
            return
        await self._put(rows, "#declared")
        note = safe(file.path) if file else "The project has no HyperParameters.json."
        self.query_one("#declared-in", Static).update(note)

    async def _show_backend(self, backend: BackendForm | None) -> bool:
        """Fields for the backend's own options; whether others were there before."""
        rows = self._fields.choose_backend(backend)
        if backend is None or rows is None:
            return False
        await self._put(rows, "#options")
        title = f"Options of {safe(backend.name)} ({safe(backend.title)}):" if rows else ""
        self.query_one("#options-of", Static).update(title)
        return True

    async def _put(self, rows: list[FormField], place_id: str) -> None:
        place = self.query_one(place_id, Vertical)
        await place.remove_children()
        await place.mount_all(rows)

    def on_descendant_focus(self) -> None:
        """Say in full what the field is for, where its own line has no room."""
        field = self.focused.parent if self.focused else None
        text = field.about if isinstance(field, FormField) else ""
        lines = wrap((("  ", ""), (text, "dim")), max(20, self.size.width - 2))
        self.query_one("#about", LineBar).show(*lines[:3])

    # -- parts ------------------------------------------------------------------------------

    @property
    def _part(self) -> str:
        return self.query_one("#form", ContentSwitcher).current or _PARTS[0]

    def action_go(self, part: str) -> None:
        """Show a part of the form."""
        self.query_one("#form", ContentSwitcher).current = part
        self._show_parts()
        self._focus_part()

    def action_section(self, step: int) -> None:
        """Show the next or the previous part."""
        self.action_go(_PARTS[(_PARTS.index(self._part) + step) % len(_PARTS)])

    def action_next_field(self) -> None:
        """Go on to the next field."""
        self.focus_next()

    def action_previous_field(self) -> None:
        """Go back to the previous field."""
        self.focus_previous()

    def action_choose(self, step: int) -> None:
        """Go through the values of the field."""
        field = self.focused.parent if self.focused else None
        if isinstance(field, FormField) and not field.choose(step):
            self.notify("this field has no list of values", timeout=3, markup=False)

    def _focus_part(self) -> None:
        if self._part == _PREVIEW:
            self.query_one(f"#{_PREVIEW}", TextLines).focus()
            return
        for field in self.query_one(f"#{self._part}").query(FormField):
            if field.display:
                field.editor.focus()
                return

    def _part_of(self, field: FormField) -> str:
        return next((a.id for a in field.ancestors if a.id in _PARTS), None) or _PARTS[0]

    def _show_parts(self) -> None:
        wrong = dict.fromkeys(_PARTS, 0)
        for field in self._fields.all:
            if field.problem:
                wrong[self._part_of(field)] += 1
        if self._preview is not None:
            wrong[_PREVIEW] = len(self._preview.problems)
        pieces: list[Piece] = [(" ", "")]
        for number, part in enumerate(_PARTS, start=2):
            here = part == self._part
            name = part.capitalize() if self.size.width >= 80 or here else part.capitalize()[:8]
            pieces.append((f"{'▸' if here else ' '}f{number} {name}", "bold" if here else ""))
            pieces.append((f" ✖{wrong[part]}" if wrong[part] else "", "error"))
            pieces.append((" ", ""))
        self.query_one("#parts", LineBar).show(tuple(pieces))
        told = self._preview
        ready: Line = (("working it out …", "dim"),)
        if told is not None:
            count = len(told.problems)
            text = (
                f"{count} problem{'s' if count != 1 else ''}" if count else "ready: ctrl+l starts"
            )
            ready = ((text, "error" if count else "good"),)
        title = "run again" if self._target else "new job"
        left: Line = (("rankdeck", "bold"), (f" ▸ {title}", ""))
        self.query_one(TitleBar).show_parts(left, ready)

    # -- the way out ------------------------------------------------------------------------

    def action_launch(self) -> None:
        """Check once more what is typed now, and start it."""
        if not self._launching and not self._launch_wanted:
            self._launch_wanted = True
            self._ask()
            if not self._launch_wanted:
                self._go_to_problem()

    def _launch_now(self) -> None:
        wrong = any(map(self._fields.check, self._fields.all))
        if self._preview is None or self._preview.problems or wrong:
            self._go_to_problem()
            return
        self._launching = True
        draft = draft_of(self._fields.texts())

        def done(run: RunDir | None, error: UserError | None) -> None:
            self._launching = False
            if error is not None:
                self.deck.tell(error)
            elif run is not None:
                self.deck.show_launched(run.id, self)

        self.controller.launch(self._target, draft, done)

    def _go_to_problem(self) -> None:
        wrong = [field for field in self._fields.all if field.problem]
        if not wrong:
            self.action_go(_PREVIEW)
            return
        order = sorted(wrong, key=lambda field: _PARTS.index(self._part_of(field)))
        self.action_go(self._part_of(order[0]))
        order[0].editor.focus()
        self.notify("not started: something is wrong here", severity="warning", markup=False)

    def action_back(self) -> None:
        """Leave; ask first where something has been typed."""
        if not any(field.text for field in self._fields.all):
            self.dismiss()
            return
        question: tuple[Line, ...] = (
            (("Leave the form?", "title"),),
            (),
            (("What has been typed is forgotten; nothing is started.", ""),),
        )
        self.deck.ask(question, self._leave)

    def _leave(self) -> None:
        if self.on_top:
            self.dismiss()
        else:
            # the question is still on its way out when its answer arrives
            self.call_later(self._leave)
