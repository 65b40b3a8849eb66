"""What a form begins with, and what is kept of one that is left without starting."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tui.form.kept import KeptForm, KeptForms
from tui.form.paths import here
from tui.form.words import in_labels, label_of
from tui.looks import Line, safe

if TYPE_CHECKING:
    from rankdeck.errors import UserError
    from tui.form.choice import Choice
    from tui.form.starts import Start
    from tui.preview import JobPreview
    from tui.screens.job_pick import Picked, PickScreen
    from tui.screens.new_job import NewJobScreen

_KEEP_AFTER = 0.5
_OFFERED_FOR = 7 * 86400.0


class FormStart:
    """Fills the form of one screen, and keeps what is typed into it."""

    def __init__(self, form: NewJobScreen) -> None:
        """Belong to `form`."""
        self._form = form
        self._slot = _new_slot()
        self._changes = 0
        self._kept: dict[str, str] = {}
        self._offered: KeptForm | None = None
        self._offer = ""

    # -- keeping ----------------------------------------------------------------------------

    def look(self) -> None:
        """See whether a form like this one was left before, to offer it."""
        store, target = self._form.controller.store, self._form.target

        def job() -> KeptForm | None:
            forms = KeptForms(store.home).all()
            return next((form for form in forms if form.target == target), None)

        def done(found: KeptForm | None, _: UserError | None) -> None:
            if found is not None and self._form.now() - found.saved < _OFFERED_FOR:
                self._offered = found
                if self._form.is_there:
                    self._form.show_known()

        self._form.controller.do(job, done, pool=self._form.pool)

    def keep_soon(self) -> None:
        """Keep what is typed, as soon as nothing is typed for a moment."""
        self._changes += 1
        changes = self._changes

        def keep() -> None:
            if changes == self._changes:
                self.keep_now()

        self._form.set_timer(_KEEP_AFTER, keep)

    def keep_now(self) -> bool:
        """Keep what is typed; false where there is nothing to keep, or nothing may be written."""
        form = self._form
        texts = {key: text for key, text in form.fields.texts().items() if text}
        if form.controller.read_only or (not texts and not self._kept):
            return False
        if texts != self._kept:
            self._kept = texts
            kept = KeptForm(slot=self._slot, target=form.target, texts=texts, saved=form.now())
            forms = KeptForms(form.controller.store.home)
            form.controller.do(
                lambda: forms.keep(kept), _kept, writes=True, key=("keep the form", self._slot)
            )
        return bool(texts)

    def forget(self) -> None:
        """It has been started: nothing needs to be kept."""
        forms, slot = KeptForms(self._form.controller.store.home), self._slot
        self._changes += 1
        self._kept = {key: text for key, text in self._form.fields.texts().items() if text}
        self._form.controller.do(
            lambda: forms.forget(slot), _kept, writes=True, key=("keep the form", slot)
        )

    # -- offering ---------------------------------------------------------------------------

    def show_offer(self, preview: JobPreview) -> None:
        """One line that says what to press, where the form has something to offer."""
        text = self._what_to_offer(preview)
        if text == self._offer:
            return
        self._offer = text
        from tui.widgets.bars import LineBar

        line: Line = ((" ▸ ", "accent"), (safe(text), "warning"))
        self._form.query_one("#offer", LineBar).show(line)
        self._form.set_class(bool(text), "-offer")

    def _what_to_offer(self, preview: JobPreview) -> str:
        typed = any(self._form.fields.texts().values())
        if self._offered is not None and not typed:
            from rankdeck.text import age

            ago = age(self._form.now() - self._offered.saved)
            return f"A form you left {ago} ago is kept: ctrl+o enter brings it back"
        fields = {problem.field for problem in preview.problems}
        if "entry" in fields and not typed:
            return "Nothing to run here: type a project, or ctrl+o for a run, a template, a sample"
        return ""

    # -- beginning --------------------------------------------------------------------------

    def choose(self) -> None:
        """Let the user choose what to begin with."""
        from tui.form.starts import find_starts, typed_starts
        from tui.screens.job_pick import PickScreen

        form = self._form
        screen = PickScreen(
            "Start from",
            hint="type to filter · paste a command line · or the path of a job.yaml",
            typed=typed_starts,
        )
        form.app.push_screen(screen, self._chosen)
        store, now, own, cwd = form.controller.store, form.now(), self._slot, here()
        form.controller.do(
            lambda: find_starts(store, now, own, cwd),
            lambda found, error: self._offer_starts(screen, found, error),
            pool=form.pool,
        )

    def _offer_starts(
        self, screen: PickScreen, found: tuple[Choice, ...] | None, error: UserError | None
    ) -> None:
        if error is not None:
            self._form.deck.tell(error)
        if found is not None:
            screen.offer(found)

    def _chosen(self, picked: Picked | None) -> None:
        if picked is None:
            return
        if picked.key == "command":
            self.offer_command(picked.text)
            return
        self._load(picked.key, picked.text)

    def _load(self, key: str, text: str) -> None:
        from tui.form.starts import SAMPLE, load_start

        form, cwd = self._form, here()
        store = form.controller.store
        form.controller.do(
            lambda: load_start(store, key, text, cwd),
            self._loaded,
            writes=key.startswith(f"{SAMPLE}:"),
            pool=form.pool,
        )

    def _loaded(self, start: Start | None, error: UserError | None) -> None:
        if error is not None:
            self._form.deck.tell(error)
        if start is None or not self._form.is_there:
            return
        form = self._form
        # what was typed before stays kept; from now on another one is
        self.keep_now()
        self._slot = start.slot or _new_slot()
        form.fields.fill(start.texts)
        form.ask_soon()
        form.action_go(form.part)
        for note in start.notes:
            form.notify(safe(note), timeout=8, markup=False)

    def offer_command(self, text: str) -> None:
        """Show what a pasted command line says, and take it over after a yes."""
        from tui.form.starts import read_pasted

        form, cwd = self._form, here()

        def done(start: Start | None, error: UserError | None) -> None:
            if error is not None:
                form.deck.tell(error)
            if start is not None and form.is_there:
                # the question tells the notes
                told = replace(start, notes=())
                form.deck.ask(_question(start), lambda: self._loaded(told, None))

        form.controller.do(lambda: read_pasted(text, cwd), done, pool=form.pool)


def _kept(_: None, error: UserError | None) -> None:
    """A form that cannot be kept, on a full disk, is no reason to disturb who fills it."""


def _new_slot() -> str:
    return f"{time.time_ns() // 1_000_000}"


def _question(start: Start) -> tuple[Line, ...]:
    lines: list[Line] = [(("Fill the form from this command line?", "title"),), ()]
    lines += [
        ((f"  {safe(label_of(key))}: ", "bold"), (safe(text), ""))
        for key, text in start.texts.items()
    ]
    lines += [((f"  ! {safe(in_labels(note))}", "warning"),) for note in start.notes]
    return tuple(lines)
