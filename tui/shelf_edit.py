"""Changing a kept file in the user's editor: what is right is kept, mistakes are asked about."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rankdeck.errors import UserError
from rankdeck.library.editing import Editing
from rankdeck.programs import editor
from tui.looks import Line, safe
from tui.outside import run_outside

if TYPE_CHECKING:
    from tui.shelf_screen import ShelfScreen

_MOST_NAMED = 8


class ShelfEdit:
    """One change of one file, from a screen that lists it."""

    def __init__(self, screen: ShelfScreen, name: str) -> None:
        self._screen = screen
        self._name = name
        self._deck = screen.deck
        self._controller = screen.controller

    def begin(self) -> None:
        """Make the copy that is edited, and open the editor on it."""

        def begun(editing: Editing | None, error: UserError | None) -> None:
            if error is not None:
                self._deck.tell(error)
            elif editing is not None:
                self._edit(editing)

        self._controller.do(lambda: Editing(self._screen.shelf, self._name), begun, writes=True)

    def _edit(self, editing: Editing) -> None:
        try:
            run_outside(self._screen.app, [*editor(os.environ), str(editing.copy)])
        except UserError as error:
            self._deck.tell(error)
            self._controller.do(editing.forget, lambda _, __: None)
            return
        self._judge(editing)

    def _judge(self, editing: Editing) -> None:
        """Keep what is right; ask what shall become of mistakes."""

        def job() -> tuple[str, tuple[Line, ...]]:
            if not editing.changed:
                editing.forget()
                return ("nothing was changed" + (": not made" if editing.is_new else "")), ()
            problems = editing.problems()
            if not problems:
                editing.keep()
            wrong = (((safe(str(problem)), "error"),) for problem in problems[:_MOST_NAMED])
            return "saved", tuple(wrong)

        def heard(came_of: tuple[str, tuple[Line, ...]] | None, error: UserError | None) -> None:
            if error is not None or came_of is None:
                self._deck.tell(error or UserError(f"{editing.name} has not been read"))
                return
            told, wrong = came_of
            if wrong:
                self._ask_about(editing, wrong)
            else:
                self._screen.notify(f"{safe(editing.name)}: {told}", timeout=4, markup=False)
            self._screen.look_again()

        self._controller.do(job, heard, writes=True)

    def _ask_about(self, editing: Editing, wrong: tuple[Line, ...]) -> None:
        from tui.screens.confirm import ConfirmScreen

        again: tuple[Line, ...] = (
            ((f"{safe(editing.name)} has mistakes. Edit it again?", "title"),),
            (),
            *wrong,
        )
        keep: tuple[Line, ...] = (
            ((f"Keep {safe(editing.name)} with these mistakes?", "title"),),
            (),
            *wrong,
            (),
            (("No leaves it as it was.", ""),),
        )

        def kept(answer: bool | None) -> None:
            self._screen.write(
                editing.keep if answer else editing.forget,
                f"{editing.name}: {'kept with its mistakes' if answer else 'as it was'}",
            )

        def answered(answer: bool | None) -> None:
            if answer:
                self._edit(editing)
            else:
                self._deck.push_screen(ConfirmScreen(keep), kept)

        self._deck.push_screen(ConfirmScreen(again), answered)
