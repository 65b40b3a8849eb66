"""LogPane: one log, followed, paged through, searched and filtered, copied and saved.

The owner calls `tick` at most ten times a second; between ticks nothing runs but what was asked
for, and a tick in which nothing has changed repaints nothing. No key waits for the file system.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.programs import editor, pager
from tui.clipboard import copy
from tui.keys import Scope, bindings
from tui.log_page import Target
from tui.log_save import Copied, Outside, OutsideFile, Save, discard_copy
from tui.log_text import wanted
from tui.outside import at_line, run_outside
from tui.widgets.log_finds import LogFinds
from tui.widgets.log_lines import safe_text
from tui.widgets.log_prompt import Ask

if TYPE_CHECKING:
    from rankdeck.run.layout import RunDir


_SELDOM = 5
"""One look in so many is enough at a log that hardly grows."""


class LogPane(LogFinds):
    """The log of one rank or launcher, or of many ranks together."""

    BINDING_GROUP_TITLE = "Log"
    BINDINGS = bindings(Scope.LOG)
    _recalled = False
    _ticks = 0

    # -- for the owner ----------------------------------------------------------------------

    def open(
        self,
        path: Path,
        title: str,
        *,
        run: RunDir | None = None,
        attempt: int = 0,
        rank: int | None = None,
    ) -> None:
        """Show the log at `path`, at its end, following it; it need not be there yet.

        How lines are shown and filtered stays as it is.

        Args:
            path: The log.
            title: What to call it.
            run: Its run; with it, the logs of all ranks can be shown together.
            attempt: Which attempt of the run it is of.
            rank: Whose it is.
        """
        self._title = safe_text(title)
        target = Target(path, run, attempt, rank)
        if target == self._target:
            self._tell()
            return
        merged = self.look.merged and run is not None
        same = merged and self._target is not None and self._target.run == run
        self._target = target
        if same and self._target.attempt == attempt:
            # all ranks are on the screen already
            self._send("retarget", lambda work: work.retarget(target))
            self._tell()
            return
        self._stop_tasks()
        self._notice = ""
        self._selecting = False
        self._view.column = 0
        self._fresh_reader()
        self._recall()
        look = self.look
        self._send("open", lambda work: work.open(target, look))
        self._tell()

    def _recall(self) -> None:
        """Show the first log as the user wanted to see the last one."""
        choices = self._choices
        if choices is None or self._recalled:
            return
        self._recalled = True
        if choices.current is not None:
            self.look = choices.current.of(self.look)
        else:
            self._send("recall", lambda work: work.recall_choices())

    def tick(self, *, seldom: bool = False) -> None:
        """Look for news; to be called ten times a second. `seldom`: there can be few more."""
        self._ticks += 1
        if self._target is not None and not (seldom and self._ticks % _SELDOM):
            self._send("poll", lambda work: work.poll())
            self._tell()

    def goto_time(self, moment: float) -> None:
        """Go to the first line written at this time (seconds since the epoch) or later."""
        self._send("place", lambda work: work.goto_time(moment))

    def goto_text(self, text: str) -> None:
        """Go to the last line that has this text, and mark it."""
        if text:
            self._text_wanted = self._brought = wanted(text)
            self._start_seek(self._text_wanted, backward=True, counts=True, whole=True)

    # -- leaving ----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`esc` is the owner's while there is nothing here to end."""
        if action == "leave":
            tasks = self._seek is not None or self._save is not None
            return self._selecting or tasks or self._shows_less
        return True

    def action_leave(self) -> None:
        """End the selection, the search or the saving; else show more again."""
        if self._selecting:
            self._end_selection()
        elif self._seek is not None:
            self._seek.cancel()
            self._seek = None
            self._say("search cancelled")
        elif self._save is not None:
            self._save.cancel()
        else:
            self._show_more()

    # -- views of many ranks ----------------------------------------------------------------

    def _several(self) -> bool:
        if self._target is None or self._target.run is None:
            self._say("there is only this log here")
            return False
        return True

    def action_merged(self) -> None:
        """All ranks by time, or one."""
        if self._several():
            self._stop_tasks()
            self._change(merged=not self.look.merged, minority=False)

    def action_fold(self) -> None:
        """Lines that several ranks wrote alike are one; then those about alike; or not."""
        if self._several():
            folds = self.look.fold and self.look.merged
            self._stop_tasks()
            self._change(
                merged=True,
                minority=False,
                fold=not (folds and self.look.loose),
                loose=folds and not self.look.loose,
            )

    def action_minority(self) -> None:
        """Only what less than half of the ranks wrote, or about that; or everything."""
        if self._several():
            fewer = self.look.minority and self.look.merged
            self._stop_tasks()
            self._change(
                merged=True,
                minority=not (fewer and self.look.loose),
                loose=fewer and not self.look.loose,
            )

    # -- taking lines away ------------------------------------------------------------------

    def action_copy(self) -> None:
        """Copy the selected lines, or the line that was found, or what is on the screen."""
        self._send("copy", lambda work: work.copy())

    def action_outside(self, edit: bool) -> None:
        """Show the log in the user's pager or editor, at this line."""
        self._send("outside", lambda work: work.outside(editor=edit))

    def action_save(self) -> None:
        """Ask for the name of a file to save to."""
        if self._target is None:
            return
        name = "ranks.log" if self.look.merged else self._target.path.name
        self._prompt.ask(Ask.SAVE, os.path.join(os.getcwd(), name))

    def _answered(self, kind: Ask, text: str) -> None:
        if kind is Ask.SAVE:
            self._save_to(text.strip())
        else:
            super()._answered(kind, text)

    def _save_to(self, name: str) -> None:
        if not name:
            return
        self._start_save(Path(os.path.expanduser(name)).absolute(), None)

    def _start_save(self, path: Path, then: Outside | None) -> None:
        if self._reader is None:
            return
        if self._save is not None:
            self._save.cancel()
        self._save = save = Save(path, self._end_of_save, then=then)
        self._send("save", lambda work: work.save(save))
        self._tell()

    def _end_of_save(self, save: Save) -> None:
        # another reader may have come in the place of the one that began it
        if self._reader is not None:
            self._hand(self._reader, save)

    def _saved(self, save: Save) -> None:
        if save is not self._save:
            return
        self._save = None
        if save.failure:
            self._say(save.failure)
        elif save.then is not None:
            there = str(save.path)
            self._go_outside(OutsideFile(there, save.current, save.then.editor, copy=True))
        else:
            self._say(f"{save.lines:,} lines saved to {save.path}")

    def _take(self, found: object) -> None:
        """Text to copy, a file for another program, a file that was saved."""
        if isinstance(found, Copied):
            self._copy(found)
        elif isinstance(found, OutsideFile):
            self._go_outside(found)
        elif isinstance(found, Outside):
            self._start_save(Path("ranks.log"), found)
        elif isinstance(found, Save):
            self._saved(found)
        else:
            super()._take(found)

    def _copy(self, copied: Copied) -> None:
        if not copied.lines:
            self._say("there is nothing to copy")
            return
        what = f"{copied.lines:,} line{'' if copied.lines == 1 else 's'}"
        if not copied.whole:
            what = f"the first {what} (more is too much)"
        deck_copy = getattr(self.app, "copy", None)
        if deck_copy is not None:
            deck_copy(copied.text, what)
        else:
            copy(self.app, copied.text, what)
        if self._selecting:
            self._end_selection()

    def _go_outside(self, file: OutsideFile) -> None:
        try:
            program = editor(os.environ) if file.editor else pager(os.environ)
            run_outside(self.app, at_line(program, file.path, file.line))
        except UserError as error:
            self._say(error.message + (f": {error.hint}" if error.hint else ""))
            return
        if file.copy and file.editor:
            # it may be open there still, or have been written to
            self._say(f"a copy of these lines: {file.path}")
        elif file.copy:
            discard_copy(Path(file.path))
