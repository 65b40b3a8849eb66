"""The bars of the form: its parts and their mistakes, its readiness, a field's help and keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from rankdeck.job.fields import Section
from tui.looks import Line, Piece, counted, safe, wrap
from tui.widgets.bars import LineBar, TitleBar

if TYPE_CHECKING:
    from tui.screens.new_job import NewJobScreen
    from tui.widgets.form_field import FormField

PREVIEW = "preview"
_ABOUT = 2
"""Lines for what is to be known of a field, at least."""
_ABOUT_PART = 3
"""One part in so many of the screen's height is the most."""
PARTS = (*(section.value.lower() for section in Section), PREVIEW)


def about_lines(about: Line, width: int, height: int) -> tuple[Line, ...]:
    """What is to be known of a field in as many lines as it takes, or as there are to spare."""
    told = wrap((("  ", ""), *about), max(20, width - 2)) if about else []
    most = max(_ABOUT, height // _ABOUT_PART)
    if len(told) > most:
        told = [*told[: most - 1], (*told[most - 1], ("…", "dim"))]
    return (*told, *([()] * (_ABOUT - len(told))))


class FormHead:
    """The bars of one screen."""

    def __init__(self, form: NewJobScreen) -> None:
        """Belong to `form`."""
        self._form = form
        self._useless: frozenset[str] = frozenset()

    def show_about(self, field: FormField | None) -> None:
        """Say in full what the field is for, and what can be pressed."""
        form = self._form
        if form.useless != self._useless:
            self._useless = form.useless
            form.refresh_bindings()
        lines = about_lines(field.about if field is not None else (), *form.size)
        shown = ""
        for hint in form.editing.hints(field):
            longer = f"{shown} · {hint}" if shown else hint
            if cell_len(longer) > form.size.width - 3:
                break
            shown = longer
        keys: Line = (("  ", ""), (shown, "accent"))
        bar = form.query_one("#about", LineBar)
        grown = len(lines) + 1 > len(bar.lines)
        bar.show(*lines, keys)
        if grown and field is not None:
            # the field itself must not go behind what is told of it
            form.call_after_refresh(field.scroll_visible, animate=False)

    def show_parts(self) -> None:
        """Show where one is, where something is wrong, and whether the job can be started."""
        form = self._form
        wrong = dict.fromkeys(PARTS, 0)
        for field in form.fields.all:
            if field.problem:
                wrong[form.part_of(field)] += 1
        if form.preview is not None:
            wrong[PREVIEW] = len(form.preview.problems)
        pieces: list[Piece] = [(" ", "")]
        for number, part in enumerate(PARTS, start=2):
            now = part == form.part
            name = part.capitalize() if form.size.width >= 80 or now else part.capitalize()[:8]
            pieces.append((f"{'▸' if now else ' '}f{number} {name}", "bold" if now else ""))
            pieces.append((f" ✖{wrong[part]}" if wrong[part] else "", "error"))
            pieces.append((" ", ""))
        form.query_one("#parts", LineBar).show(tuple(pieces))
        title = self._title()
        if form.preview is not None and form.preview.workspace:
            title += f" in {safe(form.preview.workspace)}"
        left: Line = (("rankdeck", "bold"), (f" ▸ {title}", ""))
        form.query_one(TitleBar).show_parts(left, self._readiness())

    def _title(self) -> str:
        target = self._form.target
        if target is None:
            return "new job"
        if Path(target).is_relative_to(self._form.controller.store.runs_dir):
            return "run again"
        return f"new job from {safe(Path(target).stem)}"

    def _readiness(self) -> Line:
        form, told = self._form, self._form.preview
        if form.checkup.progress:
            return ((form.checkup.progress, "warning"),)
        if told is None:
            return (("working it out …", "dim"),)
        count = len(told.problems)
        if count:
            return ((f"{counted(count, 'problem')}: ctrl+l goes there", "error"),)
        if form.controller.read_only:
            return (("nothing can be started here", "warning"),)
        ranks = f" {told.ranks}" if form.size.width >= 100 else ""
        return ((f"ready: ctrl+l starts{ranks}", "good"),)
