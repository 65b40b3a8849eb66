"""SignalScreen: which signal, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.keys import Scope, bindings, keys_of
from tui.widgets.bars import KeyBar, LineBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tui.looks import Line

SIGNALS = (
    ("SIGUSR1", "what the program makes of it: often a checkpoint"),
    ("SIGUSR2", "what the program makes of it: often a dump"),
    ("SIGINT", "as Ctrl-C: KeyboardInterrupt in Python"),
    ("SIGTERM", "ends a process that does not handle it"),
    ("SIGKILL", "ends it at once: the run fails as by a crash"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be sent."""

    signal: str
    ranks: tuple[int, ...]
    """Empty: all."""


class SignalScreen(ModalScreen[Wish | None]):
    """A menu of signals."""

    DEFAULT_CSS = """
    SignalScreen { align: center middle; }
    SignalScreen > Vertical {
        width: 66; max-width: 100%; height: auto; padding: 0 1;
        border: round $accent; background: $surface;
    }
    """
    BINDINGS = bindings(Scope.SIGNAL)
    SCOPES = (Scope.SIGNAL, Scope.EVERYWHERE)

    def __init__(self, targets: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        """Offer these targets: what each is called, and its ranks (none: all)."""
        super().__init__()
        self._targets = tuple(targets)
        self._target = 0
        self._signal = 0

    def compose(self) -> ComposeResult:
        """The signals above the targets."""
        with Vertical():
            yield LineBar(id="signals")
            yield KeyBar(keys_of(Scope.SIGNAL))

    def on_mount(self) -> None:
        """Show what is chosen."""
        self._show()

    def _show(self) -> None:
        lines: list[Line] = [(("Send a signal", "title"),), ()]
        for index, (name, about) in enumerate(SIGNALS):
            here = index == self._signal
            mark = "▸ " if here else "  "
            lines.append(((f"{mark}{name:<9}", "key" if here else ""), (about, "dim")))
        lines.append(())
        for index, (told, _) in enumerate(self._targets):
            here = index == self._target
            lines.append(((f"{'(•)' if here else '( )'} to {told}", "bold" if here else "dim"),))
        self.query_one("#signals", LineBar).show(*lines)

    def action_choose(self, step: int) -> None:
        """Choose another signal."""
        self._signal = (self._signal + step) % len(SIGNALS)
        self._show()

    def action_target(self) -> None:
        """Choose another target."""
        self._target = (self._target + 1) % len(self._targets)
        self._show()

    def action_send(self) -> None:
        """Send it."""
        self.dismiss(Wish(SIGNALS[self._signal][0], self._targets[self._target][1]))
