from __future__ import annotations

import pytest

from rankdeck.agent import courier_frames as wire
from rankdeck.agent import courier_stage
from rankdeck.agent.carry_names import APPEND, WHOLE, carried


def test_frames_survive_any_division() -> None:
    frames = [(wire.PING, b""), (wire.CHUNK, b"x" * 70000), (wire.STATE, b"\0\1\2")]
    data = b"".join(wire.frame(kind, payload) for kind, payload in frames)
    for step in (1, 3, 4096, len(data)):
        decoder = wire.Decoder()
        found = []
        for start in range(0, len(data), step):
            found += decoder.feed(data[start : start + step])
        assert found == frames


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(wire.FrameError):
        list(wire.Decoder().feed(b"Last login: Mon Nov 21"))


def test_asking_for_a_confirmation_changes_nothing_else() -> None:
    head = wire.CHUNK_HEAD.pack(3, wire.CHUNK_WHOLE, 1 << 40)
    asking = wire.asking_for_ack(wire.frame(wire.CHUNK, head + b"data"))
    ((kind, payload),) = wire.Decoder().feed(asking)
    assert kind == wire.CHUNK
    number, flags, offset = wire.CHUNK_HEAD.unpack_from(payload)
    assert (number, flags, offset) == (3, wire.CHUNK_WHOLE | wire.CHUNK_ACK, 1 << 40)
    assert payload[wire.CHUNK_HEAD.size :] == b"data"


def test_no_frame_can_be_taken_for_the_stage_s_answer() -> None:
    kinds = [value for name, value in vars(wire).items() if name.isupper() and name != "LARGEST"]
    assert ord("{") not in [kind for kind in kinds if isinstance(kind, int)]


def test_both_sides_know_the_same_mark() -> None:
    assert courier_stage._MARK == wire.MARK


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("launcher.log", APPEND),
        ("agent.log", APPEND),
        ("attempt-0/rank-12.log", APPEND),
        ("attempt-3/rank-0.times", APPEND),
        ("attempt-0/rank-0.error.json", WHOLE),
        ("attempt-0/rank-0.stacks", WHOLE),
        ("attempt-0/state.json", WHOLE),
        ("state.json", 0),
        ("attempt-0/order.json", 0),
        ("attempt-0/rank-0.error.json.4711", 0),
        ("attempt-0/state.json.new", 0),
        ("attempt-0/shim", 0),
        ("attempt-0/.agent", 0),
        (".reserve", 0),
        ("control/1-stop.json", 0),
        ("attempt-0/torchrun/x/stdout.log", 0),
        ("../../events.log", 0),
        ("attempt-0/../../state.json", 0),
        ("/etc/cron.log", 0),
        ("attempt-0/.profile.log", 0),
        ("attempt-0/" + "x" * 300 + ".log", 0),
        ("attempt-0/a\n.log", 0),
        ("", 0),
    ],
)
def test_only_known_files_are_carried(path: str, kind: int) -> None:
    assert carried(path) == kind
