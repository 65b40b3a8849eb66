from __future__ import annotations

from rankdeck.backend import AgentLiveness
from tests.backends.ssh.bench import Bench, digest, until


def test_an_agent_runs_and_everything_comes_home(bench: Bench) -> None:
    (ref,) = bench.place(bench.order("echo hello; seq 1 20000; echo bye >&2"))
    state = bench.done()
    assert state.outcome is not None
    assert state.outcome.value == "succeeded"
    assert digest(bench.log()) == digest(bench.far_log().read_bytes())
    assert bench.log().startswith(b"hello\n1\n")
    assert bench.log().endswith(b"20000\nbye\n")
    until(lambda: bench.session.liveness("n1", ref) is AgentLiveness.DEAD)
    bench.session.release()
    assert not bench.far_dir().exists()
    assert bench.left() == []
