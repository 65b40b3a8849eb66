"""What keys do within a field of the form: lists to choose from, old values, undo, the editor."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from textual.actions import SkipAction

from rankdeck.errors import UserError
from rankdeck.job.fields import FieldKind, field_named
from tui.form.choice import Choice
from tui.form.paths import path_choices
from tui.form.titles import NAMED, titles_of
from tui.looks import safe
from tui.screens.job_fields import NODE_PICKED
from tui.widgets.lines_field import LinesField

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.screens.job_pick import Picked
    from tui.screens.new_job import NewJobScreen
    from tui.widgets.form_field import FormField


_ABOUT_NODES = ("hostfile", "nnodes")
"""Fields beside which it helps to know that the nodes can be looked at and picked."""


class FormEdit:
    """Works on the field of one screen that is typed into."""

    def __init__(self, form: NewJobScreen) -> None:
        """Belong to `form`."""
        self._form = form

    def hints(self, field: FormField | None) -> tuple[str, ...]:
        """Which keys are worth knowing here, the most useful first."""
        if field is None:
            return (
                "enter: go to the field",
                *("/: search", "y: copy", "w: write scripts", "ctrl+l: launch", "f2: fields"),
            )
        keys = []
        if field.was is not None:
            keys.append(f"ctrl+r: back to {field.was or 'not set'}")
        if field.is_switch:
            keys.append("space: the other one")
        elif field.choices:
            keys += ["enter: list", "ctrl+↓: next one"]
        elif field.key in NODE_PICKED:
            keys.append("enter: pick nodes")
        elif self._form.fields.is_path(field.key):
            keys += ["enter: what is there", "→: take the suggestion"]
        if field.key in _ABOUT_NODES:
            keys.append("ctrl+e: pick nodes")
        if isinstance(field, LinesField):
            keys.append("enter: new line")
        elif field.default and not field.text and "→" not in "".join(keys):
            keys.append("→: change what is there")
        return (*keys, "tab: next", "f6: preview", "ctrl+l: launch")

    def open(self) -> None:
        """A list for the field where there is one; else the next field."""
        field = self._form.field
        if field is None or isinstance(field, LinesField):
            # the preview goes to the line's field, and lines get one more
            raise SkipAction
        if field.choices and not field.is_switch:
            self._list_choices(field)
        elif field.key in NODE_PICKED:
            self.pick_nodes()
        elif self._form.fields.is_path(field.key):
            self._list_paths(field)
        else:
            self._form.action_next_field()

    def choose(self, step: int) -> None:
        """The next of the field's values."""
        field = self._form.field
        if field is not None and not field.choose(step):
            self._form.notify("this field has no list of values", timeout=3, markup=False)

    def undo(self) -> None:
        """Take back what was typed last."""
        field = self._form.field
        if field is not None and not field.undo():
            self._form.notify("nothing to take back in this field", timeout=2, markup=False)

    def redo(self) -> None:
        """Type again what was taken back."""
        if (field := self._form.field) is not None:
            field.redo()

    def old_value(self) -> None:
        """Put back what the field was in the last run."""
        field, preview = self._form.field, self._form.preview
        before = (preview.before if preview else None) or {}
        if field is None or field.key not in before:
            self._form.notify("it is the same as in the last run", timeout=3, markup=False)
            return
        field.text = before[field.key]

    def old_values(self) -> None:
        """Put back every value of the last run."""
        form, preview = self._form, self._form.preview
        if preview is None or preview.last is None:
            form.notify("there is no run of this project yet", timeout=3, markup=False)
            return
        count = 0
        for key, text in (preview.before or {}).items():
            field = next((field for field in form.fields.all if field.key == key), None)
            if field is not None and field.display and field.text != text:
                field.text = text
                count += 1
        name = safe(preview.last.name)
        form.notify(f"{count} values put back to those of {name}", timeout=4, markup=False)

    def pick_nodes(self) -> None:
        """Choose the nodes from a list; what is chosen comes back as an expression."""
        from tui.screens.nodes import NodesScreen

        if not self._form.fields.takes_nodes:
            told = "everything runs on this machine: choose another backend to choose nodes"
            self._form.notify(told, timeout=4, markup=False)
            return
        draft = self._form.typed_draft()

        def picked(include: str, exclude: str) -> None:
            self._form.fields.fill({"include": include, "exclude": exclude}, over=True)

        self._form.app.push_screen(NodesScreen(draft, picked=picked))

    def edit_outside(self) -> None:
        """Edit the field's text in the user's editor, one file for it alone."""
        from rankdeck.programs import editor
        from tui.outside import run_outside

        form, field = self._form, self._form.field
        if field is None:
            return
        try:
            command = editor(os.environ)
            with tempfile.TemporaryDirectory(prefix="rankdeck-") as folder:
                path = os.path.join(folder, f"{field.key}.txt")
                with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(f"{field.text}\n" if field.text else "")
                run_outside(form.app, [*command, path])
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read()
        except UserError as error:
            form.deck.tell(error)
            return
        except OSError as error:
            form.deck.tell(UserError(f"the text cannot be edited: {error}"))
            return
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        field.text = ("\n" if isinstance(field, LinesField) else " ").join(lines)

    def _list_choices(self, field: FormField) -> None:
        from tui.screens.job_pick import PickScreen

        form, now = self._form, field.text or field.default

        def choices(titles: Mapping[str, str]) -> list[Choice]:
            told = {value: titles.get(value, "") for value in field.choices}
            told[field.default] = " · ".join(filter(None, (told.get(field.default), "the default")))
            return [Choice(value, value, told[value]) for value in field.choices]

        screen = PickScreen(field.help, choices({}), at=now)
        form.app.push_screen(screen, lambda picked: self._take(field, picked))
        if field.key in NAMED:
            form.controller.do(
                lambda: titles_of(field.key, field.choices),
                lambda titles, _: screen.offer(choices(titles or {})),
                pool=form.pool,
            )

    def _list_paths(self, field: FormField) -> None:
        from tui.screens.job_pick import PickScreen

        form, base = self._form, self._form.fields.base_of(field.key)
        folders = field_named(field.key).kind is FieldKind.DIRECTORY
        shown = field.text

        def typed(text: str) -> tuple[Choice, ...]:
            nonlocal shown
            if text != shown:
                shown = text
                look(text)
            return (Choice(text, text, "as typed"),)

        screen = PickScreen(field.help, text=field.text, typed=typed, hint=f"in {base}")

        def look(text: str) -> None:
            form.controller.do(
                lambda: path_choices(text, base, folders_only=folders),
                lambda found, _: offer(text, found or ()),
                key="paths",
                pool=form.pool,
            )

        def offer(text: str, found: tuple[str, ...]) -> None:
            if text == shown:
                screen.offer([Choice(path, path) for path in found])

        form.app.push_screen(screen, lambda picked: self._take(field, picked))
        look(field.text)

    def _take(self, field: FormField, picked: Picked | None) -> None:
        if picked is not None and picked.key:
            field.text = picked.key
