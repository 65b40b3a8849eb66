"""Errand: what is wanted of the agent on one node. Pure decisions about it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from backends.ssh.link import LinkError, LinkFault

if TYPE_CHECKING:
    from rankdeck.agent_order import AgentOrder
    from rankdeck.errors import UserError

_BUSY_SECONDS = 20.0
"""For how long a server that drops connections is asked again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_HOPELESS_PAUSE = 30.0
"""Between attempts that can only succeed once somebody has changed something."""


class Mode(str, Enum):
    """What the courier is asked to do."""

    START = "start"
    """Start the agent, unless that was done before."""
    FIND = "find"
    WATCH = "watch"
    """It was placed; look after it."""


class Errand:
    """An agent to be started, found or looked after."""

    __slots__ = ("find_only", "mode", "open", "order", "ref", "sent", "since")

    def __init__(self, order: AgentOrder, mode: Mode, since: float, ref: str | None = None) -> None:
        self.order = order
        self.mode = mode
        self.since = since
        self.ref = ref
        self.find_only = mode is Mode.FIND
        self.open = ref is None
        """The supervisor waits for an answer."""
        self.sent = False
        """The node may have done it, whether or not we have heard so."""

    @property
    def touches_node(self) -> bool:
        """Whether something of the run is on the node, or may be."""
        return self.sent or self.ref is not None

    def worth_waiting(
        self, error: UserError, now: float, *, patience: float, maybe_there: bool
    ) -> bool:
        """Whether to try again after `error`, though there is no answer yet.

        `maybe_there`: an earlier supervisor may have started the agent. Where one may be running,
        giving up early would leave it alone.
        """
        age = now - self.since
        if self.sent or maybe_there or self.find_only:
            return age < patience
        busy = isinstance(error, LinkError) and error.fault in (LinkFault.BUSY, LinkFault.LOST)
        return busy and age < _BUSY_SECONDS


def category_of(error: UserError) -> str:
    """What kind of trouble it is, as a category of the node's problem."""
    return error.fault.value if isinstance(error, LinkError) else getattr(error, "category", "ssh")


def pause_after(error: UserError, failures: int, chance: float) -> float:
    """Seconds to the next attempt to connect; `chance`: anything from 0 to 1.

    Many hosts that were lost at once must not all come back at once.
    """
    if isinstance(error, LinkError) and not error.passing:
        return _HOPELESS_PAUSE * (0.7 + 0.3 * chance)
    pause = min(_FIRST_PAUSE * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE)
    return pause * (0.7 + 0.3 * chance)
