"""The agents of one attempt, as their supervisor deals with them through a backend.

Owns what a supervisor may forget: which files were seen, which commands were sent, since when an
agent has been silent. Everything that must be remembered is in the event log.
"""

from __future__ import annotations

import os
from enum import Enum, auto
from typing import TYPE_CHECKING

from rankdeck.backend import AgentLiveness
from rankdeck.errors import UserError
from rankdeck.run.files import WatchedFile
from rankdeck.run.node_state import NodePhase, NodeState
from rankdeck.run.stored import NODE_STATE_DECODER

if TYPE_CHECKING:
    from rankdeck.agent_order import AgentCommand, AgentCommandKind
    from rankdeck.backend import Session
    from rankdeck.plan.records import LaunchPlan
    from rankdeck.run.clock import Clock
    from rankdeck.run.layout import RunDir
    from rankdeck.run.state import RunNode

_LIVENESS_SECONDS = 1.0
"""How often an agent is asked about, when nothing hurries."""
_LAST_WORDS_SECONDS = 1.0
"""What an agent's file may lag behind its end."""
_UNREACHABLE_SECONDS = 90.0
"""Silence after which a node nobody can ask about counts as unreachable."""
_SILENT_SECONDS = 8.0
"""Silence of an agent that is told; it writes every two seconds."""

_CLOCK_SAMPLES = 3
"""How often an agent must be heard before its clock is judged."""


class Loss(Enum):
    """How an agent was lost."""

    DEAD = auto()
    """It has ended without saying so."""
    UNREACHABLE = auto()
    """Nothing is known of it any more."""
    STUCK = auto()
    """It is there, but it does not do what it was told."""
    ENDED = auto()
    """What carried it has ended, and it with that."""


class AgentWatch:
    """One agent."""

    __slots__ = (
        "ahead",
        "asked",
        "dead_since",
        "file",
        "heard",
        "noted_deafness",
        "ref",
        "samples",
        "sent",
    )

    def __init__(self, path: str) -> None:
        self.file = WatchedFile(path, NODE_STATE_DECODER.decode)
        self.ref: str | None = None
        self.begin(None, 0.0)

    def begin(self, ref: str | None, now: float) -> None:
        """Start to watch the agent that `ref` refers to."""
        self.ref = ref
        self.heard = now
        self.asked = -_LIVENESS_SECONDS
        self.dead_since: float | None = None
        self.noted_deafness = False
        self.ahead = float("-inf")
        # the first word may have been written long ago
        self.samples = -1
        self.sent: set[AgentCommandKind] = set()

    def take_sample(self, now: float) -> None:
        """The agent has just been heard: compare its clock with ours."""
        self.samples += 1
        if self.samples > 0 and self.file.value is not None:
            self.ahead = max(self.ahead, self.file.value.time - now)


class Agents:
    """All agents of a run, by node name."""

    def __init__(self, run: RunDir, plan: LaunchPlan, session: Session, clock: Clock) -> None:
        """Prepare; no agent is looked at yet."""
        self._session = session
        self._clock = clock
        given = plan.backend_options.get("unreachable_after")
        self._unreachable_after = (
            float(given) if isinstance(given, (int, float)) else _UNREACHABLE_SECONDS
        )
        self._watches = {
            node.name: AgentWatch(os.fspath(run.node(node.name).state)) for node in plan.nodes
        }

    def look(self, attempt: int) -> bool:
        """Read the files that changed; whether any did."""
        changed = False
        for watch in self._watches.values():
            if watch.file.refresh() and watch.file.value is not None:
                changed = True
                if watch.file.value.attempt == attempt:
                    watch.heard = self._clock.steady()
                    watch.take_sample(self._clock.wall())
        return changed

    def said(self, attempt: int) -> dict[str, NodeState]:
        """The last word of each agent of this attempt, by node name."""
        return {
            name: watch.file.value
            for name, watch in self._watches.items()
            if watch.file.value is not None and watch.file.value.attempt == attempt
        }

    def begin(self, node: str, ref: str | None) -> None:
        """Watch the agent just placed on `node`, or found there."""
        self._watches[node].begin(ref, self._clock.steady())

    def hurry(self) -> None:
        """Ask about every agent at the next chance: a child has just ended."""
        for watch in self._watches.values():
            watch.asked = -_LIVENESS_SECONDS

    def liveness(self, node: RunNode) -> AgentLiveness:
        """What the backend says about the agent."""
        watch = self._watches[node.name]
        if watch.ref is None:
            return AgentLiveness.DEAD
        return self._session.liveness(node.name, watch.ref)

    def loss(self, node: RunNode) -> Loss | None:
        """How the agent on `node`, which has not said that it is done, was lost; None if not."""
        watch = self._watches[node.name]
        now = self._clock.steady()
        if now - watch.asked < _LIVENESS_SECONDS and watch.dead_since is None:
            return None
        watch.asked = now
        liveness = self.liveness(node)
        if liveness is AgentLiveness.DEAD:
            if watch.dead_since is None:
                watch.dead_since = now
            # the other half of the agent may still be cleaning up and writing
            return Loss.DEAD if now - watch.dead_since >= _LAST_WORDS_SECONDS else None
        watch.dead_since = None
        silent = now - watch.heard
        if liveness is AgentLiveness.UNKNOWN and silent >= self._unreachable_after:
            return Loss.UNREACHABLE
        return None

    def clock_ahead(self, node: RunNode) -> float | None:
        """By how many seconds the node's clock is ahead of ours; None while not known."""
        watch = self._watches[node.name]
        return watch.ahead if watch.samples >= _CLOCK_SAMPLES else None

    def hear(self, node: RunNode) -> None:
        """The node is heard again, if not yet its agent."""
        self._watches[node.name].heard = self._clock.steady()

    def silence(self, node: RunNode) -> float:
        """For how many seconds the agent has said nothing."""
        return self._clock.steady() - self._watches[node.name].heard

    def is_silent(self, node: RunNode) -> bool:
        """Whether the agent has said nothing for so long that it is worth telling."""
        return self.silence(node) >= _SILENT_SECONDS

    def newly_deaf(self, node: RunNode) -> bool:
        """Whether a command could not be sent for the first time."""
        watch = self._watches[node.name]
        newly, watch.noted_deafness = not watch.noted_deafness, True
        return newly

    def send_once(self, node: RunNode, command: AgentCommand) -> bool:
        """Send a command, unless this supervisor has sent one of its kind; whether it was sent.

        Raises:
            UserError: It could not be sent.
        """
        watch = self._watches[node.name]
        if watch.ref is None or command.command in watch.sent:
            return False
        watch.sent.add(command.command)
        try:
            self._session.send(node.name, watch.ref, command)
        except UserError:
            watch.sent.discard(command.command)
            raise
        return True

    def send(self, node: RunNode, command: AgentCommand) -> bool:
        """Send a command that may be sent again; whether there is an agent to send it to.

        Raises:
            UserError: It could not be sent.
        """
        watch = self._watches[node.name]
        if watch.ref is None:
            return False
        self._session.send(node.name, watch.ref, command)
        return True

    def stops_already(self, node: RunNode, attempt: int) -> bool:
        """Whether the agent is stopping its ranks, on whoever's order."""
        word = self._watches[node.name].file.value
        if word is None or word.attempt != attempt:
            return False
        return word.stop is not None or word.phase in (NodePhase.STOPPING, NodePhase.DONE)

    def dying(self) -> bool:
        """Whether an agent has been found dead and its last words are awaited."""
        return any(watch.dead_since is not None for watch in self._watches.values())
