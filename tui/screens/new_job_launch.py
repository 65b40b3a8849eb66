"""The form's way out: the job is started, or the first thing that is wrong is gone to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.looks import safe
from tui.screens.new_job_head import PARTS, PREVIEW

if TYPE_CHECKING:
    from rankdeck.errors import UserError
    from rankdeck.run.layout import RunDir
    from tui.screens.new_job import NewJobScreen

_TOLD = 8


class FormLaunch:
    """Starts the job of one screen."""

    def __init__(self, form: NewJobScreen) -> None:
        """Belong to `form`."""
        self._form = form
        self.busy = False
        """Whether a job is being started."""

    def launch(self) -> None:
        """Start the job as it is previewed; ask first where the checks found an error."""
        form = self._form
        wrong = any(map(form.fields.check, form.fields.all))
        if form.preview is None or form.preview.problems or wrong:
            self.go_to_problem()
            return
        errors = form.checkup.errors(form.preview)
        if not errors or form.controller.read_only:
            self._submit()
            return
        told = tuple(((f"  ✖ {safe(error.text)}", "error"),) for error in errors[:_TOLD])
        left = len(errors) - _TOLD
        more = (((f"  … and {left} more", "dim"),),) if left > 0 else ()
        form.deck.ask(((("Start it all the same?", "title"),), (), *told, *more), self._submit)

    def go_to_problem(self) -> None:
        """Go to the first field that something is wrong with, else to the preview."""
        form = self._form
        wrong = [field for field in form.fields.all if field.problem and field.display]
        if not wrong:
            form.action_go(PREVIEW)
            return
        order = sorted(wrong, key=lambda field: PARTS.index(form.part_of(field)))
        form.action_go(form.part_of(order[0]))
        form.set_focus(order[0].editor)
        form.notify("not started: something is wrong here", severity="warning", markup=False)

    def _submit(self) -> None:
        form, draft = self._form, self._form.typed_draft()
        if draft is None or self.busy:
            return
        self.busy = True

        def done(run: RunDir | None, error: UserError | None) -> None:
            self.busy = False
            if error is not None:
                form.deck.tell(error)
            elif run is not None:
                form.start.forget()
                form.deck.show_launched(run.id, form)

        form.controller.launch(form.target, draft, done)
