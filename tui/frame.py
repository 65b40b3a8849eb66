"""Frame: what every screen stands in: themes, settings, keys one after another, what is refused.

Knows no screen; `Deck` is the app that has them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual import on
from textual.driver import Driver
from textual.events import DescendantFocus, Key, Paste
from textual.widgets import Input

from rankdeck.config.settings import Settings
from rankdeck.errors import UserError
from tui.key_order import Fence, KeyOrder
from tui.looks import safe
from tui.terminal.output import CellOutput
from tui.themes import DEFAULT, MONOCHROME, Colourless, apply_theme, register_themes
from tui.valid_keys import refused_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual import events
    from textual.actions import ActionParseResult
    from textual.dom import DOMNode
    from textual.notifications import SeverityLevel

    from rankdeck.config.settings import LoadedSettings
    from rankdeck.errors import Problem
    from tui.controller import Controller
    from tui.keys.keymap import Keymap


class Frame(CellOutput):
    """The app without its screens."""

    controller: Controller
    """The door to the runs."""

    def __init__(
        self, settings: Settings | None, problems: tuple[Problem, ...], *, read_only: bool
    ) -> None:
        """See `Deck`."""
        super().__init__()
        self.settings = settings or Settings()
        self.problems = problems
        """What in the user's own files does not count."""
        self._always_read_only = read_only
        self._key_order = KeyOrder(self)
        register_themes(self)
        self._colourless = Colourless(enabled=False)
        self._filters.append(self._colourless)
        self.use_theme(self.settings.theme)

    @property
    def read_only(self) -> bool:
        """Whether everything that changes something is refused."""
        return self.controller.read_only

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notice, unless it is on the screen already: a key held down fills no screen."""
        told = [(notice.message, notice.severity) for notice in self._notifications]
        if (message, severity) not in told:
            super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def tell(self, error: UserError) -> None:
        """Show an error: what happened, and what to do."""
        text = safe(error.message) + (f"\n{safe(error.hint)}" if error.hint else "")
        self.notify(text, severity="error", timeout=10, markup=False)

    def tell_problems(self) -> None:
        """Say what in the user's own files does not count."""
        for problem in self.problems[:3]:
            self.notify(safe(str(problem)), severity="warning", timeout=15, markup=False)
        if len(self.problems) > 3:
            more = f"{len(self.problems) - 3} more: `rankdeck config check` lists them"
            self.notify(more, severity="warning", timeout=15, markup=False)

    def _fatal_error(self) -> None:
        """An error in the interface itself ends it; `crash` says which, in place of a traceback."""
        if self.is_headless:
            super()._fatal_error()
            return
        self._close_messages_no_wait()

    @property
    def crash(self) -> Exception | None:
        """What has ended the interface, if it was an error in it."""
        return None if self.is_headless else self._exception

    @on(Driver.SignalResume)
    def _shown_again(self) -> None:
        """The shell had the terminal meanwhile."""
        self.redraw()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """A cursor that blinks sends bytes twice a second, for as long as a field has the keys."""
        if isinstance(event.widget, Input):
            event.widget.cursor_blink = False

    # -- keys -------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Send keys one after another: see `KeyOrder`."""
        typed = isinstance(event, (Key, Paste)) and not event.is_forwarded
        if typed and isinstance(event, (Key, Paste)) and self._key_order.hold(event):
            return
        await super().on_event(event)
        if typed:
            self._key_order.sent()

    @on(Fence)
    def _next_key(self, fence: Fence) -> None:
        self._key_order.passed(fence)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key or the palette asks for, unless the deck is read-only and it writes."""
        if self.read_only and isinstance(action, str):
            row = refused_row(default_namespace or self, action)
            if row is not None:
                self.notify(
                    f"{row.label}: this deck is read-only; start it without --read-only, "
                    "or change the setting",
                    severity="warning",
                    markup=False,
                )
                return True
        return await super().run_action(action, default_namespace, namespaces)

    def do_action(self, action: str, owner: DOMNode) -> None:
        """Do what a key would, on the widget that it belongs to."""
        if owner.is_attached:
            self.call_later(self.run_action, action, owner)

    # -- looks ------------------------------------------------------------------------------

    def use_theme(self, name: str) -> None:
        """Show this theme; without a name, or an unknown one, the default."""
        if self.no_color:
            name = MONOCHROME
        self.theme = name if name in self.available_themes else DEFAULT

    def choose_theme(self, name: str) -> None:
        """Show this theme from now on, the next time too."""
        if self.no_color:
            self.notify("NO_COLOR is set: there is only one theme", markup=False)
            return
        self.use_theme(name)
        self.save_settings({"theme": "" if name == DEFAULT else name})

    def read_settings(self, done: Callable[[], None]) -> None:
        """Take what the user's files say now, keys and all; `done` is called when it holds."""
        from rankdeck.config.folder import config_folder
        from rankdeck.config.settings import load_settings
        from tui.keys.keymap import FILE, read_keymap
        from tui.keys.live import change_keys

        folder = config_folder()

        def taken(found: tuple[LoadedSettings, Keymap] | None, error: UserError | None) -> None:
            if found is None:
                self.tell(error or UserError("your files cannot be read"))
                return
            loaded, keymap = found
            self.settings = loaded.settings
            self.problems = (*loaded.problems, *keymap.problems)
            change_keys(self, keymap.keys)
            self.refuse_writes(self.settings.read_only)
            self.use_theme(self.settings.theme)
            done()

        self.controller.do(
            lambda: (load_settings(folder, os.environ), read_keymap(folder / FILE)), taken
        )

    def refuse_writes(self, refuse: bool) -> None:
        """Be read-only from now on, or no more; one that was started so stays so."""
        self.controller.read_only = refuse or self._always_read_only
        self.screen.refresh_bindings()

    def save_settings(self, changes: dict[str, object]) -> None:
        """Keep settings for the next time; what holds now is up to the caller."""
        import msgspec

        from rankdeck.config.folder import config_folder
        from rankdeck.config.settings import save_settings

        self.settings = msgspec.structs.replace(self.settings, **changes)
        folder = config_folder()
        self.controller.do(
            lambda: save_settings(folder, changes),
            lambda _, error: self.tell(error) if error else None,
        )

    def watch_theme(self, name: str) -> None:
        """Give everything that is not styled by CSS the theme's colours."""
        self._colourless.enabled = name == MONOCHROME
        apply_theme(self.available_themes[name])
        if self._running:
            for screen in self.screen_stack:
                for widget in screen.query("*"):
                    widget.refresh()
