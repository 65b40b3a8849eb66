from __future__ import annotations

import msgspec
import pytest

from backends.ssh.errand import Errand, Mode, pause_after
from backends.ssh.link import LinkError, LinkFault
from rankdeck.agent_order import AgentOrder

REFUSED = LinkError(LinkFault.REFUSED, "refused")
BUSY = LinkError(LinkFault.BUSY, "busy")
AUTH = LinkError(LinkFault.AUTH, "no key")
ORDER = msgspec.convert(
    {
        "run_id": "r", "node": "n", "node_dir": "/", "attempt": 0, "node_rank": 0, "nnodes": 1,
        "nproc": 1, "first_rank": 0, "world_size": 1, "spawn": "ranks", "launcher": "direct",
        "argv": ["true"], "env": {}, "cwd": "/", "python": "python3",
    },
    AgentOrder,
)  # fmt: skip


@pytest.mark.parametrize(
    ("error", "age", "sent", "maybe", "waits"),
    [
        (REFUSED, 0.0, False, False, False),
        (BUSY, 5.0, False, False, True),
        (BUSY, 25.0, False, False, False),
        (AUTH, 0.0, False, False, False),
        # an agent may be running there: it must not be left alone
        (REFUSED, 5.0, True, False, True),
        (REFUSED, 5.0, False, True, True),
        (REFUSED, 95.0, True, False, False),
    ],
)
def test_how_long_an_answer_is_waited_for(
    error: LinkError, age: float, sent: bool, maybe: bool, waits: bool
) -> None:
    errand = Errand(ORDER, Mode.START, 100.0)
    errand.sent = sent
    found = errand.worth_waiting(error, 100.0 + age, patience=90.0, maybe_there=maybe)
    assert found is waits


def test_pauses_grow_to_ten_seconds_and_never_coincide() -> None:
    longest = [pause_after(REFUSED, failures, 1.0) for failures in range(1, 8)]
    assert longest == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert pause_after(REFUSED, 6, 0.0) == pytest.approx(7.0)


def test_what_somebody_must_mend_is_tried_seldom() -> None:
    assert pause_after(AUTH, 1, 1.0) == pytest.approx(30.0)
