"""The courier by itself, spoken to as its home speaks to it, by every Python it promises."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from rankdeck.agent import courier_frames as wire
from rankdeck.agent.kernel import read_stat
from rankdeck.agent_bundle import agent_bundle, agent_command
from tests.agent.harness import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PYTHONS = [sys.executable, *glob.glob("/root/.pyenv/versions/3.8.*/bin/python")[:1]]


class Courier:
    """One courier and what it has said."""

    def __init__(self, python: str, tmp_path: Path) -> None:
        self.root = tmp_path / "root"
        self.process = subprocess.Popen(
            agent_command(python, agent_bundle(tmp_path / "cache"), "--courier", str(self.root)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._decoder = wire.Decoder()
        self._said: list[tuple[int, bytes]] = []

    def send(self, kind: int, **fields: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(wire.message(kind, **fields))
        self.process.stdin.flush()

    def hear(self, kind: int) -> bytes:
        """The payload of the next frame of this kind."""
        return self._next(kind)[1]

    def hear_agreeing(self, kind: int) -> bytes:
        """The same; whenever the courier asks before that, everything is said to be at home."""
        while True:
            found, payload = self._next(kind, wire.CENSUS)
            if found == kind:
                return payload
            self.send(wire.VERDICT, resend={})

    def _next(self, *kinds: int) -> tuple[int, bytes]:
        assert self.process.stdout is not None
        while True:
            while self._said:
                found, payload = self._said.pop(0)
                if found in kinds:
                    return found, payload
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"the courier ended before it said any of {kinds}"
            self._said += self._decoder.feed(data)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def hear_json(self, kind: int) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.hear(kind))
        return document


@pytest.fixture(params=_PYTHONS, ids=lambda path: "old" if "3.8" in path else "this")
def courier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Courier]:
    made = Courier(request.param, tmp_path)
    yield made
    made.end()


def order(tmp_path: Path, text: str) -> dict[str, Any]:
    return {
        "run_id": f"run-{uuid.uuid4().hex[:12]}", "node": "n1", "attempt": 0, "node_rank": 0,
        "nnodes": 1, "nproc": 1, "first_rank": 0, "world_size": 1, "spawn": "ranks",
        "launcher": "direct", "argv": ["/bin/sh", "-c", text], "env": {}, "cwd": str(tmp_path),
        "python": sys.executable, "node_dir": "/nonexistent",
    }  # fmt: skip


def lives(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    stat = read_stat(pid)
    return stat is not None and not stat.ended


def attach(courier: Courier, fields: dict[str, Any], mode: str = "start") -> dict[str, Any]:
    courier.send(
        wire.ATTACH, run=fields["run_id"], node="n1", attempt=0, mode=mode, order=fields,
        offsets={},
    )  # fmt: skip
    return courier.hear_json(wire.ATTACHED)


def test_an_agent_s_whole_life(courier: Courier, tmp_path: Path) -> None:
    assert courier.hear_json(wire.HELLO)["version"] == wire.VERSION
    fields = order(tmp_path, "echo hello")
    assert attach(courier, fields)["ref"]
    assert courier.hear(wire.NAME)
    sizes = courier.hear_json(wire.CENSUS)["sizes"]
    assert sizes["attempt-0/rank-0.log"] == 6
    courier.send(wire.VERDICT, resend={"attempt-0/rank-0.log": 0})
    chunk = courier.hear(wire.CHUNK)
    assert chunk[wire.CHUNK_HEAD.size :] == b"hello\n"
    while not courier.hear_agreeing(wire.STATE)[0] & wire.STATE_LAST:
        pass
    courier.send(wire.LEAVE, run=fields["run_id"], node="n1")
    # the agent's process may end a moment later, and its log be longer then
    assert json.loads(courier.hear_agreeing(wire.LEFT))["error"] == ""
    assert courier.process.wait(60) == 0
    assert list((courier.root / "runs").iterdir()) == []


def test_it_ends_with_its_connection_and_the_agent_goes_on(
    courier: Courier, tmp_path: Path
) -> None:
    fields = order(tmp_path, "while [ ! -e go ]; do sleep 0.05; done")
    ref = attach(courier, fields)["ref"]
    assert courier.process.stdin is not None
    courier.process.stdin.close()
    assert courier.process.wait(60) == 0
    pid = int(ref.split(":")[0])
    assert lives(pid)
    (tmp_path / "go").touch()
    until(lambda: not lives(pid))


def test_only_one_looks_after_an_agent(courier: Courier, tmp_path: Path) -> None:
    fields = order(tmp_path, "sleep 600")
    ref = attach(courier, fields)["ref"]
    second = Courier(sys.executable, tmp_path)
    try:
        assert attach(second, fields, "watch")["ref"] == ref
        # its connection is still there: nothing but the other one tells it to go
        assert courier.process.wait(60) == -15
        second.send(wire.LEAVE, run=fields["run_id"], node="n1")
        second.hear_agreeing(wire.LEFT)
    finally:
        second.end()


def test_whoever_comes_second_to_start_an_agent_finds_the_first(tmp_path: Path) -> None:
    from rankdeck.agent import courier_start

    attempt_dir = tmp_path / "runs" / "r" / "n1" / "attempt-0"
    attempt_dir.mkdir(parents=True)
    # as if both had looked and found none
    started = [
        courier_start._detach(
            ["/bin/sh", "-c", "exec sleep 600"],
            {"PATH": os.environ["PATH"]},
            str(attempt_dir.parent),
            str(attempt_dir),
        )
        for _ in range(2)
    ]
    try:
        assert started[0].ref == started[1].ref
        assert started[0].alive
        assert sorted(path.name for path in attempt_dir.iterdir()) == [".agent"]
    finally:
        os.kill(started[0].pid, 9)


def test_names_that_lead_elsewhere_end_it(courier: Courier, tmp_path: Path) -> None:
    fields = {**order(tmp_path, "true"), "run_id": "../../.."}
    courier.send(
        wire.ATTACH, run="../..", node="n1", attempt=0, mode="start", order=fields, offsets={}
    )
    assert courier.process.wait(60) == 1


def test_it_ends_when_nobody_speaks_its_language(courier: Courier) -> None:
    assert courier.process.stdin is not None
    courier.process.stdin.write(b"GET / HTTP/1.1\r\n\r\n")
    courier.process.stdin.flush()
    assert courier.process.wait(60) == 1
