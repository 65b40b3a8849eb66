"""The form's look at the nodes: asked in the background, node by node, and what came of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rankdeck.probe.preflight import Level
from tui.asking import DeckAsk
from tui.looks import counted
from tui.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankdeck.ask import Ask
    from rankdeck.backend_reach import NodeAnswer
    from rankdeck.errors import UserError
    from rankdeck.job.spec import JobSpec
    from rankdeck.probe.preflight import Finding
    from tui.preview import JobPreview
    from tui.screens.new_job import NewJobScreen

_NO_MATTER = ("name", "args", "hyperparameters", "env", "pass_as", "time_limit", "max_restarts")
"""Fields that change nothing of what was found on nodes."""


class FormCheck:
    """Looks at the nodes of the job that one screen describes."""

    def __init__(self, form: NewJobScreen) -> None:
        """Belong to `form`."""
        self._form = form
        self.findings: tuple[Finding, ...] = ()
        self.progress = ""
        """What is going on, in a few words; empty: nothing."""
        self._pool = WorkPool(threads=1)
        self._ask: DeckAsk | None = None
        self._given_up = threading.Event()

    def give_up(self) -> bool:
        """Look no more; false where nothing is going on."""
        if not self.progress:
            return False
        self.cancel()
        self._show("")
        self._form.notify("the check was given up", timeout=3, markup=False)
        return True

    def begin(self) -> None:
        """Look at every node of the job as it is previewed."""
        preview = self._form.preview
        if preview is None or preview.spec is None or preview.problems:
            self._form.notify(
                "nothing can be checked before the problems are solved: ctrl+l goes to the first",
                severity="warning",
                markup=False,
            )
            return
        self._begin(preview.spec)

    def cancel(self) -> None:
        """Wait for no answer any more."""
        self._given_up.set()
        if self._ask is not None:
            self._ask.close()
        self._pool.close()
        self.progress = ""

    def outdated(self, key: str) -> None:
        """A field has changed: what was found may not hold any more."""
        if key.partition(".")[0] in _NO_MATTER:
            return
        if self.progress:
            self.cancel()
        self.findings = ()

    def errors(self, preview: JobPreview) -> tuple[Finding, ...]:
        """What was found that will keep the job from running."""
        found = (*self.findings, *preview.findings)
        return tuple(finding for finding in found if finding.level is Level.ERROR)

    def _begin(self, spec: JobSpec) -> None:
        self.findings = ()
        self._given_up = given_up = threading.Event()
        self._pool = WorkPool(threads=1)
        self._ask = ask = DeckAsk(self._form.app)
        self._show("checking …")
        form = self._form

        def heard(count: int, of: int) -> None:
            text = f"checking: {count} of {counted(of, 'node')} answered · ctrl+k ends"
            form.app.call_later(self._heard, text, given_up)

        def job() -> tuple[Finding, ...]:
            return look_at_nodes(spec, ask, given_up, heard)

        def done(found: tuple[Finding, ...] | None, error: UserError | None) -> None:
            if given_up.is_set() or not form.is_there:
                return
            self.findings = found or ()
            if error is not None:
                form.deck.tell(error)
            self._show("")
            if error is None:
                self._tell()

        form.controller.do(job, done, pool=self._pool)

    def _heard(self, text: str, given_up: threading.Event) -> None:
        if not given_up.is_set() and self._form.is_there:
            self._show(text)

    def _show(self, text: str) -> None:
        self.progress = text
        self._form.show_known()

    def _tell(self) -> None:
        count = {level: sum(f.level is level for f in self.findings) for level in Level}
        wrong, odd = count[Level.ERROR], count[Level.WARNING]
        told = [counted(wrong, "error")] if wrong else []
        told += [counted(odd, "warning")] if odd else []
        where = "" if self._form.query_one("#preview").display else " · f6 shows it"
        text = f"{', '.join(told)}{where}" if told else "nothing stands in the way"
        self._form.notify(
            f"checked: {text}",
            severity="error" if wrong else "warning" if odd else "information",
            timeout=5,
            markup=False,
        )


def look_at_nodes(
    spec: JobSpec, ask: Ask, given_up: threading.Event, heard: Callable[[int, int], None]
) -> tuple[Finding, ...]:
    """Ask every node; blocks until all have answered or it is given up.

    Raises:
        UserError: The nodes cannot be told, or the user was asked and said no.
    """
    from rankdeck.backend import load_backend
    from rankdeck.plan.build import build_plan
    from rankdeck.probe.checking import NodeCheckup
    from rankdeck.probe.preflight import node_findings

    backend = load_backend(spec.backend)
    nodes = backend.nodes(spec)
    # what a scheduler knows before it chooses nodes is asked here too
    secrets = backend.prepare(spec, nodes, ask)
    checkup = NodeCheckup(backend, spec, tuple(nodes), build_plan(spec, nodes))
    answers: list[NodeAnswer] = []
    if not checkup.impossible:
        heard(0, len(nodes))
        for answer in checkup.ask(secrets):
            answers.append(answer)
            if given_up.is_set():
                return ()
            heard(len(answers), len(nodes))
    return node_findings(spec, checkup.judge(answers))
