"""Watch over one agent: what of its folder goes home, when, and in which order.

States come before files, small files before large ones. The last state waits until home has
confirmed that it has every file in full, and so does the word that the agent is gone.
"""

from __future__ import annotations

from rankdeck.agent import courier_frames as wire
from rankdeck.agent.carry import Carrier
from rankdeck.agent.carry_state import StateFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from rankdeck.agent.courier_start import AgentProcess

_STATE_GAP = 0.08
_FILES_GAP_BUSY = 0.1
_FILES_GAP = 0.25
_AGENT_GAP = 0.5
_SMALLEST_WINDOW, _LARGEST_WINDOW = 256 * 1024, 8 << 20
_WINDOW_SECONDS = 0.4
"""A window is what home has taken in this time: about how long a state may wait behind files."""
_MEASURE_SECONDS = 0.2
_LEAST_ROOM = 16 * 1024


class Pace:
    """How often, and how much; home knows how many nodes there are."""

    def __init__(self) -> None:
        self.state = 0.5
        self.idle = 3.0
        self.rate = 32e6

    def set(self, fields: dict[str, Any]) -> None:
        """Take what home says."""
        self.state = float(fields.get("state", self.state))
        self.idle = float(fields.get("idle", self.idle))
        self.rate = float(fields.get("rate", self.rate))


class Flow:
    """How many bytes of files may be on their way: so few that nothing else waits for long."""

    def __init__(self, pace: Pace, now: float) -> None:
        self._pace = pace
        self._window = _SMALLEST_WINDOW
        self._sent = self._acked = self._asked = 0
        self._tokens = 0.0
        self._filled = now
        self._measured = (now, 0)

    def room(self, now: float) -> int:
        """How many bytes may be sent now."""
        rate = self._pace.rate
        self._tokens = min(rate / 4 + 65536, self._tokens + rate * (now - self._filled))
        self._filled = now
        room = self._window - (self._sent - self._acked)
        if self._acked >= self._asked:
            # home owes no answer: what follows must be able to ask for one, though the window
            # has become smaller than what is on its way
            room = max(room, _LEAST_ROOM)
        return int(min(room, self._tokens))

    def sent(self, count: int) -> bool:
        """So many were sent; whether home should confirm them."""
        self._sent += count
        self._tokens -= count
        if self._sent - self._asked >= self._window // 3:
            self._asked = self._sent
            return True
        return False

    def acked(self, total: int, now: float) -> None:
        """Home has so many on its disk."""
        self._acked = total
        since, before = self._measured
        if now - since >= _MEASURE_SECONDS:
            taken = (total - before) / (now - since) * _WINDOW_SECONDS
            self._window = int(min(max(taken, _SMALLEST_WINDOW), _LARGEST_WINDOW))
            self._measured = (now, total)


class Watch:
    """One agent's folder on its way home."""

    def __init__(
        self,
        node_dir: str,
        attempt: int,
        agent: AgentProcess,
        put: Callable[[bytes], None],
        flow: Flow,
        pace: Pace,
    ) -> None:
        self.agent = agent
        self.node_dir = node_dir
        self._attempt = attempt
        self._put = put
        self._flow = flow
        self._pace = pace
        self._carrier = Carrier(node_dir)
        self._state = StateFile(f"{node_dir}/state.json", attempt)
        self._state_due = self._files_due = self._agent_due = 0.0
        self._state_sent_at = 0.0
        self._ended = False
        """The agent has said its last word, or is gone; what it left has been looked at since."""
        self._gone = False
        self._awaiting_verdict = False
        self._settled = False
        self._told = 0
        self.home = False
        """The agent is gone, and home knows everything."""

    def begin(self, offsets: dict[str, int]) -> None:
        """Home has this much."""
        self._carrier.begin(offsets)

    def verdict(self, resend: dict[str, int]) -> None:
        """Home's answer to a census."""
        self._awaiting_verdict = False
        if resend:
            self._carrier.resend(resend)
        else:
            self._settled = True

    @property
    def at_rest(self) -> bool:
        """Nothing is on its way that anybody waits for: the agent lives, or everything is home."""
        return self.home or not self._gone

    @property
    def orderly(self) -> bool:
        """The agent has said its last word: it has seen to it that nothing is left."""
        return self._state.done

    def hurry(self) -> None:
        """The agent may have ended: look at once."""
        self._agent_due = 0.0

    def look_again(self) -> None:
        """What outlived the agent has been ended: it may have written until now."""
        self.hurry()
        if self._gone:
            self.home = self._ended = False
            self._look_at_the_end()

    def turn(self, now: float, outbox_room: int) -> float:
        """Send what is due; the time of the next turn, if nothing happens before."""
        if self.home:
            return now + 1.0
        if now >= self._agent_due:
            self._agent_due = now + _AGENT_GAP
            self._look_at_agent()
        if now >= self._state_due:
            self._state_due = now + _STATE_GAP
            self._state.look()
            if self._state.done:
                self._look_at_the_end()
        if now >= self._files_due:
            busy = self._carrier.look(self._attempt)
            self._tell_left_out()
            self._files_due = now + (_FILES_GAP_BUSY if busy else _FILES_GAP)
        self._send_state(now)
        self._send_files(now, outbox_room)
        if self._ended:
            self._conclude(now)
        if self._carrier.pending and min(self._flow.room(now), outbox_room) > 0:
            return now
        return min(self._state_due, self._files_due, self._agent_due)

    def _look_at_agent(self) -> None:
        if not self._gone and not self.agent.alive:
            self._gone = True
            self._ended = False
            self._state.look()
            self._look_at_the_end()

    def _look_at_the_end(self) -> None:
        if not self._ended:
            self._ended = True
            if self._carrier.look(self._attempt, everything=True):
                self._settled = False

    def _send_state(self, now: float) -> None:
        state = self._state
        if not state.new or (state.done and not self._settled):
            return
        since = now - self._state_sent_at
        if state.urgent or since >= (self._pace.state if state.lively else self._pace.idle):
            self._put(state.take())
            self._state_sent_at = now

    def _send_files(self, now: float, outbox_room: int) -> None:
        if not self._carrier.pending:
            return
        room = min(self._flow.room(now), outbox_room)
        for data, count in self._carrier.take(room):
            self._settled = False
            if count and self._flow.sent(count):
                data = wire.asking_for_ack(data)
            self._put(data)

    def _tell_left_out(self) -> None:
        if len(self._carrier.left_out) > self._told:
            self._told = len(self._carrier.left_out)
            text = f"too large or too many to be carried home: {self._carrier.left_out[-1]}"
            self._put(wire.message(wire.TOLD, message=text))

    def _conclude(self, now: float) -> None:
        if self._carrier.pending or self._awaiting_verdict:
            return
        if not self._settled:
            self._awaiting_verdict = True
            self._put(wire.message(wire.CENSUS, sizes=self._carrier.sizes()))
            return
        if self._state.new:
            self._put(self._state.take())
            self._state_sent_at = now
        if self._gone:
            self._put(wire.message(wire.GONE, attempt=self._attempt))
            self.home = True
