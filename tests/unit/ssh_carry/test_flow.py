from __future__ import annotations

import random

from rankdeck.agent.courier_watch import Flow, Pace


def test_files_wait_for_home_and_never_for_ever() -> None:
    """Whatever the speed of the way home, and however it changes, it goes on."""
    chance = random.Random(4711)
    now, sent, home = 100.0, 0, 0
    pace = Pace()
    pace.set({"rate": 1e9})
    flow = Flow(pace, now)
    asked: list[int] = []
    speed = 1e8
    for turn in range(20_000):
        now += 0.01
        if turn % 200 == 0:
            speed = 10 ** chance.uniform(3.5, 8.5)
        room = flow.room(now)
        assert sent - home <= 17 << 20
        while room > 0:
            size = min(room, 131072)
            room -= size
            sent += size
            if flow.sent(size):
                asked.append(sent)
        home = min(sent, home + int(speed * 0.01))
        while asked and asked[0] <= home:
            flow.acked(asked.pop(0), now)
        # home has everything, and nobody owes anybody an answer: there must be room
        if home == sent and not asked:
            assert flow.room(now + 0.01) > 0


def test_a_slow_way_home_is_not_filled_far_ahead() -> None:
    now, sent, home = 0.0, 0, 0
    flow = Flow(Pace(), now)
    asked: list[int] = []
    for _ in range(3000):
        now += 0.01
        room = flow.room(now)
        if room > 0:
            sent += min(room, 131072)
            if flow.sent(min(room, 131072)):
                asked.append(sent)
        home = min(sent, home + 10_000)  # a megabyte a second
        while asked and asked[0] <= home:
            flow.acked(asked.pop(0), now)
    # half a second's worth: so long a state may have to wait
    assert sent - home < 600_000


def test_the_rate_is_bounded() -> None:
    pace = Pace()
    pace.set({"rate": 1e6})
    now, sent = 0.0, 0
    flow = Flow(pace, now)
    while now < 10.0:
        now += 0.05
        size = max(0, flow.room(now))
        sent += size
        flow.sent(size)
        flow.acked(sent, now)
    assert 0.9e7 < sent < 1.1e7
